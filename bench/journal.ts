import { closeSync, fdatasync, fsyncSync, openSync, write, writeSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFile as writeAtomically } from 'atomically';
import { type Backend, files } from 'keepsake';
import writeFileAtomic from 'write-file-atomic';
import { computedTime } from './support/machine.js';
import { eachOf, interleave, type Measurement, of } from './support/measure.js';
import { parseOptions } from './support/options.js';
import { printTable, short } from './support/table.js';
import { report, type Target } from './support/targets.js';

const options = parseOptions(process.argv.slice(2));
const ROUNDS = options.quick ? 2 : 5;
const BURST = options.quick ? 500 : 5000;
/** The peers sync each file, which takes a second for so many; what one save takes does not depend on how many there are. */
const PEER_BURST = options.quick ? 50 : 500;
const SLICES = options.quick ? 2 : 6;
const SLICE = options.quick ? 300 : 10_000;
const AT_ONCE = 32;
const REWRITTEN = 500;

const textOf = (key: string, version = 0): string =>
  JSON.stringify({ key, version, name: 'Ann Example', text: 'x'.repeat(230) });

/** Saves of which some are made together. */
interface Subject {
  readonly name: string;
  readonly burst: number;
  write(key: string, text: string): Promise<unknown>;
  /** Resolves when all that was saved is in its file. */
  settle?(): Promise<unknown>;
  close?(): Promise<unknown>;
}

function journal(folder: string): Subject & { readonly backend: Backend } {
  const backend = files(folder, { extension: '.json', durability: 'journal' });
  return {
    name: "keepsake 'journal'",
    burst: BURST,
    backend,
    write: (key, text) => backend.set(key, text),
    settle: () => backend.page({ limit: 1, prefix: 'none:' }),
    close: () => backend.close(),
  };
}

const atomicWriter = (folder: string): Subject => ({
  name: 'write-file-atomic',
  burst: PEER_BURST,
  write: (key, text) => writeFileAtomic(join(folder, `${key}.json`), text),
});

const atomically = (folder: string): Subject => ({
  name: 'atomically',
  burst: PEER_BURST,
  write: (key, text) => writeAtomically(join(folder, `${key}.json`), text),
});

/** The least that a durable save takes: a line at the end of one file, synced together with those of others. There is no file to read for anyone. */
function bareLog(folder: string): Subject {
  const descriptor = openSync(join(folder, 'log'), 'w');
  writeSync(descriptor, Buffer.alloc((options.quick ? 2 : 64) * 2 ** 20));
  fsyncSync(descriptor);
  let waiting: { readonly text: string; readonly done: (error?: unknown) => void }[] = [];
  let position = 0;
  let busy = false;
  const flush = (): void => {
    const batch = waiting;
    waiting = [];
    const bytes = Buffer.from(batch.map(({ text }) => text).join('\n'));
    const end = (error?: unknown): void => {
      for (const { done } of batch) done(error);
      if (waiting.length > 0) setImmediate(flush);
      else busy = false;
    };
    write(descriptor, bytes, 0, bytes.length, position, (error) => {
      position += bytes.length;
      if (error) end(error);
      else fdatasync(descriptor, (unsynced) => end(unsynced ?? undefined));
    });
  };
  return {
    name: 'a bare log, shared fdatasync',
    burst: BURST,
    write: (_key, text) =>
      new Promise<void>((resolve, reject) => {
        waiting.push({ text, done: (error) => (error === undefined ? resolve() : reject(error)) });
        if (busy) return;
        busy = true;
        setImmediate(flush);
      }),
    close: async () => closeSync(descriptor),
  };
}

const root = await mkdtemp(join(options.folder, 'keepsake-bench-'));
try {
  await measureBursts();
  await measureSustained();
} finally {
  await rm(root, { recursive: true, force: true });
}
process.exit(0);

async function folder(name: string): Promise<string> {
  const path = join(root, name);
  await mkdir(path);
  return path;
}

