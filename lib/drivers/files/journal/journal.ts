import { setImmediate } from 'node:timers/promises';
import { ClosedError, KeepsakeError, StorageError } from '../../../errors.js';
import { syncPath } from '../calls.js';
import { failure } from '../failures.js';
import { type Change, changeSize, sizeOf, writeFrame } from './frame.js';
import { type Progress, Segment, START } from './segment.js';

/** What a journal is made of. */
export interface JournalParts {
  /** The absolute path of its folder. */
  readonly folder: string;
  /** How many bytes a segment takes. */
  readonly segmentSize: number;
  /** The start of the system; empty where the system does not say. */
  readonly boot: string;
  /** What the names of the files end in. */
  readonly extension: string;
  /** The sequence of the last change of a journal before this one; 0 if there was none. */
  readonly after: number;
  /** Throws where somebody else has taken the folder. */
  checkOwner(): void;
  /** Told of what is safe, in order, before those who wait for it. */
  committed(changes: readonly Change[], sequence: number, time: number): void;
  /** Brings everything into the files and syncs these, then calls `drop`: writers wait. */
  makeRoom(): Promise<void>;
}

interface Waiting {
  readonly changes: readonly Change[];
  resolve(): void;
  reject(error: unknown): void;
}

/** As much goes into one frame, in bytes, unless it is one commit. */
const FRAME = 1024 * 1024;
/** The most that one commit may hold, in bytes. */
const LONGEST = 2 ** 30;

/**
 * A log of changes by group commit: what is asked for while one frame is being synced goes into the next, all together.
 *
 * It is kept in segments. When one is full the next is begun, and the full one is dropped as soon as all its changes are safe in their files.
 */
export class Journal {
  readonly #parts: JournalParts;
  readonly #id = Math.trunc(Math.random() * 2 ** 32);
  #waiting: Waiting[] = [];
  #flushing: Promise<void> | undefined;
  #current: Segment | undefined;
  #next: Promise<Segment> | undefined;
  #sealed: Segment[] = [];
  #segments = 0;
  #frames = 0;
  #sequence: number;
  #time = 0;
  #progress: Progress;
  #failed: unknown;
  #closed = false;

  constructor(parts: JournalParts) {
    this.#parts = parts;
    this.#sequence = parts.after;
    this.#progress = { followed: parts.after, synced: parts.after };
  }

