// A program whose class changes under its objects: hot-hook says when the module has changed, and loads it anew.
import { setTimeout } from 'node:timers/promises';
import { service } from './service.mjs';

const load = () => import('./greeter.mjs', import.meta.hot?.boundary);
const { Greeter } = await load();
Greeter.create('ann', { name: 'Ann' });

service.on('changed', async () => {
  try {
    await service.reload(load);
    console.log('reloaded');
  } catch (error) {
    // The class is the one of before, and so are the objects.
    console.error(error);
  }
});

const seconds = Number(process.argv[2] ?? 60);
for (let second = 0; second < seconds; second++) {
  // The class of the moment, not the one of the import.
  console.log(service.stores.get('greeter').get('ann').greet());
  await setTimeout(1000);
}
process.exit();