async function measureBursts(): Promise<void> {
  const own = journal(await folder('journal'));
  const wfa = atomicWriter(await folder('write-file-atomic'));
  const log = bareLog(await folder('log'));
  const subjects = [own, log, wfa, atomically(await folder('atomically'))];
  const burst = (subject: Subject, phase: string, round: number, atOnce: number, version: number): Promise<void> => {
    const keys = Array.from({ length: subject.burst }, (_, index) => `${phase}-${round}-${index}`);
    return eachOf(keys, atOnce, async (key) => void (await subject.write(key, textOf(key, version))));
  };
  const measure = (phase: string, atOnce: number, version: number): Promise<ReadonlyMap<string, Measurement>> =>
    interleave(
      [
        ...subjects.map((subject) => ({
          name: subject.name,
          operations: subject.burst,
          run: (round: number) => burst(subject, phase, round, atOnce, version),
          cleanUp: () => subject.settle?.(),
        })),
        {
          name: `${own.name}, until the files are there`,
          operations: own.burst,
          run: async (round: number) => {
            await burst(own, `all-${phase}`, round, atOnce, version);
            await own.settle?.();
          },
        },
      ],
      { rounds: ROUNDS },
    );
  const phases = [
    { what: 'new, 32', measured: await measure('many', AT_ONCE, 0) },
    { what: 'again, 32', measured: await measure('many', AT_ONCE, 1) },
    { what: 'new, 256', measured: await measure('more', 256, 0) },
    { what: 'again, 256', measured: await measure('more', 256, 1) },
  ];
  const names = [...(phases[0]?.measured.keys() ?? [])];
  printTable(
    `Journal: bursts of ${BURST.toLocaleString('en-GB')} saves of ${textOf('many-0-0').length} bytes, acknowledged a second; in µs what the main thread computes for one`,
    ['', ...phases.flatMap(({ what }) => [what, 'µs'])],
    names.map((name) => [
      name,
      ...phases.flatMap(({ measured }) => [short(of(measured, name).rate), short(of(measured, name).computed / 1000)]),
    ]),
  );
  const targets: Target[] = [];
  for (const { what, measured } of phases) {
    const mine = of(measured, own.name);
    for (const peer of [wfa.name, 'atomically']) {
      targets.push({
        what: `journal, ${what} at once: to ${peer}`,
        bound: 'at least',
        target: 10,
        measured: mine.speedOver(of(measured, peer)),
      });
    }
    if (what.endsWith('32')) {
      targets.push({
        what: `journal, ${what} at once: to ${log.name}`,
        bound: 'at least',
        target: 0.35,
        measured: mine.speedOver(of(measured, log.name)),
      });
    }
    targets.push({
      what: `journal, ${what} at once: computed by the main thread, until the files are there, to write-file-atomic`,
      bound: 'at most',
      target: 0.33,
      measured: of(measured, `${own.name}, until the files are there`).computed / of(measured, wfa.name).computed,
    });
  }
  for (const subject of subjects) await subject.close?.();
  await report(targets);
}

/** A minute of saves for each, in turns of some seconds; what is left to do at the end is counted in. */
async function measureSustained(): Promise<void> {
  const own = journal(await folder('sustained-journal'));
  const wfa = atomicWriter(await folder('sustained-write-file-atomic'));
  const saved = new Map<string, { count: number; time: number; computed: number }>();
  let version = 0;
  const slice = async (subject: Subject, kind: string, keyOf: (count: number) => string): Promise<void> => {
    const name = `${subject.name} ${kind}`;
    const so = saved.get(name) ?? { count: 0, time: 0, computed: 0 };
    saved.set(name, so);
    const started = performance.now();
    const computed = computedTime();
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        while (performance.now() - started < SLICE) {
          const key = keyOf(so.count++);
          await subject.write(key, textOf(key, ++version));
        }
      }),
    );
    await subject.settle?.();
    so.time += performance.now() - started;
    so.computed += computedTime() - computed;
  };
  const kinds = [
    { kind: 'all different', target: 1.3, keyOf: (count: number) => `different-${count}` },
    { kind: `${REWRITTEN} rewritten`, target: 3, keyOf: (count: number) => `rewritten-${count % REWRITTEN}` },
  ];
  for (const { kind, keyOf } of kinds) {
    for (let round = 0; round < SLICES; round++) {
      for (const subject of round % 2 === 0 ? [own, wfa] : [wfa, own]) await slice(subject, kind, keyOf);
    }
    // Whatever is not synced yet is, and the journal is emptied.
    const so = saved.get(`${own.name} ${kind}`) as { time: number };
    const started = performance.now();
    await own.close?.();
    so.time += performance.now() - started;
    Object.assign(own, journal(join(root, 'sustained-journal')));
  }
  await own.close?.();
  const rate = (name: string): number => {
    const { count, time } = saved.get(name) as { count: number; time: number };
    return (count / time) * 1000;
  };
  printTable(
    `Journal: ${(SLICES * SLICE) / 1000} seconds of saves for each, ${AT_ONCE} at once, until all is safe in the files; a second, and µs computed for one`,
    ['', 'saves', 'µs'],
    [...saved].map(([name, { count, computed }]) => [name, short(rate(name)), short(computed / count / 1000)]),
  );
  await report(
    kinds.map(({ kind, target }) => ({
      what: `journal, sustained, ${kind}: to write-file-atomic`,
      bound: 'at least' as const,
      target,
      measured: rate(`${own.name} ${kind}`) / rate(`${wfa.name} ${kind}`),
    })),
  );
}
