import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { files, Service } from 'keepsake';
import { createStorage } from 'unstorage';
import fsDriver from 'unstorage/drivers/fs';
import { declareDecorated } from './models/decorated.js';
import { makePerson, toPersonDict } from './models/person.js';
import { dropCaches } from './support/machine.js';
import { type Contestant, eachOf, interleave, keep, type Measurement, of } from './support/measure.js';
import { parseOptions } from './support/options.js';
import { printTable, short } from './support/table.js';
import { report } from './support/targets.js';
import { Turns } from './support/turns.js';

const options = parseOptions(process.argv.slice(2));
const AT_ONCE = 64;
const ITEMS_AT_ONCE = 10_000;
const UNSTORAGE = `unstorage: getKeys, getItems, ${ITEMS_AT_ONCE.toLocaleString('en-GB')} at once`;
const LOOP = 'bare loop: readFileSync, JSON.parse';
const SAVED = 'keepsake: await User.saved()';
const ALL = 'keepsake: await User.all()';
const CONCURRENT = "keepsake: await User.saved(), bulkReads: 'concurrent'";
const STREAMED = 'keepsake: for await of User.saved()';

const sizes = options.quick
  ? [{ count: 1000, rounds: 3 }]
  : [
      { count: 10_000, rounds: 7 },
      { count: 100_000, rounds: 3 },
    ];

