import { parentPort, workerData } from 'node:worker_threads';
import type { Backend } from 'keepsake';
import { CRASHES, type Crash, killed, powerCut } from './crash.js';
import { type Disk, newDisk, reachable, type Trace } from './disk.js';
import { Book, from, type History, type Outcome, until } from './history.js';
import { Identity } from './identity.js';
import { judge, type Promised } from './judge.js';
import { CARELESS_MODES, MODES, type Mode } from './modes.js';
import { Random } from './random.js';
import { rebuild } from './rebuild.js';
import { Recorder } from './recorder.js';
import { Session } from './session.js';
import { work } from './workload.js';

/** Work that was done in a mode, and can be interrupted at any moment. */
export interface Work {
  readonly mode: string;
  readonly trace: Trace;
  readonly history: History;
  /** The time at which it was done, in milliseconds since 1970. */
  readonly time: number;
  /** How many crashes there were before. */
  readonly crashes: number;
}

/** A moment at which work is interrupted. */
export interface CrashPoint {
  readonly crash: Crash;
  readonly tick: number;
  readonly seed: number;
  /** How often the work goes on after the crash, and is interrupted again. */
  readonly again: number;
}

/** What became of the keys after a crash. */
export interface Report {
  readonly crash: Crash;
  /** Whether there had been another before. */
  readonly isAgain: boolean;
  readonly failures: readonly string[];
  readonly torn: number;
  readonly lost: number;
  /** Work that was gone on with, and when it is to be interrupted. */
  readonly next: { readonly work: Work; readonly points: readonly CrashPoint[] } | undefined;
}

/** What a machine can be asked. */
export type Request =
  | { readonly kind: 'record'; readonly mode: string; readonly seed: number; readonly steps: number }
  | { readonly kind: 'crash'; readonly work: Work; readonly points: readonly CrashPoint[] };

/** How long the next process starts after the last, in milliseconds: temporary files are old by then. */
const PAUSE = 100_000;
const STEPS_AFTER_CRASH = 6;

const { boot, root } = workerData as { boot: number; root: string };
const identity = new Identity(boot);
const recorder = new Recorder(identity);
recorder.install();
const warnings: string[] = [];
// Else they would be printed.
process.removeAllListeners('warning');
process.on('warning', (warning) => {
  const code = 'code' in warning ? warning.code : undefined;
  // All happens within a second here: a replay cannot know which file is the older one, and sets it aside.
  if (code !== 'KEEPSAKE_DISPLACED') warnings.push(String(warning));
});

parentPort?.on('message', async (request: Request) => {
  try {
    const { kind } = request;
    parentPort?.postMessage({ result: kind === 'record' ? await record(request) : await interrupt(request) });
  } catch (error) {
    parentPort?.postMessage({ error });
  }
});

async function record({ mode: name, seed, steps }: Request & { kind: 'record' }): Promise<Work> {
  const mode = modeOf(name);
  const random = new Random(seed);
  const initial = newDisk();
  const time = Date.now();
  const session = start(initial, [], 0, random);
  const book = new Book(new Map(), () => session.tick());
  // Opened twice: closing and opening are interrupted too.
  for (let part = 0; part < 2; part++) {
    const backend = await mode.open(root, () => time).open();
    await work(backend, mode, book, random, { steps: steps / 2, now: time });
    await backend.close();
  }
  recorder.end();
  session.verify();
  const trace = { initial, operations: session.operations, end: session.tick(), boot };
  return { mode: name, trace, history: book.history, time, crashes: 0 };
}

async function interrupt({ work, points }: Request & { kind: 'crash' }): Promise<Report[]> {
  const reports: Report[] = [];
  for (const point of points) reports.push(await crashAt(work, point));
  return reports;
}

