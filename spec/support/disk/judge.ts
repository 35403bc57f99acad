import type { Change, History, KeyHistory, Outcome } from './history.js';

/**
 * What is promised after a crash. Whatever is not excluded here may be found: what was under way, and what was acknowledged later than the
 * promise reaches.
 *
 * - `'acknowledged'`: each key holds what was last acknowledged, or something newer, whole.
 * - `'synced'`: the same for what was acknowledged before the call of some other `set` that has been acknowledged too; else any older value, or
 *   none; whole in any case.
 * - `'whole'`: each key holds some value that was once to be stored there, whole, or none.
 * - `'replaced'`: the same, but a file that was made where none was may be cut, empty or zeros.
 * - `'nothing'`: any file may be cut, empty or zeros.
 */
export type Promised = 'acknowledged' | 'synced' | 'whole' | 'replaced' | 'nothing';

/** What became of the keys after a crash. */
export interface Verdict {
  readonly failures: string[];
  /** How many values were found that nobody has stored. */
  readonly torn: number;
  /** How many keys held something older than what was acknowledged. */
  readonly lost: number;
}

/**
 * Compares what readers found with what was promised.
 * @param history what was done until the crash
 * @param now the reader's time
 */
export function judge(history: History, found: ReadonlyMap<string, Outcome>, promised: Promised, now: number): Verdict {
  const failures: string[] = [];
  let torn = 0;
  let lost = 0;
  const barrier = lastSynced(history);
  for (const [key, keyHistory] of history) {
    const { start, changes } = keyHistory;
    const outcome = found.get(key) ?? {};
    const acknowledged = changes.findLastIndex((change) => change.acknowledged !== undefined);
    const states = [start, ...changes];
    // The state before any change has the index 0 here.
    if (!states.slice(acknowledged + 1).some((state) => isSame(state, outcome, now))) lost++;
    const floor = floorOf(changes, promised, barrier) + 1;
    if (states.slice(floor).some((state) => isSame(state, outcome, now))) continue;
    const older = states.findIndex((state) => isSame(state, outcome, now));
    if (older === -1) {
      torn++;
      if (promised === 'nothing' || (promised === 'replaced' && isMadeAnew(keyHistory))) continue;
      failures.push(`${show(key)} is ${describe(outcome)}, which nobody stored`);
    } else {
      failures.push(
        `${show(key)} is what it was after ${older} of ${changes.length} changes, though ${floor} are safe`,
      );
    }
  }
  return { failures: [...failures, ...halves(history, found, now)], torn, lost };
}

/** Changes of several keys that happened to some only, though they were to happen to all or none. */
function halves(history: History, found: ReadonlyMap<string, Outcome>, now: number): string[] {
  const groups = new Map<number, Set<boolean>>();
  for (const [key, { start, changes }] of history) {
    const last = changes[changes.length - 1];
    if (!last?.isAtomic) continue;
    const outcome = found.get(key) ?? {};
    // What looks as it did before tells nothing.
    if ([start, ...changes.slice(0, -1)].some((state) => isSame(state, last, now))) continue;
    const group = groups.get(last.started) ?? new Set();
    groups.set(last.started, group.add(isSame(last, outcome, now)));
  }
  const broken = [...groups].filter(([, { size }]) => size > 1);
  return broken.map(([started]) => `of the change that began at ${started}, only some keys were changed`);
}

/** The index of the last change that is safe; -1 if none is. */
function floorOf(changes: readonly Change[], promised: Promised, barrier: number): number {
  if (promised !== 'acknowledged' && promised !== 'synced') return -1;
  const limit = promised === 'acknowledged' ? Number.POSITIVE_INFINITY : barrier;
  return changes.findLastIndex(({ acknowledged }) => acknowledged !== undefined && acknowledged < limit);
}

/** When the last acknowledged `set` was called. */
function lastSynced(history: History): number {
  let last = -1;
  for (const { changes } of history.values()) {
    for (const { acknowledged, value, started } of changes) {
      if (acknowledged !== undefined && value !== undefined) last = Math.max(last, started);
    }
  }
  return last;
}

/** Whether some change found no file in its place. */
function isMadeAnew({ start, changes }: KeyHistory): boolean {
  return [start, ...changes].some(({ value, expiresAt, error }, index) => {
    const isFile = error !== undefined || (value !== undefined && expiresAt === undefined);
    return !isFile && changes[index]?.value !== undefined;
  });
}

function isSame(state: Outcome, found: Outcome, now: number): boolean {
  if (state.error !== undefined) return found.error !== undefined;
  if (found.error !== undefined) return false;
  const isThere = state.value !== undefined && (state.expiresAt === undefined || now < state.expiresAt);
  if (!isThere || state.value === undefined) return found.value === undefined;
  return (
    found.value !== undefined && found.expiresAt === state.expiresAt && Buffer.compare(state.value, found.value) === 0
  );
}

function describe({ value, expiresAt, error }: Outcome): string {
  if (error !== undefined) return error;
  if (value === undefined) return 'missing';
  return `${value.length} bytes${expiresAt === undefined ? '' : ` until ${expiresAt}`}`;
}

function show(key: string): string {
  return key.length > 40 ? `${key.slice(0, 40)}…` : key;
}
