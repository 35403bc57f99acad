// Entries that expired while nobody was looking are removed when the application starts.
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { files } from 'keepsake';

const folder = await mkdtemp(join(tmpdir(), 'keepsake-expiry-'));
const countFiles = async () => (await readdir(folder)).filter((name) => name.endsWith('.bin')).length;

// The application ran yesterday ...
const yesterday = files(folder, { clock: () => Date.now() - 86_400_000 });
await yesterday.set('short', 'gone by now', { ttl: '1h' });
await yesterday.set('long', 'still there', { ttl: '7d' });
await yesterday.set('always', 'there for ever');
await yesterday.close();
console.log(`${await countFiles()} files from yesterday`);

// ... and starts again today.
const store = files(folder);
console.log(`${await store.deleteExpired()} expired entry deleted at start-up, ${await countFiles()} files left`);
await store.close();
await rm(folder, { recursive: true });