  /**
   * Makes changes safe, all of them or none; in the order of the calls.
   * @throws StorageError when that failed. Whether the changes are there then shows when the folder is opened again
   * @throws ClosedError once `end` was called
   */
  commit(changes: readonly Change[]): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#closed) {
        reject(new ClosedError('the backend was closed before this was written'));
        return;
      }
      this.#waiting.push({ changes, resolve, reject });
      this.#flushing ??= this.#flush();
    });
  }

  /** Says how far the files have come, and drops the segments that nobody needs any more. */
  async mark(progress: Progress): Promise<void> {
    this.#progress = progress;
    if (this.#current?.isInPlace() === false) this.#failed ??= new Error('it was removed');
    await this.#current?.mark(progress);
    await this.#drop();
  }

  /** Waits for what is being committed; nothing is any more after that. */
  async end(): Promise<void> {
    this.#closed = true;
    while (this.#flushing !== undefined) await this.#flushing;
  }

  /** Whether what was committed may be lost, since the journal cannot be written, or was removed. */
  get isLost(): boolean {
    return this.#failed !== undefined;
  }

  /** Closes its files; deletes them where everything is safe elsewhere. */
  async close(everythingIsSafe: boolean): Promise<void> {
    const next = await this.#next?.catch(() => undefined);
    this.#next = undefined;
    await next?.drop();
    const segments = [...this.#sealed, ...(this.#current === undefined ? [] : [this.#current])];
    this.#sealed = [];
    this.#current = undefined;
    for (const segment of segments) await (everythingIsSafe ? segment.drop() : segment.close());
    if (segments.length > 0 && everythingIsSafe) await syncPath(this.#parts.folder, true);
  }

  async #flush(): Promise<void> {
    while (this.#waiting.length > 0) {
      // Those who were told that their last change is safe ask for the next one now, in time for this frame.
      await setImmediate();
      const batch = this.#takeBatch();
      try {
        await this.#write(batch.flatMap(({ changes }) => changes));
        for (const { resolve } of batch) resolve();
      } catch (error) {
        // Each caller's error is told whose it is.
        for (const { reject } of batch) reject(batch.length === 1 ? error : again(error));
      }
    }
    this.#flushing = undefined;
  }

  #takeBatch(): Waiting[] {
    let size = 0;
    let taken = 0;
    while (taken < this.#waiting.length) {
      for (const change of this.#waiting[taken]?.changes ?? []) size += changeSize(change);
      if (taken > 0 && size > FRAME) break;
      taken++;
    }
    if (taken === this.#waiting.length) {
      const all = this.#waiting;
      this.#waiting = [];
      return all;
    }
    return this.#waiting.splice(0, taken);
  }

  async #write(changes: readonly Change[]): Promise<void> {
    if (this.#failed !== undefined) throw this.#broken();
    const size = sizeOf(changes);
    if (size > LONGEST) {
      throw new StorageError(
        `the journal takes at most ${LONGEST} bytes at once; got ${size}: write fewer, or with durability 'file'`,
        {
          path: this.#parts.folder,
        },
      );
    }
    const segment = await this.#segmentFor(size);
    const bytes = Buffer.allocUnsafeSlow(size);
    const time = Math.max(this.#time, Date.now());
    const sequence = this.#sequence + 1;
    const frame = { number: this.#frames + 1, sequence, time, uptime: uptime(), changes };
    const written = writeFrame(bytes, this.#id, frame);
    try {
      this.#parts.checkOwner();
      await segment.append(bytes);
    } catch (error) {
      this.#failed = error;
      throw this.#broken();
    }
    this.#time = time;
    this.#frames++;
    this.#sequence += changes.length;
    segment.last = this.#sequence;
    this.#parts.committed(written, sequence, time);
  }

  /** The segment that the next frame goes into. */
  async #segmentFor(size: number): Promise<Segment> {
    if (this.#current?.fits(size)) {
      if (!this.#current.fits(this.#current.size / 2)) this.#prepare(this.#parts.segmentSize);
      return this.#current;
    }
    if (this.#current !== undefined) {
      if (this.#sealed.length > 0) await this.#parts.makeRoom();
      if (this.#sealed.length > 0) {
        throw new StorageError(`the journal in ${this.#parts.folder} is full, and cannot be emptied`, {
          path: this.#parts.folder,
        });
      }
      this.#sealed.push(this.#current);
      this.#current = undefined;
    }
    let segment: Segment | undefined;
    try {
      segment = await this.#take(Math.max(this.#parts.segmentSize, START + size));
      // The name of a file that is synced may still be lost.
      await syncPath(this.#parts.folder, true);
      const { boot, extension } = this.#parts;
      await segment.begin({ journal: this.#id, boot, extension, first: this.#frames + 1 }, this.#progress);
      this.#current = segment;
      return segment;
    } catch (error) {
      await segment?.drop().catch(() => undefined);
      throw failure(error, 'extend the journal in', this.#parts.folder);
    }
  }

  #prepare(size: number): Promise<Segment> {
    if (this.#next !== undefined) return this.#next;
    const next = Segment.create(this.#parts.folder, ++this.#segments, size);
    this.#next = next;
    // When the segment is needed it is tried again: the disk may have room by then.
    next.catch(() => {
      if (this.#next === next) this.#next = undefined;
    });
    return next;
  }

  async #take(size: number): Promise<Segment> {
    const segment = await this.#prepare(size);
    this.#next = undefined;
    if (segment.size >= size) return segment;
    await segment.drop();
    return this.#take(size);
  }

  async #drop(): Promise<void> {
    const droppable = this.#sealed.filter((segment) => segment.last <= this.#progress.synced);
    if (droppable.length === 0) return;
    this.#sealed = this.#sealed.filter((segment) => !droppable.includes(segment));
    for (const segment of droppable) await segment.drop();
    // If the old one came back after the newer one is gone, what it says would count again.
    await syncPath(this.#parts.folder, true);
  }

  #broken(): StorageError {
    const cause = this.#failed;
    const why = cause instanceof Error ? cause.message : String(cause);
    return new StorageError(
      `the journal in ${this.#parts.folder} cannot be written any more: ${why}; open the folder anew when the disk is well`,
      { path: this.#parts.folder, cause },
    );
  }
}

/** The same error for another caller. */
function again(error: unknown): unknown {
  if (!(error instanceof KeepsakeError)) return error;
  return new StorageError(error.message, { path: error.path, cause: error, retryable: error.retryable });
}

/** Milliseconds since the system started, but for its sleep. */
export function uptime(): number {
  return Number(process.hrtime.bigint() / 1_000_000n);
}
