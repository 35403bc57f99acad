import { readFileSync } from 'node:fs';

/*
 * The queue of Linux for what is watched has a limit; what comes when it is full is lost, and libuv tells nobody. But what was in it comes in one turn of the
 * event loop, so that it shows: as many events in one turn as it has places.
 */

const LIMIT = '/proc/sys/fs/inotify/max_queued_events';
/** The limit if the system does not say: that of Linux. */
const USUAL = 16_384;

const listeners = new Set<() => void>();
let events = 0;
let limit: number | undefined;

/** Calls back when events may have been lost, until the function it returns is called. */
export function onOverflow(callback: () => void): () => void {
  listeners.add(callback);
  return () => void listeners.delete(callback);
}

/** To be called for each event of any folder. */
export function countEvent(): void {
  if (events++ === 0) setImmediate(endTurn);
}

function endTurn(): void {
  // Half of them may have been for others in this process, who watch folders of their own.
  limit ??= readLimit();
  const isFull = events >= limit / 2;
  events = 0;
  if (isFull) for (const listener of [...listeners]) listener();
}

function readLimit(): number {
  if (process.platform !== 'linux') return Number.POSITIVE_INFINITY;
  try {
    return Number.parseInt(readFileSync(LIMIT, 'utf8'), 10) || USUAL;
  } catch {
    return USUAL;
  }
}
