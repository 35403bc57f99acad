/*
 * Works on the keys of a folder beside another process, and writes down what it begins and what it ends, with the time of the system's
 * monotonic clock. Arguments: folder, name of the writer, how many rounds of five operations, the file of the log.
 */
import { openSync, writeSync } from 'node:fs';
import { files } from 'keepsake';

const [folder = '', writer = '', rounds = '0', log = ''] = process.argv.slice(2);
const backend = files(folder, { shared: true, durability: 'none', lockTimeout: '30s' });
const descriptor = openSync(log, 'a');
const LANES = 8;
let count = 0;

interface Value {
  readonly base: string;
  readonly chain: readonly string[];
}

async function logged(kind: string, key: string, work: (id: string) => Promise<unknown>): Promise<void> {
  const id = `${writer}${++count}`;
  writeSync(descriptor, `${JSON.stringify({ id, kind, key, start: Number(process.hrtime.bigint()) })}\n`);
  const result = await work(id);
  writeSync(descriptor, `${JSON.stringify({ id, end: Number(process.hrtime.bigint()), result })}\n`);
}

const plain = (id: string) => JSON.stringify({ base: id, chain: [] } satisfies Value);
const parse = (bytes: Uint8Array): Value => JSON.parse(Buffer.from(bytes).toString());

async function look(key: string): Promise<void> {
  await logged('get', key, async () => {
    const bytes = await backend.get(key);
    return bytes === undefined ? null : parse(bytes);
  });
}

async function work(lane: number): Promise<void> {
  for (let round = lane; round < Number(rounds); round += LANES) {
    const kinds = ['set', 'update', 'absent', 'expiring', 'touch'].sort(() => Math.random() - 0.5);
    for (const kind of kinds) {
      const key = `k${Math.floor(Math.random() * 20)}`;
      if (kind === 'set') await logged(kind, key, (id) => backend.set(key, plain(id)));
      if (kind === 'absent') await logged(kind, key, (id) => backend.set(key, plain(id), { if: 'absent' }));
      if (kind === 'expiring')
        await logged(kind, key, (id) => backend.set(key, plain(id), { ttl: 1 + Math.random() * 20 }));
      if (kind === 'touch')
        await logged(kind, key, () => backend.touch(key, Math.random() < 0.5 ? null : 1 + Math.random() * 20));
      if (kind === 'update') {
        const counter = `c${round % 4}`;
        await logged('count', counter, async () => (await backend.increment(counter)).value);
        await logged(kind, key, async (id) => {
          const stored = await backend.update(key, (bytes) => {
            const value = bytes === undefined ? { base: id, chain: [] } : parse(bytes);
            return JSON.stringify({ base: value.base, chain: [...value.chain, id] });
          });
          return stored && parse(stored);
        });
      }
      if (Math.random() < 0.3) await look(key);
    }
  }
}

await Promise.all(Array.from({ length: LANES }, (_, lane) => work(lane)));
await backend.close();
