import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { files, Service } from 'keepsake';
import { createStorage } from 'unstorage';
import fsDriver from 'unstorage/drivers/fs';
import { declareDecorated } from './models/decorated.js';
import { makePerson, toPersonDict } from './models/person.js';
import { type Contestant, eachOf, interleave, keep, type Measurement, of } from './support/measure.js';
import { parseOptions } from './support/options.js';
import { printTable, short } from './support/table.js';
import { report } from './support/targets.js';

const options = parseOptions(process.argv.slice(2));
const AT_ONCE = 64;
const LOOP = 'bare loop: readFileSync, JSON.parse';
const SAVED = 'keepsake: await User.saved()';
const ALL = 'keepsake: await User.all()';

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

async function measure(root: string, count: number, rounds: number): Promise<void> {
  const folder = join(root, 'user');
  const backend = files(root, { extension: '.json', durability: 'none' });
  const service = new Service({ backend });
  const { User } = declareDecorated(service);
  const user = backend.namespace('user');

  const checked = (name: string, load: () => Promise<{ readonly size: number }>): Contestant => ({
    name,
    operations: count,
    run: async () => {
      const all = await load();
      if (all.size !== count) throw new Error(`${name} gave ${all.size} of ${count}`);
      keep(all);
    },
  });

  const contestants = [
    checked(SAVED, async () => User.saved()),
    checked(ALL, async () => User.all()),
    checked('keepsake: entries() of the backend, bytes alone', async () => {
      const all = new Map<string, Uint8Array>();
      for await (const [key, bytes] of user.entries()) all.set(key, bytes);
      return all;
    }),
    checked(LOOP, async () => {
      const all = new Map<string, unknown>();
      for (const name of readdirSync(folder)) all.set(name, JSON.parse(readFileSync(join(folder, name), 'utf8')));
      return all;
    }),
    checked(`readFile, ${AT_ONCE} at once, JSON.parse`, async () => {
      const all = new Map<string, unknown>();
      await eachOf(await readdir(folder), AT_ONCE, async (name) => {
        all.set(name, JSON.parse(await readFile(join(folder, name), 'utf8')));
      });
      return all;
    }),
    checked(`unstorage: getKeys, getItem, ${AT_ONCE} at once`, async () => {
      const storage = createStorage({ driver: fsDriver({ base: folder }) });
      const all = new Map<string, unknown>();
      await eachOf(await storage.getKeys(), AT_ONCE, async (key) => {
        all.set(key, await storage.getItem(key));
      });
      return all;
    }),
  ];
  // It opens all files at once, which a system does not bear of many.
  if (count <= 10_000) {
    contestants.push(
      checked('unstorage: getKeys, getItems', async () => {
        const storage = createStorage({ driver: fsDriver({ base: folder }) });
        const items = await storage.getItems(await storage.getKeys());
        return new Map(items.map(({ key, value }) => [key, value]));
      }),
    );
  }

  const measured = await interleave(contestants, { rounds, warmUps: count > 10_000 ? 0 : 1 });
  await service.close();
  await backend.close();
  printResults(measured, count);
  await reportTargets(measured, count);
}

function printResults(measured: ReadonlyMap<string, Measurement>, count: number): void {
  const own = of(measured, SAVED);
  printTable(
    `Start-up: ${count.toLocaleString('en-GB')} saved objects, files in the cache of the system`,
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
  const best = [...measured.values()]
    .filter(({ name }) => name.startsWith('unstorage'))
    .sort((a, b) => a.time - b.time)[0] as Measurement;
  const name = count.toLocaleString('en-GB');
  await report(
    [SAVED, ALL].flatMap((own) => [
      {
        what: `start-up of ${name}, ${own}, to ${best.name}`,
        bound: 'at least',
        target: 4,
        measured: of(measured, own).speedOver(best),
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
