// Reloads a module of a class many times in one process, and tells what is left of the former objects.
// Called with: folder, number of objects, number of reloads. Needs --expose-gc.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { Field, Service, SessionField, type Store } from 'keepsake';

const [folder = '', objects = '1', reloads = '1'] = process.argv.slice(2);
const service = new Service({ backend: 'memory:' });
Object.assign(globalThis, { keepsake: { service, Field, SessionField, Store: (await import('keepsake')).Store } });

const module = join(folder, 'user.mjs');
writeFileSync(
  module,
  `const { service, Field, SessionField, Store } = globalThis.keepsake;
  const version = new URL(import.meta.url).searchParams.get('version');
  service.register(class User extends Store {
    name = '';
    version() { return version; }
  }, { fields: { name: Field(), socket: SessionField(), friend: SessionField() } });`,
);
const load = (version: number): Promise<unknown> => import(`${pathToFileURL(module)}?version=${version}`);

let collected = 0;
const registry = new FinalizationRegistry(() => collected++);
const watchAll = (): void => {
  for (const store of service.stores.get('user')?.active().values() ?? []) registry.register(store as Store, undefined);
};
const collect = async (): Promise<void> => {
  for (let time = 0; time < 20; time++) {
    globalThis.gc?.();
    await setTimeout(5);
  }
};

/** In a function of its own, so that nothing of it stays on the stack. */
function populate(): void {
  const User = service.stores.get('user') as unknown as { create(key: string, values: object): { friend?: unknown } };
  const users = Array.from({ length: Number(objects) }, (_, index) =>
    User.create(`u${index}`, { name: `user ${index}`, socket: { index } }),
  );
  for (const [index, user] of users.entries()) user.friend = users[(index + 1) % users.length];
}

await load(0);
populate();
await collect();
const before = process.memoryUsage().heapUsed;
let longest = 0;
for (let version = 1; version <= Number(reloads); version++) {
  watchAll();
  let started = 0;
  await service.reload(async () => {
    await load(version);
    started = performance.now();
  });
  longest = Math.max(longest, performance.now() - started);
}
await collect();
const last = service.stores.get('user')?.get('u0') as unknown as {
  version(): string;
  name: string;
  friend: { name: string };
};
const told = {
  version: last.version(),
  name: last.name,
  friend: last.friend.name,
  former: Number(objects) * Number(reloads),
  collected,
  bytesPerReload: Math.round((process.memoryUsage().heapUsed - before) / Number(reloads)),
  longest,
};
console.log(JSON.stringify(told));
