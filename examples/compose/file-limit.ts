// A storage with a file count limit: the file that was used longest ago makes room for a new one, also after a restart.
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { provider } from 'keepsake';

const folder = await mkdtemp(join(tmpdir(), 'keepsake-limit-'));
const countFiles = async () => (await readdir(folder)).filter((name) => name.startsWith('key.')).length;

const storage = await provider.create<string>('storage.disklru', { folder, max: 100 });
for (let index = 0; index < 150; index++) await storage.set(`key.${index}`, `value.${index}`);
console.log(`150 writes, ${await storage.count()} entries, ${await countFiles()} files`);
console.log(`the first is gone: ${await storage.get('key.0')}; the last is there: ${await storage.get('key.149')}`);
console.log(`one of the oldest is read, and so kept: ${await storage.get('key.50')}`);
await storage.close();

const again = await provider.create<string>('storage.disklru', { folder, max: 100 });
await again.set('key.150', 'value.150');
console.log(`after a restart: key.50 is ${await again.get('key.50')}, key.51 is ${await again.get('key.51')}`);
await again.close();
await rm(folder, { recursive: true });
