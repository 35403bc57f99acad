import { close, open, rename, type WatchEventType, watch, write } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { readFile as readAtomically, writeFile as writeAtomically } from 'atomically';
import { files } from 'keepsake';
import { KeyvFile } from 'keyv-file';
import nodePersist from 'node-persist';
import { createStorage } from 'unstorage';
import fsDriver from 'unstorage/drivers/fs';
import writeFileAtomic from 'write-file-atomic';
import { measuresMainThread } from './support/machine.js';
import { type Contestant, eachOf, interleave, keep, type Measurement, median, of } from './support/measure.js';
import { parseOptions } from './support/options.js';
import { printTable, short } from './support/table.js';
import { report, type Target } from './support/targets.js';

const options = parseOptions(process.argv.slice(2));
const ROUNDS = options.quick ? 3 : 10;
const KEYS_A_ROUND = options.quick ? 64 : 200;
const AT_ONCE = 32;
const OVERLAPPING = 100;
const HEAD_TO_HEAD_ROUNDS = options.quick ? 3 : 25;
const OVERLAP_ROUNDS = options.quick ? 2 : 5;

/** What is compared: saves under keys. */
interface Subject {
  readonly name: string;
  /** What a save guarantees. */
  readonly atomic: string;
  readonly durable: string;
  /** Where one save costs as much as all that is stored, fewer are made. */
  readonly keysARound?: { readonly oneByOne: number; readonly atOnce: number };
  write(key: string, text: string): Promise<unknown>;
  read(key: string): Promise<unknown>;
  close?(): unknown;
}

type Opener = (folder: string) => Subject | Promise<Subject>;

const keepsake =
  (durability: 'file' | 'none'): Opener =>
  (folder) => {
    const backend = files(folder, { extension: '.json', durability });
    return {
      name: `keepsake '${durability}'`,
      atomic: 'yes',
      durable: durability === 'file' ? 'yes' : 'no',
      write: (key, text) => backend.set(key, text),
      read: (key) => backend.get(key),
      close: () => backend.close(),
    };
  };

const atomicWriter =
  (fsync: boolean): Opener =>
  (folder) => ({
    name: fsync ? 'write-file-atomic' : 'write-file-atomic, fsync: false',
    atomic: 'yes',
    durable: fsync ? 'yes' : 'no',
    write: (key, text) => writeFileAtomic(join(folder, `${key}.json`), text, { fsync }),
    read: (key) => readFile(join(folder, `${key}.json`)),
  });

const atomically =
  (fsync: boolean): Opener =>
  (folder) => ({
    name: fsync ? 'atomically' : 'atomically, fsync: false',
    atomic: 'yes',
    durable: fsync ? 'yes' : 'no',
    write: (key, text) => writeAtomically(join(folder, `${key}.json`), text, { fsync }),
    read: (key) => readAtomically(join(folder, `${key}.json`)),
  });

const unstorage: Opener = (folder) => {
  const storage = createStorage({ driver: fsDriver({ base: folder }) });
  return {
    name: 'unstorage fs',
    atomic: 'no',
    durable: 'no',
    write: (key, text) => storage.setItem(`${key}.json`, text),
    read: (key) => storage.getItem(`${key}.json`),
    close: () => storage.dispose(),
  };
};

const keyvFile: Opener = (folder) => {
  const store = new KeyvFile({ filename: join(folder, 'all.json') });
  return {
    name: 'keyv-file (one file for all keys)',
    atomic: 'no',
    durable: 'no',
    keysARound: { oneByOne: 4, atOnce: 64 },
    write: (key, text) => store.set(key, text),
    read: (key) => store.get(key),
  };
};

const persist: Opener = async (folder) => {
  // A save that comes while others are written waits for a timer: by default for a second.
  const storage = nodePersist.create({ dir: folder, writeQueueIntervalMs: 1 } as nodePersist.InitOptions);
  await storage.init();
  return {
    name: 'node-persist',
    atomic: 'no',
    durable: 'no',
    write: (key, text) => storage.setItem(key, text),
    read: (key) => storage.getItem(key),
    close: () => (storage as unknown as { stopWriteQueueInterval(): void }).stopWriteQueueInterval(),
  };
};

let temporaries = 0;

/** The least that an atomic save takes: a temporary file, renamed. Overlapping saves of one key end in any order. */
const callbacks: Opener = (folder) => ({
  name: 'callbacks: temporary file, rename',
  atomic: 'yes',
  durable: 'no',
  write: (key, text) =>
    new Promise<void>((resolve, reject) => {
      const path = join(folder, `${key}.json`);
      const temporary = `${path}.${++temporaries}`;
      open(temporary, 'wx', (openError, descriptor) => {
        if (openError) return reject(openError);
        write(descriptor, text, (writeError) => {
          if (writeError) return reject(writeError);
          close(descriptor, (closeError) => {
            if (closeError) return reject(closeError);
            rename(temporary, path, (renameError) => (renameError ? reject(renameError) : resolve()));
          });
        });
      });
    }),
  read: (key) => readFile(join(folder, `${key}.json`)),
});

