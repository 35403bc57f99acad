import { dirname } from 'node:path';
import { eachOf } from '../../../backend/operations.js';
import { remove, syncPath } from '../calls.js';
import { failure } from '../failures.js';
import { readHeader } from '../header.js';
import type { Layout } from '../layout.js';
import { entryOf, type FileEntry } from '../reader.js';
import type { Watches } from '../watches.js';
import type { Writer } from '../writer.js';
import type { Change } from './frame.js';
import type { Progress } from './segment.js';

/** A change that is safe in the journal, and not yet in its file. */
interface Pending {
  readonly bytes: Uint8Array | undefined;
  readonly sequence: number;
  readonly time: number;
}

/** What a follower is made of. */
export interface FollowerParts {
  readonly layout: Layout;
  readonly writer: Writer;
  readonly watches: Watches;
  /** How long a file may lag behind, in milliseconds. */
  readonly visibleWithin: number;
  /** How often the files are synced, in milliseconds. */
  readonly checkpointEvery: number;
  /** Throws where somebody else has taken the folder. */
  checkOwner(): void;
  /** Whether the journal is gone, so that nothing that is pending is safe. */
  isLost(): boolean;
  /** Told when the files have come further. */
  mark(progress: Progress): Promise<void>;
}

/** How many files are brought up to date at a time: so few that the journal, which shares the threads, need not wait long; more where somebody waits for them. */
const FOLLOWING = 4;
const FOLLOWING_AWAITED = 16;
/** How many files may lag behind before they count as awaited: it is no burst then, and writers will have to wait for them. */
const BACKLOG = 6000;
/** How many are synced at a time. */
const SYNCING = 8;
/** How many files may wait to be synced, however long ago it was done last: the more there are, the longer writers may have to wait for it. */
const UNSYNCED = 8000;
/** After how long a file that could not be written is tried again, in milliseconds. */
const RETRY = 1000;
/** Of how many files that cannot be written a warning is given, until all could be written again. */
const WARNINGS = 8;
/** The longest that a timer waits. */
const LONGEST = 2 ** 31 - 1;

/** Brings into the files what the journal holds, a little later and only the newest of each key; and now and then syncs them. */
export class Follower {
  readonly #parts: FollowerParts;
  /** In the order of their sequences. */
  readonly #pending = new Map<string, Pending>();
  #files = new Set<string>();
  #folders = new Set<string>();
  #last: number;
  #synced: number;
  #round: Promise<void> | undefined;
  #checkpoint: Promise<void> | undefined;
  #roundTimer: NodeJS.Timeout | undefined;
  #checkpointTimer: NodeJS.Timeout | undefined;
  #retryTimer: NodeJS.Timeout | undefined;
  #warned = new Set<string>();
  /** Keys whose files could not be written, and when to try again. */
  readonly #stuck = new Map<string, number>();
  #closed = false;

  /** @param after the sequence of the last change that the files hold, safely */
  constructor(parts: FollowerParts, after: number) {
    this.#parts = parts;
    this.#last = after;
    this.#synced = after;
  }

  /** Takes over what has just been made safe. */
  committed(changes: readonly Change[], sequence: number, time: number): void {
    for (const [index, { key, bytes }] of changes.entries()) {
      this.#pending.delete(key);
      this.#pending.set(key, { bytes, sequence: sequence + index, time });
    }
    this.#last = sequence + changes.length - 1;
    this.#schedule(this.#parts.visibleWithin / 2);
  }

  /** What stands for the file of a key that lags behind: its entry, or `null` for a deleted one. `undefined` where the file itself counts. */
  find(key: string): FileEntry | null | undefined {
    const pending = this.#pending.get(key);
    if (pending === undefined) return undefined;
    const { bytes } = pending;
    return bytes === undefined ? null : entryOf(bytes, bytes.length, this.#parts.layout.place(key).path);
  }

  /** The keys whose files lag behind. */
  keys(): string[] {
    return [...this.#pending.keys()];
  }

  /**
   * Brings everything into the files that is safe by now.
   * @throws StorageError when one could not be written: the value is safe in the journal, and is tried again
   */
  async follow(): Promise<void> {
    const goal = this.#last;
    while (this.#followed < goal) {
      // A round under way may pass over what it could not write.
      if (this.#round !== undefined) await this.#round.catch(() => undefined);
      else {
        this.#round = this.#run(true);
        await this.#round;
      }
    }
  }

  /** Syncs the files that were brought up to date since the last time. */
  async checkpoint(): Promise<void> {
    while (this.#checkpoint !== undefined) await this.#checkpoint;
    this.#checkpoint = this.#sync();
    await this.#checkpoint;
  }

  /** Stops following by itself. */
  async stop(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#roundTimer);
    clearTimeout(this.#checkpointTimer);
    clearTimeout(this.#retryTimer);
    await this.#round?.catch(() => undefined);
    await this.#checkpoint?.catch(() => undefined);
  }

  /** Every change up to this sequence is in its file, or has a newer one behind it. */
  get #followed(): number {
    for (const { sequence } of this.#pending.values()) return sequence - 1;
    return this.#last;
  }

  #schedule(delay: number): void {
    if (this.#roundTimer !== undefined || this.#round !== undefined || this.#closed) return;
    this.#roundTimer = setTimeout(
      () => {
        this.#roundTimer = undefined;
        this.#runUnasked();
      },
      Math.min(delay, LONGEST),
    );
  }

  /** Nobody waits for a file that cannot be written: the process may end meanwhile. */
  #scheduleRetry(): void {
    if (this.#retryTimer !== undefined || this.#closed) return;
    this.#retryTimer = setTimeout(() => {
      this.#retryTimer = undefined;
      this.#runUnasked();
    }, RETRY).unref();
  }

  /** Who waits for a round is told of a failure; here it is tried again. */
  #runUnasked(): void {
    this.#round ??= this.#run(false);
    this.#round.catch(() => undefined);
  }

  /** What another process has taken is its own. */
  #checkOwner(): void {
    try {
      this.#parts.checkOwner();
    } catch (error) {
      this.#closed = true;
      throw error;
    }
  }

  #isStuck(key: string): boolean {
    const until = this.#stuck.get(key);
    return until !== undefined && performance.now() < until;
  }