async function crashAt(before: Work, point: CrashPoint): Promise<Report> {
  const { crash, tick } = point;
  const mode = modeOf(before.mode);
  const random = new Random(point.seed);
  const { initial } = before.trace;
  const left = { initial, ...killed(before.trace, tick, random) };
  const disk = crash === 'process' ? left.disk : onlyReachable(powerCut(left, crash, random));
  const history = until(before.history, tick);
  const time = before.time + PAUSE;
  const failures: string[] = [];
  let next: Report['next'];
  let verdict = { failures, torn: 0, lost: 0 };
  // After a power cut the disk is what it is; after the end of a process it still has to be written to.
  const session = crash === 'process' ? start(disk, left.operations, tick + 1, random) : start(disk, [], 0, random);
  try {
    const backend = await mode.open(root, () => time).open();
    const opened = session.tick();
    const found = await lookAt(backend, [...history.keys()]);
    verdict = judge(history, found, mode.promises[crash], time);
    failures.push(...verdict.failures, ...(await compareKeys(backend, found, mode.promises[crash])));
    if (point.again > 0 && failures.length === 0 && (crash === 'process' || mode.isFreeAtOnce)) {
      const book = new Book(crash === 'process' ? history : from(found), () => session.tick());
      await work(backend, mode, book, random, { steps: STEPS_AFTER_CRASH, now: time });
      await backend.close();
      recorder.end();
      session.verify();
      const initial = crash === 'process' ? before.trace.initial : disk;
      const trace = { initial, operations: session.operations, end: session.tick(), boot };
      next = {
        work: { mode: before.mode, trace, history: book.history, time, crashes: before.crashes + 1 },
        points: nextPoints(crash === 'process' ? tick + 1 : 0, opened, trace.end, point.again - 1, random),
      };
    } else {
      await backend.close();
    }
  } catch (error) {
    failures.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
  } finally {
    recorder.end();
  }
  failures.push(...warnings.splice(0));
  const where = `${before.mode}: ${crash} crash ${before.crashes + 1} at ${tick} of ${before.trace.end}, seed ${point.seed}`;
  return {
    ...verdict,
    crash,
    isAgain: before.crashes > 0,
    failures: failures.map((failure) => `${where}: ${failure}`),
    next,
  };
}

/** Makes the folder anew, for a process that is new too. */
function start(disk: Disk, operations: Trace['operations'], tick: number, random: Random): Session {
  identity.startAnew(rebuild(disk, root));
  const session = new Session(root, disk, operations, tick);
  recorder.begin(session, random);
  return session;
}

/** Crashes in what was gone on with: half of them while it was opened. */
function nextPoints(first: number, opened: number, end: number, again: number, random: Random): CrashPoint[] {
  return Array.from({ length: 2 }, (_, index) => ({
    crash: random.pick(CRASHES),
    tick: index === 0 ? random.between(first, opened) : random.between(opened, end),
    seed: random.seed(),
    again,
  }));
}

async function lookAt(backend: Backend, keys: readonly string[]): Promise<Map<string, Outcome>> {
  const found = new Map<string, Outcome>();
  for (const key of keys) {
    try {
      const entry = await backend.getEntry(key);
      found.set(key, { value: entry?.value.slice(), expiresAt: entry?.expiresAt });
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined;
      if (code !== 'KEEPSAKE_CORRUPT_DATA') throw error;
      found.set(key, { error: String(error) });
    }
  }
  return found;
}

/** Whether the keys that are listed are those that can be read. */
async function compareKeys(
  backend: Backend,
  found: ReadonlyMap<string, Outcome>,
  promised: Promised,
): Promise<string[]> {
  const failures: string[] = [];
  const listed = new Set<string>();
  for await (const key of backend.keys()) listed.add(key);
  for (const key of listed) if (!found.has(key)) failures.push(`${key} is listed, which nobody stored`);
  for (const [key, { value, error }] of found) {
    if (error !== undefined || listed.has(key) === (value !== undefined)) continue;
    // The file that says that there are deadlines may be lost, like any other.
    if (promised === 'nothing' && value === undefined) continue;
    failures.push(`${key} is ${value === undefined ? 'missing, and listed' : 'there, and not listed'}`);
  }
  return failures;
}

function onlyReachable(disk: Disk): Disk {
  const ids = reachable(disk);
  for (const id of disk.keys()) if (!ids.has(id)) disk.delete(id);
  return disk;
}

function modeOf(name: string): Mode {
  const mode = { ...MODES, ...CARELESS_MODES }[name];
  if (mode === undefined) throw new Error(`there is no mode ${name}`);
  return mode;
}
