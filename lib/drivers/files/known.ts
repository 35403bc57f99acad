import { createHash, hash } from 'node:crypto';
import { closeSync, constants, openSync, read, readSync, type Stats } from 'node:fs';
import { promisify } from 'node:util';
import { codeOf, failure } from './failures.js';
import { type Header, LONGEST_HEADER, NO_HEADER, readHeader } from './header.js';

/** What is remembered of a file that has a header, or of which more than its content is to be remembered. */
export interface Marked {
  readonly digest: number;
  readonly expiresAt: number | undefined;
  /** The key, where the file's name is a hash. */
  readonly key: string | undefined;
  /** Names its size, times and place on the disk: what has the same has the same content. */
  readonly stamp: string | undefined;
}

/** What is remembered of a file: of most a digest of their bytes alone, since there may be a million of them. */
export type Known = number | Marked;

/** Stands for the content of a file that may not be read. */
export const UNREADABLE = -1;

// Opening a pipe would wait for its writer, were it not for O_NONBLOCK.
const FLAGS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);
/** What is read by the main thread, in bytes. */
const READ_AT_ONCE = 64 * 1024;
const STEP = 1024 * 1024;
const readLater = promisify(read);

/** How long ago a file must have been changed for its time to tell it from another of the same size, in milliseconds: some disks count in steps of 2 seconds. */
const CERTAIN_AFTER = 3000;

/** Only used until the next call. */
const shared = new Uint8Array(READ_AT_ONCE);

/** What is to be remembered of a file with these bytes. */
export function knownOf(bytes: Uint8Array): Known {
  return known(toNumber(hash('sha1', bytes, 'hex')), bytes, bytes.length);
}

/**
 * What is to be remembered of a file, `undefined` if it is not there or no file; a large one is read beside other work.
 * @throws StorageError, retryable, where the process or the system has too many files open
 */
export function look(path: string): Known | undefined | Promise<Known | undefined> {
  let descriptor: number;
  try {
    descriptor = openSync(path, FLAGS);
  } catch (error) {
    return explain(error, path);
  }
  let isLarge = false;
  try {
    const length = readSync(descriptor, shared, 0, READ_AT_ONCE, 0);
    isLarge = length === READ_AT_ONCE;
    if (isLarge) return lookOn(descriptor, path);
    const bytes = shared.subarray(0, length);
    return known(toNumber(hash('sha1', bytes, 'hex')), bytes, length);
  } catch (error) {
    return explain(error, path);
  } finally {
    if (!isLarge) closeSync(descriptor);
  }
}

async function lookOn(descriptor: number, path: string): Promise<Known | undefined> {
  try {
    const digest = createHash('sha1');
    const start = shared.slice(0, LONGEST_HEADER);
    digest.update(shared);
    const step = new Uint8Array(STEP);
    for (let from = READ_AT_ONCE; ; ) {
      const { bytesRead } = await readLater(descriptor, step, 0, STEP, from);
      if (bytesRead === 0) return known(toNumber(digest.digest('hex')), start, start.length);
      digest.update(step.subarray(0, bytesRead));
      from += bytesRead;
    }
  } catch (error) {
    return explain(error, path);
  } finally {
    closeSync(descriptor);
  }
}

/** 52 bits, which a number holds exactly. */
function toNumber(digest: string): number {
  return Number.parseInt(digest.slice(0, 13), 16);
}

function known(digest: number, bytes: Uint8Array, length: number): Known {
  const { expiresAt, key } = headerOf(bytes, length);
  return expiresAt === undefined && key === undefined ? digest : { digest, expiresAt, key, stamp: undefined };
}

/** A header that is damaged says nothing: whoever reads the entry is told. */
function headerOf(bytes: Uint8Array, length: number): Header {
  try {
    return readHeader(bytes, length);
  } catch {
    return NO_HEADER;
  }
}

function explain(error: unknown, path: string): Known | undefined {
  switch (codeOf(error)) {
    case 'ENOENT':
    case 'ENOTDIR':
    case 'EISDIR':
    case 'ELOOP':
    case 'ENXIO':
      return undefined;
    case 'EMFILE':
    case 'ENFILE':
      throw failure(error, 'read', path);
    default:
      return UNREADABLE;
  }
}

/** Names size, times and place of a file; `undefined` for one that was changed so lately that they do not name its content. */
export function stampOf({ mtimeMs, ctimeMs, size, ino }: Stats, now: number): string | undefined {
  const age = now - Math.max(mtimeMs, ctimeMs);
  return age < CERTAIN_AFTER ? undefined : `${mtimeMs}:${ctimeMs}:${size}:${ino}`;
}

/** The same, with its stamp. */
export function stamped(known: Known, stamp: string | undefined): Known {
  if (stamp === undefined) return known;
  if (typeof known !== 'number') return { ...known, stamp };
  return { digest: known, expiresAt: undefined, key: undefined, stamp };
}

/** Whether two files have the same bytes. */
export function isSame(one: Known | undefined, other: Known | undefined): boolean {
  return digestOf(one) === digestOf(other);
}

function digestOf(known: Known | undefined): number | undefined {
  return typeof known === 'object' ? known.digest : known;
}

/** Whether the deadline of a file has passed. */
export function isExpired(known: Known, now: number): boolean {
  return typeof known === 'object' && known.expiresAt !== undefined && now >= known.expiresAt;
}