  /** @param everything whether to try again what could not be written a moment ago */
  async #run(everything: boolean): Promise<void> {
    clearTimeout(this.#roundTimer);
    this.#roundTimer = undefined;
    let failed: unknown;
    const keys = [...this.#pending.keys()];
    const many = everything || keys.length > BACKLOG;
    try {
      this.#checkOwner();
      await eachOf(
        keys,
        async (key) => {
          // What is newest by now: a key that is written all the time would never have its turn otherwise.
          const pending = this.#pending.get(key);
          if (pending === undefined || (!everything && this.#isStuck(key))) return;
          try {
            await this.#put(key, pending);
            this.#stuck.delete(key);
          } catch (error) {
            failed ??= error;
            this.#stuck.set(key, performance.now() + RETRY);
            this.#warn(error);
          }
        },
        many ? FOLLOWING_AWAITED : FOLLOWING,
      );
      if (this.#files.size >= UNSYNCED) this.#checkpointNow();
      else this.#armCheckpoint();
      await this.#parts.mark({ followed: this.#followed, synced: this.#synced });
      if (failed !== undefined) throw failed;
      if (this.#stuck.size === 0) this.#warned.clear();
    } finally {
      this.#round = undefined;
      if (this.#pending.size > this.#stuck.size) this.#schedule(this.#parts.visibleWithin / 2);
      else if (this.#pending.size > 0) this.#scheduleRetry();
    }
  }

  async #put(key: string, pending: Pending): Promise<void> {
    const { layout, writer, watches } = this.#parts;
    const { bytes, time } = pending;
    const place = layout.place(key);
    await watches.own(place, bytes, async () => {
      if (bytes === undefined) {
        await remove(place.path);
      } else {
        const expires = layout.markers && readHeader(bytes, bytes.length).expiresAt !== undefined;
        await writer.write(place, key, bytes, expires, time);
        this.#files.add(place.path);
      }
    });
    this.#folders.add(place.folder);
    if (this.#pending.get(key) === pending) this.#pending.delete(key);
  }

  #warn(error: unknown): void {
    const text = error instanceof Error ? error.message : String(error);
    if (this.#warned.has(text) || this.#warned.size > WARNINGS) return;
    this.#warned.add(text);
    // A full disk is one trouble, not one for each file.
    const trouble = this.#warned.size > WARNINGS ? 'more files cannot be written' : text;
    const message = this.#parts.isLost()
      ? trouble
      : `${trouble}. What was saved is safe in the journal, and is tried again`;
    process.emitWarning(message, { type: 'KeepsakeWarning', code: 'KEEPSAKE_STORAGE' });
  }

  #armCheckpoint(): void {
    if (this.#checkpointTimer !== undefined || this.#closed || this.#folders.size === 0) return;
    this.#checkpointTimer = setTimeout(
      () => {
        this.#checkpointTimer = undefined;
        this.#checkpointNow();
      },
      Math.min(this.#parts.checkpointEvery, LONGEST),
    ).unref();
  }

  /** Syncs while others write. */
  #checkpointNow(): void {
    if (this.#checkpoint !== undefined || this.#closed) return;
    this.checkpoint().catch((error: unknown) => {
      this.#warn(error);
      this.#armCheckpoint();
    });
  }

  async #sync(): Promise<void> {
    const followed = this.#followed;
    const files = this.#files;
    const folders = this.#folders;
    this.#files = new Set();
    this.#folders = new Set();
    try {
      await syncAll(files, folders, this.#parts.layout.root.path);
      this.#synced = followed;
      await this.#parts.mark({ followed: this.#followed, synced: followed });
    } catch (error) {
      for (const path of files) this.#files.add(path);
      for (const path of folders) this.#folders.add(path);
      throw failure(error, 'sync the files in', this.#parts.layout.root.path);
    } finally {
      this.#checkpoint = undefined;
    }
  }
}

/** Makes files safe, and that they are in their folders, and these in theirs. */
export async function syncAll(files: Iterable<string>, folders: Iterable<string>, root: string): Promise<void> {
  await eachOf([...files], (path) => syncPath(path, false), SYNCING);
  const all = new Set<string>([root]);
  for (const folder of folders) {
    for (let path = folder; path.length > root.length; path = dirname(path)) all.add(path);
  }
  await eachOf([...all], (path) => syncPath(path, true), SYNCING);
}
