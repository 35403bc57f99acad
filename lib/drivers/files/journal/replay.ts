import { lstatSync, readFileSync, type Stats, writeFileSync } from 'node:fs';
import { eachOf } from '../../../backend/operations.js';
import { remove, syncPath } from '../calls.js';
import { failure } from '../failures.js';
import { readHeader } from '../header.js';
import type { Layout, Place } from '../layout.js';
import { isLocal } from '../owner.js';
import { move, type Writer } from '../writer.js';
import { syncAll } from './follower.js';
import type { Committed, Found } from './found.js';
import { uptime } from './journal.js';

/** What a replay needs. */
export interface ReplayParts {
  readonly layout: Layout;
  /** Writes files, and syncs them. */
  readonly writer: Writer;
  /** The folder of the journal. */
  readonly folder: string;
  /** The start of the system; empty where the system does not say. */
  readonly boot: string;
}

/** How long before a change a file must have been touched last, to be the one that the change replaced: a system gives files the time of its last tick. */
const BEFORE = 50;
/** How far the clock may have gone from the time since the start, in milliseconds. */
const DRIFT = 1000;
const AT_ONCE = 16;

/** Whether a journal holds changes that may not have come to their files. */
export function needsReplay(found: Found, boot: string): boolean {
  return found.last > reached(found, boot);
}

/**
 * Brings into the files what a journal holds that somebody left, and removes it. It can be interrupted and done again.
 *
 * Only the last change of a key counts. It is done if the file is missing, holds what an earlier change wrote, is torn, or is not younger; else a person
 * wrote the file afterwards: it stays, and what was saved is put beside it. What is replaced and nobody knows is moved aside first.
 * @returns the paths of what stands aside
 */
export async function replay(found: Found, parts: ReplayParts): Promise<string[]> {
  const from = reached(found, parts.boot);
  const sameBoot = isSameBoot(found, parts.boot);
  // Another system's clock would say nothing.
  const clock = sameBoot && isLocal(parts.folder);
  // Who wrote it may have died before it was safe: a power cut amid this could then take it, after the files were changed.
  try {
    for (const path of found.segments) await syncPath(path, false);
  } catch (error) {
    throw failure(error, 'sync the journal in', parts.folder);
  }
  const displaced: string[] = [];
  const files: string[] = [];
  const folders = new Set<string>();
  await eachOf(
    [...found.changes],
    async ([key, changes]) => {
      const last = changes[changes.length - 1];
      if (last === undefined || last.sequence <= found.synced) return;
      const place = parts.layout.place(key);
      folders.add(place.folder);
      files.push(place.path);
      if (last.sequence <= from) return;
      const aside = await settle(place, changes, last, { sameBoot, clock, writer: parts.writer });
      if (aside !== undefined) displaced.push(aside);
    },
    AT_ONCE,
  );
  try {
    await syncAll(files, folders, parts.layout.root.path);
    for (const path of found.segments) {
      await remove(path);
      // If it came back after a later one is gone, what it says would count again.
      await syncPath(parts.folder, true);
    }
  } catch (error) {
    throw failure(error, 'end the replay of the journal in', parts.folder);
  }
  return displaced;
}

/** The change up to which everything is in the files: a process that dies loses no rename, and a system that dies may lose all that was not synced. */
function reached(found: Found, boot: string): number {
  return isSameBoot(found, boot) ? found.followed : found.synced;
}

function isSameBoot(found: Found, boot: string): boolean {
  return boot !== '' && found.boot === boot;
}

/** Brings one file up to date; answers where it moved what stood there, if nobody knows what that was. */
async function settle(
  place: Place,
  changes: readonly Committed[],
  last: Committed,
  { sameBoot, clock, writer }: { sameBoot: boolean; clock: boolean; writer: Writer },
): Promise<string | undefined> {
  const { path } = place;
  const { key, bytes, time } = last;
  const put = () => bytes && writer.write(place, key, bytes, expires(bytes), time);
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) {
    await put();
    return undefined;
  }
  const putBeside = () => {
    const aside = freeName(path, last);
    if (bytes !== undefined) writeFileSync(aside, bytes, { flag: 'wx', flush: true });
    return bytes && aside;
  };
  // A person put a folder or a link there.
  if (!stats.isFile()) return putBeside();
  const present = readFileSync(path);
  if (bytes !== undefined && present.equals(bytes)) {
    if (expires(bytes)) writer.mark(place.folder);
    return undefined;
  }
  const known = wasWritten(present, changes) || (clock && isOlder(stats, last));
  if (known || (!sameBoot && isTorn(present, changes))) {
    if (bytes === undefined) await remove(path);
    else await put();
    return undefined;
  }
  // A person wrote it afterwards, unless a clock was wrong.
  if (stats.mtimeMs > time) return putBeside();
  const aside = freeName(path, last);
  await move(path, aside);
  await put();
  return aside;
}

function expires(bytes: Uint8Array): boolean {
  return readHeader(bytes, bytes.length).expiresAt !== undefined;
}

function wasWritten(present: Buffer, changes: readonly Committed[]): boolean {
  return changes.some(({ bytes }) => bytes !== undefined && present.equals(bytes));
}

/** Whether a power cut left this of a file: a part of what was written, and zeros where the rest should be. */
function isTorn(present: Buffer, changes: readonly Committed[]): boolean {
  return changes.some(({ bytes }) => {
    if (bytes === undefined || present.length > bytes.length) return false;
    return present.every((byte, index) => byte === 0 || byte === bytes[index]);
  });
}

/** Whether a file was last touched well before a change, by a clock that has not been set since. */
function isOlder(stats: Stats, { time, uptime: then }: Committed): boolean {
  const drift = Date.now() - uptime() - (time - then);
  return Math.abs(drift) < DRIFT && stats.ctimeMs < time - BEFORE;
}

function freeName(path: string, { sequence }: Committed): string {
  const name = `${path}.displaced-${sequence}`;
  for (let count = 1; ; count++) {
    const aside = count === 1 ? name : `${name}-${count}`;
    if (lstatSync(aside, { throwIfNoEntry: false }) === undefined) return aside;
  }
}