for (const { count, rounds } of sizes) {
  const root = await mkdtemp(join(options.folder, 'keepsake-bench-'));
  try {
    writeFiles(join(root, 'user'), count);
    await measure(root, count, rounds);
    if (count <= 10_000) await measureCold(root, count, rounds);
    else await measureTurns(root);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}
process.exit(0);

/** Writes what keepsake writes. */
function writeFiles(folder: string, count: number): void {
  mkdirSync(folder);
  for (let index = 0; index < count; index++) {
    const text = `${JSON.stringify(toPersonDict(makePerson(index)), null, 2)}\n`;
    writeFileSync(join(folder, `user-${index}.json`), text);
  }
}

function checked(count: number, name: string, load: () => Promise<{ readonly size: number }>): Contestant {
  return {
    name,
    operations: count,
    run: async () => {
      const all = await load();
      if (all.size !== count) throw new Error(`${name} gave ${all.size} of ${count}`);
      keep(all);
    },
  };
}

/** Opens the folder; the sweep that follows an opening is over when this resolves. */
async function open(root: string, bulkReads: 'slices' | 'concurrent') {
  const backend = await files(root, { extension: '.json', durability: 'none', bulkReads }).open();
  await setTimeout(500);
  const service = new Service({ backend });
  const close = async (): Promise<void> => {
    await service.close();
    await backend.close();
  };
  return { backend, User: declareDecorated(service).User, close };
}

async function bareLoop(folder: string): Promise<Map<string, unknown>> {
  const all = new Map<string, unknown>();
  for (const name of readdirSync(folder)) all.set(name, JSON.parse(readFileSync(join(folder, name), 'utf8')));
  return all;
}

async function measure(root: string, count: number, rounds: number): Promise<void> {
  const folder = join(root, 'user');
  const { backend, User, close } = await open(root, 'slices');
  const concurrent = await open(root, 'concurrent');
  const user = backend.namespace('user');

  const contestants = [
    checked(count, SAVED, async () => User.saved()),
    checked(count, ALL, async () => User.all()),
    checked(count, 'keepsake: entries() of the backend, bytes alone', async () => {
      const all = new Map<string, Uint8Array>();
      for await (const [key, bytes] of user.entries()) all.set(key, bytes);
      return all;
    }),
    checked(count, CONCURRENT, async () => concurrent.User.saved()),
    checked(count, LOOP, async () => bareLoop(folder)),
    checked(count, `readFile, ${AT_ONCE} at once, JSON.parse`, async () => {
      const all = new Map<string, unknown>();
      await eachOf(await readdir(folder), AT_ONCE, async (name) => {
        all.set(name, JSON.parse(await readFile(join(folder, name), 'utf8')));
      });
      return all;
    }),
    checked(count, `unstorage: getKeys, getItem, ${AT_ONCE} at once`, async () => {
      const storage = createStorage({ driver: fsDriver({ base: folder }) });
      const all = new Map<string, unknown>();
      await eachOf(await storage.getKeys(), AT_ONCE, async (key) => {
        all.set(key, await storage.getItem(key));
      });
      return all;
    }),
    checked(count, UNSTORAGE, async () => {
      const storage = createStorage({ driver: fsDriver({ base: folder }) });
      const keys = await storage.getKeys();
      const all = new Map<string, unknown>();
      // It opens all files at once, which a system does not bear of more.
      for (let from = 0; from < keys.length; from += ITEMS_AT_ONCE) {
        const items = await storage.getItems(keys.slice(from, from + ITEMS_AT_ONCE));
        for (const { key, value } of items) all.set(key, value);
      }
      return all;
    }),
  ];

  const measured = await interleave(contestants, { rounds, warmUps: count > 10_000 ? 0 : 1 });
  await close();
  await concurrent.close();
  printResults(measured, count, 'files in the cache of the system');
  await reportTargets(measured, count);
}

/** The same files after the system has dropped them from its cache. */
async function measureCold(root: string, count: number, rounds: number): Promise<void> {
  if (!dropCaches()) return console.log('\nStart-up of files that are not in the cache: only for root on Linux');
  const folder = join(root, 'user');
  const inSlices = await open(root, 'slices');
  const concurrent = await open(root, 'concurrent');
  const contestants = [
    checked(count, SAVED, async () => inSlices.User.saved()),
    checked(count, CONCURRENT, async () => concurrent.User.saved()),
    checked(count, LOOP, async () => bareLoop(folder)),
  ];
  const measured = await interleave(
    contestants.map((contestant) => ({ ...contestant, prepare: dropCaches })),
    { rounds },
  );
  await inSlices.close();
  await concurrent.close();
  printResults(measured, count, 'files not in the cache of the system');
  await report([
    {
      what: `start-up of ${count.toLocaleString('en-GB')}, cold, ${CONCURRENT}, to the bare loop`,
      bound: 'at least',
      target: 1.5,
      measured: of(measured, CONCURRENT).speedOver(of(measured, LOOP)),
    },
  ]);
}

/** For how long the event loop is held up at a time. */
async function measureTurns(root: string): Promise<void> {
  const { backend, User, close } = await open(root, 'slices');
  const user = backend.namespace('user');
  const keys: string[] = [];
  for await (const key of user.keys()) keys.push(key);
  const work: Readonly<Record<string, () => Promise<unknown>>> = {
    [SAVED]: async () => User.saved(),
    [STREAMED]: async () => {
      for await (const one of User.saved()) keep(one);
    },
    'keepsake: entries() of the backend': async () => {
      for await (const one of user.entries()) keep(one);
    },
    'keepsake: getMany(keys) of the backend': async () => user.getMany(keys),
  };
  const rows: string[][] = [];
  for (const [name, run] of Object.entries(work)) {
    await run();
    globalThis.gc?.();
    const turns = new Turns();
    keep(await run());
    const { count, quantile } = turns.stop();
    rows.push([name, short(count), ...[0.5, 0.99, 1].map((part) => short(quantile(part)))]);
    await report([
      {
        what: `99 in 100 turns of the event loop, ${name}, ms`,
        bound: 'at most',
        target: 10,
        measured: quantile(0.99),
      },
    ]);
  }
  await close();
  const title = `For how long the event loop is held up by reading ${keys.length.toLocaleString('en-GB')} files, ms`;
  printTable(title, ['', 'turns', 'median', '99 in 100', 'longest'], rows);
}

function printResults(measured: ReadonlyMap<string, Measurement>, count: number, where: string): void {
  const own = of(measured, SAVED);
  printTable(
    `Start-up: ${count.toLocaleString('en-GB')} saved objects, ${where}`,
    ['', 'objects a second', 'ms', 'saved() to it'],
    [...measured.values()].map((one) => [
      one.name,
      short(one.rate),
      short((one.time * count) / 1e6),
      short(own.speedOver(one)),
    ]),
  );
}

async function reportTargets(measured: ReadonlyMap<string, Measurement>, count: number): Promise<void> {
  const name = count.toLocaleString('en-GB');
  await report(
    [SAVED, ALL].flatMap((own) => [
      {
        what: `start-up of ${name}, ${own}, to ${UNSTORAGE}`,
        bound: 'at least',
        target: 3,
        measured: of(measured, own).speedOver(of(measured, UNSTORAGE)),
      } as const,
      {
        what: `start-up of ${name}, ${own}, to the bare loop`,
        bound: 'at least',
        target: 0.5,
        measured: of(measured, own).speedOver(of(measured, LOOP)),
      } as const,
    ]),
  );
}
