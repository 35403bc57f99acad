import { linkSync, mkdirSync, opendirSync, readdirSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { type Backend, files } from 'keepsake';
import { createStorage } from 'unstorage';
import fsDriver from 'unstorage/drivers/fs';
import { type Contestant, interleave, of } from './support/measure.js';
import { parseOptions } from './support/options.js';
import { printTable, short } from './support/table.js';
import { report } from './support/targets.js';

const options = parseOptions(process.argv.slice(2));
const NAMES = options.quick ? 2000 : 100_000;
const MANY = options.quick ? 4000 : 1_000_000;
const ROUNDS = options.quick ? 3 : 15;
/** How many names of one file a file system bears. */
const LINKS = 60_000;
const PLAIN = 'readdirSync';
const KEYS = 'keepsake: keys()';
const COUNT = 'keepsake: count()';

await within(NAMES, measure);
await within(MANY, measureMany);
process.exit(0);

async function within(count: number, work: (root: string, backend: Backend, count: number) => Promise<void>) {
  const root = await mkdtemp(join(options.folder, 'keepsake-bench-'));
  const folder = join(root, 'user');
  mkdirSync(folder);
  let first = '';
  for (let index = 0; index < count; index++) {
    const path = join(folder, `user-${index}.json`);
    if (index % LINKS > 0) linkSync(first, path);
    else {
      first = path;
      writeFileSync(path, '{}');
    }
  }
  try {
    const backend = await files(root, { extension: '.json', durability: 'none' }).open();
    // The sweep that follows an opening is to be over.
    await setTimeout(count / 200);
    await work(root, backend, count);
    await backend.close();
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

async function measure(root: string, backend: Backend, count: number): Promise<void> {
  const folder = join(root, 'user');
  const user = backend.namespace('user');
  const lists = (name: string, list: () => Promise<number>): Contestant => ({
    name,
    operations: count,
    run: async () => {
      const listed = await list();
      if (listed !== count) throw new Error(`${name} gave ${listed} of ${count}`);
    },
  });
  const measured = await interleave(
    [
      lists(PLAIN, async () => readdirSync(folder).length),
      lists('opendirSync, readSync', async () => {
        const handle = opendirSync(folder, { bufferSize: 512 });
        let listed = 0;
        while (handle.readSync() !== null) listed++;
        handle.closeSync();
        return listed;
      }),
      lists(KEYS, () => walk(backend)),
      lists('keepsake: keys() of the namespace', () => walk(user)),
      lists(COUNT, () => backend.count({ prefix: 'user:' })),
      lists('unstorage: getKeys', async () => {
        const storage = createStorage({ driver: fsDriver({ base: folder }) });
        return (await storage.getKeys()).length;
      }),
    ],
    { rounds: ROUNDS, warmUps: 2 },
  );
  const plain = of(measured, PLAIN);
  printTable(
    `Listing: ${count.toLocaleString('en-GB')} names in one folder`,
    ['', 'ms', 'times readdirSync', 'main thread, ms', 'times readdirSync'],
    [...measured.values()].map((one) => [
      one.name,
      short((one.time * count) / 1e6),
      short(one.timeTo(plain)),
      short((one.computed * count) / 1e6),
      short(one.computed / plain.computed),
    ]),
  );
  await report(
    [KEYS, COUNT].map((name) => ({
      what: `${name} of ${count.toLocaleString('en-GB')}, time to readdirSync`,
      bound: 'at most' as const,
      target: 1.3,
      measured: of(measured, name).timeTo(plain),
    })),
  );
}

async function walk(backend: Backend): Promise<number> {
  let listed = 0;
  for await (const _ of backend.keys()) listed++;
  return listed;
}

/** What the heap holds while many keys are listed, and what a page of them takes. */
async function measureMany(_root: string, backend: Backend, count: number): Promise<void> {
  const heap: number[] = [];
  let listed = 0;
  for await (const _ of backend.keys()) {
    listed++;
    if (listed % (count / 10) === 0) {
      globalThis.gc?.();
      heap.push(process.memoryUsage().heapUsed / 2 ** 20);
    }
  }
  const times: number[] = [];
  for (let cursor: string | undefined; times.length < 3; ) {
    const started = performance.now();
    const page = await backend.page({ prefix: 'user:', ...(cursor === undefined ? {} : { cursor }) });
    times.push(performance.now() - started);
    cursor = page.cursor;
  }
  const name = count.toLocaleString('en-GB');
  const [first = 0] = heap;
  const last = heap[heap.length - 1] ?? 0;
  printTable(
    `Listing: ${name} keys`,
    ['', ''],
    [
      ['heap after a tenth, MiB', short(first)],
      ['heap at the end, MiB', short(last)],
      ['a page of 1,000, ms', short(Math.min(...times))],
    ],
  );
  await report([
    { what: `heap after ${name} keys to a tenth of them`, bound: 'at most', target: 1.1, measured: last / first },
  ]);
}
