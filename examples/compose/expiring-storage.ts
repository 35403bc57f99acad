// A storage whose entries expire, over files: the read that finds an entry expired removes its file.
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encoded, files, v8, volatile } from 'keepsake';

const folder = await mkdtemp(join(tmpdir(), 'keepsake-volatile-'));
let now = Date.now();
// The clock is set forward, so that nobody has to wait.
const pickled = encoded(files(folder, { clock: () => now }), v8());
const storage = volatile(pickled, { ttl: '5s' });

await storage.set('key', { any: new Map([['value', new Date(0)]]) });
console.log('stored:', await storage.get('key'));
now += 5000;
console.log('after 5 seconds:', await storage.get('key'));
console.log('files left:', (await readdir(folder)).filter((name) => !name.startsWith('.')).length);

await storage.close();
await rm(folder, { recursive: true });
