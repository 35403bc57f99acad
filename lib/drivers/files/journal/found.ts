import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { sep } from 'node:path';
import { CorruptDataError } from '../../../errors.js';
import { fileOf } from '../calls.js';
import { codeOf, failure } from '../failures.js';
import { ALIGNMENT, type Change, readFrame } from './frame.js';
import { countOf, type Progress, readHeader, readProgress, START } from './segment.js';

/** A change that was committed. */
export interface Committed extends Change {
  readonly sequence: number;
  readonly time: number;
  readonly uptime: number;
}

/** A journal that somebody left. */
export interface Found extends Progress {
  /** The paths of its segments. */
  readonly segments: readonly string[];
  /** The start of the system that it was written in; empty where that is not known, and for a copy. */
  readonly boot: string;
  /** What the names of its files end in. */
  readonly extension: string;
  /** Whether it is a copy: its files may be older or newer than what it says of them. */
  readonly copied: boolean;
  /** All changes of each key, in order. */
  readonly changes: ReadonlyMap<string, readonly Committed[]>;
  /** The sequence of the last change. */
  readonly last: number;
}

/**
 * Reads the journal in a folder; `undefined` where there is none. A torn end is passed over: nobody was told that it is safe.
 * @throws CorruptDataError for one that is damaged before its end
 */
export function findJournal(folder: string): Found | undefined {
  const paths = segmentsIn(folder);
  if (paths.length === 0) return undefined;
  const changes = new Map<string, Committed[]>();
  let boot = '';
  let extension = '';
  let copied = false;
  let last = 0;
  let expected: number | undefined;
  let followed = 0;
  let synced = 0;
  for (const path of paths) {
    const { bytes, file } = read(path) ?? {};
    if (bytes === undefined) continue;
    const header = readHeader(bytes);
    if (header === undefined) {
      // One that was made, and not yet begun.
      if (isZero(bytes.subarray(START))) continue;
      throw damaged(path, 0, 'its header cannot be read');
    }
    ({ boot, extension } = header);
    if (header.file !== file) copied = true;
    expected ??= header.first;
    const progress = readProgress(bytes);
    followed = Math.max(followed, progress?.followed ?? 0);
    synced = Math.max(synced, progress?.synced ?? 0);
    let at = START;
    for (;;) {
      const frame = readFrame(bytes, at, header.journal);
      if (frame === undefined || frame.number !== expected) break;
      for (const [index, change] of frame.changes.entries()) {
        const { time, uptime } = frame;
        const committed = { ...change, sequence: frame.sequence + index, time, uptime };
        const known = changes.get(change.key);
        if (known === undefined) changes.set(change.key, [committed]);
        else known.push(committed);
        last = committed.sequence;
      }
      expected++;
      at = frame.end;
    }
    // A frame is written when the one before is safe, so one behind a gap shows that there was one in the gap.
    for (let behind = at; behind < bytes.length; behind += ALIGNMENT) {
      const frame = readFrame(bytes, behind, header.journal);
      if (frame === undefined) continue;
      throw damaged(path, at, `frame ${expected} cannot be read, and frame ${frame.number} is there at byte ${behind}`);
    }
  }
  last = Math.max(last, followed, synced);
  if (copied) return { segments: paths, boot: '', extension, copied, changes, last, followed: 0, synced: 0 };
  return { segments: paths, boot, extension, copied, changes, last, followed, synced };
}

/** The paths of the segments in a folder, the oldest first. */
export function segmentsIn(folder: string): string[] {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw failure(error, 'list', folder);
  }
  const counted = names.flatMap((name) => {
    const count = countOf(name);
    return count === undefined ? [] : [{ count, path: folder + sep + name }];
  });
  return counted.sort((a, b) => a.count - b.count).map(({ path }) => path);
}

function read(path: string): { readonly bytes: Buffer; readonly file: string } | undefined {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(path, 'r');
    return { bytes: readFileSync(descriptor), file: fileOf(descriptor) };
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw failure(error, 'read the journal', path);
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

function isZero(bytes: Buffer): boolean {
  return !bytes.some((byte) => byte !== 0);
}

function damaged(path: string, at: number, what: string): CorruptDataError {
  return new CorruptDataError(
    `the journal is damaged in ${path} at byte ${at}: ${what}. Nothing was changed. Bring it back from a backup; or move it away, to go on with what the files hold`,
    { path },
  );
}
