import { hash } from 'node:crypto';
import { close, closeSync, constants, fstatSync, open, openSync, read, readSync } from 'node:fs';
import type { Entry } from '../../backend/driver.js';
import { CorruptDataError, StorageError } from '../../errors.js';
import { codeOf, failure } from './failures.js';
import { Gate } from './gate.js';
import { type Header, LONGEST_HEADER, readHeader } from './header.js';

/** What a file holds. */
export class FileEntry implements Entry<Uint8Array> {
  readonly value: Uint8Array;
  readonly expiresAt: number | undefined;
  /** The key that the file names, where it does. */
  readonly key: string | undefined;

  constructor(value: Uint8Array, expiresAt: number | undefined, key: string | undefined) {
    this.value = value;
    this.expiresAt = expiresAt;
    this.key = key;
  }

  /** A digest of the value: made when asked for, since most reads never do. */
  get version(): string {
    return hash('sha256', this.value, 'base64url');
  }

  /** The same with another deadline. */
  expiringAt(expiresAt: number): FileEntry {
    return new FileEntry(this.value, expiresAt, this.key);
  }
}

// Opening a pipe would wait for its writer, were it not for O_NONBLOCK.
const FLAGS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);
const USUAL = 16 * 1024;
const IN_FLIGHT = 64;
const SHARED = 16 * USUAL;

/** Reads files. A missing one is `undefined`; so is one below a file, where `keysClash` says that this is only a missing key. */
export class Reader {
  readonly #keysClash: boolean;
  readonly #gate = new Gate(IN_FLIGHT);
  readonly #buffers: Uint8Array[] = [];
  /** What is read at once goes into one large buffer after the other, uncopied: a value is a view on it. */
  #shared = new Uint8Array(SHARED);
  #used = 0;

  constructor(keysClash: boolean) {
    this.#keysClash = keysClash;
  }

  /** Reads beside others, without holding up the event loop: in three steps, if the file is small. */
  async read(path: string): Promise<FileEntry | undefined> {
    const entering = this.#gate.enter();
    if (entering !== undefined) await entering;
    const buffer = this.#buffers.pop() ?? new Uint8Array(USUAL);
    try {
      return await this.#readInto(buffer, path);
    } catch (error) {
      if (this.#isMissing(error)) return undefined;
      throw failure(error, 'read', path);
    } finally {
      this.#buffers.push(buffer);
      this.#gate.leave();
    }
  }

  /**
   * Reads at once: the fastest way for many small files, in slices that leave the event loop its turns. The value is a view on a buffer that others share.
   */
  readNow(path: string): FileEntry | undefined {
    let descriptor: number | undefined;
    try {
      descriptor = openSync(path, FLAGS);
      if (this.#shared.length - this.#used < USUAL) this.#renew();
      const start = this.#used;
      const room = this.#shared.length - start;
      const length = readSync(descriptor, this.#shared, start, room, 0);
      if (length === 0) checkRegular(descriptor, path);
      if (length < room) {
        this.#used += length;
        return viewOf(this.#shared.subarray(start, start + length), path);
      }
      const whole = new Uint8Array(sizeOf(descriptor, length));
      let filled = 0;
      for (;;) {
        const more = readSync(descriptor, whole, filled, Math.min(whole.length - filled, LONGEST_STEP), filled);
        if (more === 0) return entryOf(whole, filled, path);
        filled += more;
        if (filled === whole.length) return entryOf(whole, filled, path);
      }
    } catch (error) {
      if (this.#isMissing(error)) return undefined;
      throw failure(error, 'read', path);
    } finally {
      if (descriptor !== undefined) closeSync(descriptor);
    }
  }

  /** Reads only what the file says beside its value. */
  readHeaderNow(path: string): Header | undefined {
    let descriptor: number | undefined;
    try {
      descriptor = openSync(path, FLAGS);
      const header = new Uint8Array(LONGEST_HEADER);
      const length = readSync(descriptor, header, 0, LONGEST_HEADER, 0);
      if (length === 0) checkRegular(descriptor, path);
      return headerOf(header, length, path);
    } catch (error) {
      if (this.#isMissing(error)) return undefined;
      throw failure(error, 'read', path);
    } finally {
      if (descriptor !== undefined) closeSync(descriptor);
    }
  }

  #renew(): void {
    this.#shared = new Uint8Array(SHARED);
    this.#used = 0;
  }

  #isMissing(error: unknown): boolean {
    const code = codeOf(error);
    return code === 'ENOENT' || (this.#keysClash && (code === 'ENOTDIR' || code === 'EISDIR'));
  }

  #readInto(buffer: Uint8Array, path: string): Promise<FileEntry | undefined> {
    return new Promise((resolve, reject) => {
      open(path, FLAGS, (error, descriptor) => {
        if (error !== null) return reject(error);
        const end = (failed: unknown, entry?: () => FileEntry) => {
          close(descriptor, (unclosed) => {
            try {
              if (failed ?? unclosed) throw failed ?? unclosed;
              resolve(entry?.());
            } catch (wrong) {
              reject(wrong);
            }
          });
        };
        const fill = (into: Uint8Array, filled: number) => {
          const room = Math.min(into.length - filled, LONGEST_STEP);
          read(descriptor, into, filled, room, filled, (failed, length) => {
            if (failed !== null) return end(failed);
            const all = filled + length;
            try {
              if (all === 0) checkRegular(descriptor, path);
              if (into === buffer ? length < room : length === 0 || all === into.length) {
                // The buffer is another reader's as soon as this one has ended, so the copy is made before.
                const entry = entryOf(into, all, path);
                return end(undefined, () => entry);
              }
              if (into !== buffer) return fill(into, all);
              const whole = new Uint8Array(sizeOf(descriptor, all));
              whole.set(into.subarray(0, all));
              fill(whole, all);
            } catch (wrong) {
              end(wrong);
            }
          });
        };
        fill(buffer, 0);
      });
    });
  }
}

/** The most that one call reads. */
const LONGEST_STEP = 2 ** 30;

/** The size of a file of which `known` bytes were read; files are replaced, never written in place, so it does not change. */
function sizeOf(descriptor: number, known: number): number {
  // One byte more, so that the end is seen without filling the buffer.
  return Math.max(fstatSync(descriptor).size, known) + 1;
}

/** A pipe or a device gives nothing, as an empty file does. */
function checkRegular(descriptor: number, path: string): void {
  if (!fstatSync(descriptor).isFile()) throw new StorageError(`cannot read ${path}: it is no regular file`, { path });
}

function headerOf(bytes: Uint8Array, length: number, path: string): Header {
  try {
    return readHeader(bytes, length);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CorruptDataError(`${path} cannot be read: ${why}. It is left as it is: mend it, or delete it`, {
      path,
      cause: error,
    });
  }
}

function viewOf(bytes: Uint8Array, path: string): FileEntry {
  const { start, expiresAt, key } = headerOf(bytes, bytes.length, path);
  return new FileEntry(start === 0 ? bytes : bytes.subarray(start), expiresAt, key);
}

/** What the bytes of a file say; the value is a copy. */
export function entryOf(bytes: Uint8Array, length: number, path: string): FileEntry {
  const { start, expiresAt, key } = headerOf(bytes, length, path);
  return new FileEntry(bytes.slice(start, length), expiresAt, key);
}