const openers = [
  keepsake('file'),
  atomicWriter(true),
  atomically(true),
  keepsake('none'),
  callbacks,
  atomicWriter(false),
  atomically(false),
  unstorage,
  persist,
  keyvFile,
];

const textOf = (key: string, version = 0): string =>
  JSON.stringify({ key, version, name: 'Ann Example', text: 'x'.repeat(230) });

function keysOf(round: number, phase: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${phase}-${round}-${index}`);
}

// The timer of node-persist does not keep a process going that waits for it.
const going = setInterval(() => undefined, 1000);
const root = await mkdtemp(join(options.folder, 'keepsake-bench-'));
try {
  const subjects: Subject[] = [];
  const folders = new Map<Subject, string>();
  for (const [index, opener] of openers.entries()) {
    const folder = join(root, String(index));
    await mkdir(folder);
    const subject = await opener(folder);
    subjects.push(subject);
    folders.set(subject, folder);
  }
  await measureSaves(subjects);
  await measureHeadToHead(subjects);
  await measureOverlaps(subjects, folders);
  for (const subject of subjects) await subject.close?.();
} finally {
  clearInterval(going);
  await rm(root, { recursive: true, force: true });
}
process.exit(0);

async function measureSaves(subjects: readonly Subject[]): Promise<void> {
  const measure = (
    phase: string,
    atOnce: number,
    operation: (subject: Subject, key: string) => Promise<unknown>,
  ): Promise<ReadonlyMap<string, Measurement>> => {
    const contestants = subjects.map((subject): Contestant => {
      const { keysARound } = subject;
      const count = (atOnce === 1 ? keysARound?.oneByOne : keysARound?.atOnce) ?? KEYS_A_ROUND;
      return {
        name: subject.name,
        operations: count,
        run: (round) => eachOf(keysOf(round, phase, count), atOnce, (key) => operation(subject, key)),
      };
    });
    return interleave(contestants, { rounds: ROUNDS });
  };
  const save = (subject: Subject, key: string): Promise<unknown> => subject.write(key, textOf(key));
  const saveAgain = (subject: Subject, key: string): Promise<unknown> => subject.write(key, textOf(key, 1));
  const read = async (subject: Subject, key: string): Promise<void> => keep(await subject.read(key));

  const oneByOne = await measure('one', 1, save);
  const atOnce = await measure('many', AT_ONCE, save);
  const again = await measure('many', AT_ONCE, saveAgain);
  const readOneByOne = await measure('one', 1, read);
  const readAtOnce = await measure('many', AT_ONCE, read);

  const rate = (measured: ReadonlyMap<string, Measurement>, name: string): string => short(of(measured, name).rate);
  const computed = (measured: ReadonlyMap<string, Measurement>, name: string): string =>
    short(of(measured, name).computed / 1000);
  printTable(
    `Files: ${(ROUNDS * KEYS_A_ROUND).toLocaleString('en-GB')} keys of ${textOf('many-0-0').length} bytes, operations a second` +
      `; in µs what ${measuresMainThread ? 'the main thread' : 'the process'} computes for one`,
    [
      '',
      'atomic',
      'durable',
      'new, 1 at once',
      'µs',
      `new, ${AT_ONCE}`,
      'µs',
      `again, ${AT_ONCE}`,
      'µs',
      'read, 1',
      `read, ${AT_ONCE}`,
      'µs',
    ],
    subjects.map(({ name, atomic, durable }) => [
      name,
      atomic,
      durable,
      rate(oneByOne, name),
      computed(oneByOne, name),
      rate(atOnce, name),
      computed(atOnce, name),
      rate(again, name),
      computed(again, name),
      rate(readOneByOne, name),
      rate(readAtOnce, name),
      computed(readAtOnce, name),
    ]),
    3,
  );
}

/** Two with the same guarantees, with nobody else between them, and more keys: for the targets. */
async function measureHeadToHead(subjects: readonly Subject[]): Promise<void> {
  const named = (name: string): Subject => subjects.find((subject) => subject.name === name) as Subject;
  const pairs = [
    { own: named("keepsake 'file'"), other: named('write-file-atomic'), keys: 200 },
    { own: named("keepsake 'none'"), other: named('callbacks: temporary file, rename'), keys: 1000 },
  ];
  const rows: string[][] = [];
  const targets: Target[] = [];
  for (const { own, other, keys } of pairs) {
    const count = options.quick ? KEYS_A_ROUND : keys;
    const measure = (phase: string, version: number): Promise<ReadonlyMap<string, Measurement>> =>
      interleave(
        [own, other].map((subject) => ({
          name: subject.name,
          operations: count,
          run: (round) =>
            eachOf(keysOf(round, phase, count), AT_ONCE, (key) => subject.write(key, textOf(key, version))),
        })),
        { rounds: HEAD_TO_HEAD_ROUNDS },
      );
    for (const [what, measured] of [
      ['new', await measure('pair', 0)],
      ['again', await measure('pair', 1)],
    ] as const) {
      const [first, second] = [of(measured, own.name), of(measured, other.name)];
      const speed = first.speedOver(second);
      rows.push([
        `${own.name} to ${other.name}, ${what}`,
        short(first.rate),
        short(second.rate),
        short(first.computed / 1000),
        short(second.computed / 1000),
        short(speed),
      ]);
      targets.push({
        what: `files, ${what}, ${AT_ONCE} at once: ${own.name} to ${other.name}`,
        bound: 'at least',
        target: 0.9,
        measured: speed,
      });
    }
  }
  printTable(
    `Files: ${AT_ONCE} saves at once, two by two, operations a second, and µs computed for one`,
    ['', 'first', 'second', 'µs first', 'second', 'times as fast'],
    rows,
  );
  await report(targets);
}

/** What many saves of one key at a time came to. */
interface Overlap {
  readonly time: number;
  /** How often the file was replaced, or, where it is written in place, seen to change: adjacent changes are seen as one. */
  readonly replaced: number;
  readonly changed: number;
  readonly end: 'last' | 'stale' | 'corrupt';
}

async function measureOverlaps(subjects: readonly Subject[], folders: ReadonlyMap<Subject, string>): Promise<void> {
  const overlaps = new Map<Subject, Overlap[]>(subjects.map((subject) => [subject, []]));
  for (let round = 0; round < OVERLAP_ROUNDS; round++) {
    for (const subject of subjects) {
      overlaps.get(subject)?.push(await overlap(subject, folders.get(subject) as string, `hot-${round}`));
    }
  }
  const writesOf = (subject: Subject): string => {
    const measured = overlaps.get(subject) ?? [];
    const replaced = median(measured.map((one) => one.replaced));
    return replaced > 0 ? short(replaced) : `${short(median(measured.map((one) => one.changed)))} seen, in place`;
  };
  const ends = (subject: Subject): string => {
    const measured = overlaps.get(subject) ?? [];
    return (['last', 'stale', 'corrupt'] as const)
      .map((end) => ({ end, times: measured.filter((one) => one.end === end).length }))
      .filter(({ times }) => times > 0)
      .map(({ end, times }) => `${end} ${times}`)
      .join(', ');
  };
  printTable(
    `Files: ${OVERLAPPING} overlapping saves of one key, ${OVERLAP_ROUNDS} times`,
    ['', 'on disk then', 'writes', 'ms'],
    subjects.map((subject) => [
      subject.name,
      ends(subject),
      writesOf(subject),
      short(median((overlaps.get(subject) ?? []).map((one) => one.time))),
    ]),
    2,
  );
  const own = subjects.filter(({ name }) => name.startsWith('keepsake'));
  await report(
    own.flatMap((subject) => {
      const measured = overlaps.get(subject) ?? [];
      return [
        {
          what: `files, ${OVERLAPPING} overlapping saves: writes of ${subject.name}`,
          bound: 'at most',
          target: 2,
          measured: Math.max(...measured.map((one) => one.replaced)),
        } as const,
        {
          what: `files, ${OVERLAPPING} overlapping saves: last value on disk with ${subject.name}`,
          bound: 'at least',
          target: 1,
          measured: measured.filter((one) => one.end === 'last').length / measured.length,
        } as const,
      ];
    }),
  );
}

async function overlap(subject: Subject, folder: string, key: string): Promise<Overlap> {
  const before = new Set(await readdir(folder));
  await subject.write(key, textOf(key));
  // Names of files are each project's own: what is new is the key's, or the one file of all.
  const file = (await readdir(folder)).find((name) => !before.has(name)) ?? [...before][0];
  if (file === undefined) throw new Error(`${subject.name} wrote no file`);
  const counts = { rename: 0, change: 0 };
  const watcher = watch(folder, (event: WatchEventType, name) => {
    if (name === file) counts[event as 'rename' | 'change']++;
  });
  await setTimeout(50);
  const started = performance.now();
  const saves = Array.from({ length: OVERLAPPING }, (_, index) => subject.write(key, textOf(key, index + 1)));
  await Promise.all(saves);
  const time = performance.now() - started;
  const end = await stateOf(join(folder, file), `"key":"${key}","version":${OVERLAPPING},`);
  await setTimeout(50);
  watcher.close();
  return { time, replaced: counts.rename, changed: counts.change, end };
}

async function stateOf(path: string, last: string): Promise<Overlap['end']> {
  const text = await readFile(path, 'utf8');
  try {
    JSON.parse(text);
  } catch {
    return 'corrupt';
  }
  // One of them keeps text within text.
  return text.replaceAll('\\', '').includes(last) ? 'last' : 'stale';
}
