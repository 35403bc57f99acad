import { lstatSync, readdirSync, rmdirSync, unlinkSync, writeFileSync } from 'node:fs';
import { dirname, sep } from 'node:path';
import { atomicAt, type Capabilities, capabilities } from '../../backend/capabilities.js';
import type {
  Condition,
  Counter,
  Driver,
  Entry,
  ListedEntry,
  Page,
  ScanRequest,
  WatchRequest,
} from '../../backend/driver.js';
import type { Clock } from '../../backend/duration.js';
import { addToCounter, eachOf } from '../../backend/operations.js';
import { Slice } from '../../backend/slice.js';
import { Sweeper } from '../../backend/sweeper.js';
import { KeepsakeError, StorageError, UnsupportedError } from '../../errors.js';
import { makeFolders, remove } from './calls.js';
import { codeOf, failure } from './failures.js';
import { toFile } from './header.js';
import { checkReplayed, type Journaled, type JournalPlace, replayLeft } from './journal/journaled.js';
import type { Layout, Place } from './layout.js';
import { Listing, wrongKey } from './listing.js';
import type { Locks } from './locks.js';
import { Queue } from './queue.js';
import { type FileEntry, Reader } from './reader.js';
import type { Replacements } from './replacements.js';
import type { Temporaries } from './temporaries.js';
import { walk } from './walk.js';
import type { Watches } from './watches.js';
import { MARKER, move, Writer } from './writer.js';

/**
 * How many files are read for listings and `getMany`: `'slices'`: one after the other, on the main thread, in slices of a few milliseconds;
 * `'concurrent'`: 64 at a time, beside the main thread.
 */
export type BulkReads = 'slices' | 'concurrent';

/** What the driver is made of; checked. */
export interface FilesParts {
  readonly name: string;
  readonly layout: Layout;
  /** Whether contents are synced before they take their place; not needed where there is a journal. */
  readonly synced: boolean;
  /** What is written first, where that is chosen. */
  readonly journal: Journaled | undefined;
  /** Where a journal lies, if there is one. */
  readonly journalPlace: JournalPlace;
  readonly temporaries: Temporaries;
  readonly replacements: Replacements;
  readonly watches: Watches;
  readonly readOnly: boolean;
  readonly clock: Clock;
  /** The folder of temporary files; beside each file if absent. */
  readonly temporary: string | undefined;
  /** The locks that keep processes apart; absent where there is one process. */
  readonly locks: Locks | undefined;
  readonly sweepEvery: number | undefined;
  readonly bulkReads: BulkReads;
  /** Checks what can be checked only on the disk. */
  prepare(): void;
}

/** How many files are read at a time where reads are concurrent. */
const READS_AT_ONCE = 64;
/** How many keys are removed at a time. */
const BATCH = 1000;
const REMOVED_AT_ONCE = 64;

/** One file a key, in a folder. */
export class FilesDriver implements Driver<Uint8Array> {
  readonly capabilities: Capabilities;
  readonly name: string;
  readonly clock: Clock;
  readonly #parts: FilesParts;
  readonly #layout: Layout;
  readonly #locks: Locks | undefined;
  readonly #queue = new Queue();
  readonly #journal: Journaled | undefined;
  readonly #temporaries: Temporaries;
  readonly #reader: Reader;
  readonly #writer: Writer;
  readonly #listing: Listing;
  readonly #sweeper: Sweeper;
  readonly #watches: Watches;
  #sweeping: Promise<void> | undefined;
  #closed = false;

  constructor(parts: FilesParts) {
    const { name, layout, synced, clock, temporary, locks, sweepEvery, journal, readOnly, bulkReads } = parts;
    const level = readOnly ? 'none' : locks === undefined ? 'process' : 'storage';
    this.capabilities = capabilities({
      values: 'bytes',
      ...atomicAt(level),
      persistent: true,
      enumerable: true,
      writable: !readOnly,
      setMany: journal === undefined ? 'none' : level,
      watch: true,
    });
    this.name = name;
    this.clock = clock;
    this.#parts = parts;
    this.#layout = layout;
    this.#locks = locks;
    this.#reader = new Reader(layout.keysClash);
    this.#journal = journal;
    this.#temporaries = parts.temporaries;
    const { temporaries, replacements } = parts;
    this.#writer = new Writer({ layout, synced, temporaries, temporary, replacements });
    const atOnce = bulkReads === 'concurrent' ? READS_AT_ONCE : 1;
    const pending = journal && ((key: string) => journal.find(key));
    this.#listing = new Listing({ layout, reader: this.#reader, clock, replacements, atOnce }, pending);
    this.#watches = parts.watches;
    this.#sweeper = new Sweeper(sweepEvery, async () => (await this.#sweep()).left);
  }

  async open(): Promise<void> {
    const { path } = this.#layout.root;
    if (this.#parts.readOnly) return this.#openToRead(path);
    let made: string | undefined;
    try {
      made = makeFolders(path);
    } catch (error) {
      throw failure(error, 'make the folder', path);
    }
    this.#parts.prepare();
    if (this.#journal !== undefined) await this.#journal.open(dirname(made ?? path));
    else await replayLeft(this.#parts.journalPlace);
    await this.#locks?.open();
    // What expires may be there already.
    this.#sweeper.arm();
    // Nobody waits for this, and it can be done at the next start as well.
    this.#sweeping = this.#sweepTemporaries().catch(() => undefined);
  }

  #openToRead(path: string): void {
    try {
      readdirSync(path);
    } catch (error) {
      throw failure(error, 'read the folder', path);
    }
    checkReplayed(this.#parts.journalPlace);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#sweeper.stop();
    await this.#watches.close();
    await this.#sweeping;
    await this.#queue.drain();
    await this.#journal?.close();
    await this.#locks?.close();
  }

  async read(key: string): Promise<Entry<Uint8Array> | undefined> {
    const place = this.#layout.place(key);
    const entry = await this.#load(place, key);
    if (entry === undefined || !this.#isExpired(entry)) return entry;
    await this.#dropExpired(key, place);
    return undefined;
  }

  write(
    key: string,
    value: Uint8Array,
    expiresAt: number | undefined,
    condition: Condition | undefined,
  ): Promise<boolean> {
    this.#mayWrite();
    const place = this.#layout.place(key);
    if (expiresAt !== undefined) this.#sweeper.arm();
    if (condition === undefined) return this.#queue.replace(key, () => this.#put(place, key, value, expiresAt));
    return this.#inTurn(key, async () => {
      if (!this.#meets(await this.#live(place, key), condition)) return false;
      await this.#store(place, key, value, expiresAt);
      return true;
    });
  }

  remove(key: string, condition: Condition | undefined): Promise<boolean> {
    const place = this.#layout.place(key);
    return this.#inTurn(key, async () => {
      const entry = await this.#toRemove(place, key, condition);
      if (entry === undefined) return false;
      if (entry !== 'unread') {
        if (this.#isExpired(entry)) {
          await this.#unlink(place, key);
          return false;
        }
        if (condition !== undefined && !this.#meets(entry, condition)) return false;
      }
      return this.#unlink(place, key);
    });
  }

  /** Stores entries of different keys: in one commit where there is a journal. */
  async writeMany(entries: readonly (readonly [string, Uint8Array])[], expiresAt: number | undefined): Promise<void> {
    const journal = this.#journal;
    if (journal === undefined) {
      return eachOf(entries, async ([key, value]) => void (await this.write(key, value, expiresAt, undefined)));
    }
    this.#mayWrite();
    if (expiresAt !== undefined) this.#sweeper.arm();
    const changes = entries.map(([key, value]) => {
      return { key, bytes: toFile(value, expiresAt, this.#layout.place(key).hashed ? key : undefined) };
    });
    const keys = changes.map(({ key }) => key);
    await this.#queue.runAll(keys, () => journal.commit(changes));
  }

  async scan(request: ScanRequest): Promise<Page<Uint8Array>> {
    await this.#journal?.follow();
    return this.#listing.page(request);
  }

  stream(request: Omit<ScanRequest, 'cursor'>): AsyncIterable<readonly ListedEntry<Uint8Array>[]> {
    return this.#journal === undefined ? this.#listing.stream(request) : this.#streamAfter(this.#journal, request);
  }

  async *#streamAfter(
    journal: Journaled,
    request: Omit<ScanRequest, 'cursor'>,
  ): AsyncGenerator<readonly ListedEntry<Uint8Array>[], void, undefined> {
    await journal.follow();
    yield* this.#listing.stream(request);
  }

  async readMany(keys: readonly string[]): Promise<(Entry<Uint8Array> | undefined)[]> {
    const entries = new Array<Entry<Uint8Array> | undefined>(keys.length);
    if (this.#parts.bulkReads === 'concurrent') {
      const read = async (key: string, index: number) => {
        entries[index] = await this.read(key);
      };
      await eachOf(keys, read, READS_AT_ONCE);
      return entries;
    }
    const slice = new Slice();
    for (const [index, key] of keys.entries()) {
      if (slice.over) await slice.pause();
      const place = this.#layout.place(key);
      const pending = this.#journal?.find(key);
      const entry =
        pending === undefined ? this.#checkKey(place, key, this.#reader.readNow(place.path)) : (pending ?? undefined);
      if (entry === undefined || !this.#isExpired(entry)) entries[index] = entry;
      else await this.#dropExpired(key, place);
    }
    return entries;
  }

  async count(prefix: string): Promise<number> {
    await this.#journal?.follow();
    return this.#listing.count(prefix);
  }

  touch(key: string, expiresAt: number | undefined): Promise<boolean> {
    const place = this.#layout.place(key);
    if (expiresAt !== undefined) this.#sweeper.arm();
    return this.#inTurn(key, async () => {
      const entry = await this.#live(place, key);
      if (entry === undefined) return false;
      if (entry.expiresAt !== expiresAt) await this.#store(place, key, entry.value, expiresAt);
      return true;
    });
  }

  renew(key: string, expiresAt: number): Promise<Entry<Uint8Array> | undefined> {
    const place = this.#layout.place(key);
    return this.#inTurn(key, async () => {
      const entry = await this.#live(place, key);
      if (entry?.expiresAt === undefined || entry.expiresAt === expiresAt) return entry;
      await this.#store(place, key, entry.value, expiresAt);
      return entry.expiringAt(expiresAt);
    });
  }

  increment(key: string, by: number, expiresAt: number | undefined): Promise<Counter> {
    const place = this.#layout.place(key);
    if (expiresAt !== undefined) this.#sweeper.arm();
    return this.#inTurn(key, async () => {
      const entry = await this.#live(place, key);
      const value = addToCounter(entry?.value ?? 0, by, key);
      const deadline = entry === undefined ? expiresAt : entry.expiresAt;
      await this.#store(place, key, Buffer.from(String(value)), deadline);
      return { value, expiresAt: deadline };
    });
  }

  async clear(prefix: string): Promise<void> {
    this.#mayWrite();
    // A file that cannot be written is no reason not to remove others.
    await this.#journal?.follow().catch(() => undefined);
    const slice = new Slice();
    const folders: string[] = [];
    let keys: string[] = [];
    const removeAll = async () => {
      await eachOf(
        keys,
        async (key) => {
          const place = this.#layout.place(key);
          await this.#inTurn(key, () => this.#unlink(place, key));
        },
        REMOVED_AT_ONCE,
      );
      keys = [];
    };
    for (const { folder, dirent } of walk(this.#layout, prefix)) {
      if (dirent === undefined) {
        if (folder !== this.#layout.root && folder.prefix.startsWith(prefix)) folders.push(folder.path);
      } else if (dirent.isFile()) {
        const key = this.#readableKey(() => this.#listing.keyOf(folder, dirent));
        if (key?.startsWith(prefix)) keys.push(key);
      }
      if (keys.length >= BATCH) await removeAll();
      if (slice.over) await slice.pause();
    }
    await removeAll();
    keys = (this.#journal?.keys() ?? []).filter((key) => key.startsWith(prefix));
    await removeAll();
    await this.#journal?.follow().catch(() => undefined);
    // The deepest first, so that a folder is empty when its turn comes.
    for (const folder of folders.sort((a, b) => b.length - a.length)) {
      this.#prune(folder);
      if (slice.over) await slice.pause();
    }
  }

  async sweep(): Promise<number> {
    this.#mayWrite();
    const { removed } = await this.#sweep();
    return removed;
  }

  watch(request: WatchRequest): Promise<void> {
    return this.#watches.add(request);
  }

  locate(key: string): string {
    return this.#layout.place(key).path;
  }

  setAside(key: string): Promise<string | undefined> {
    const place = this.#layout.place(key);
    return this.#inTurn(key, async () => {
      await this.#journal?.follow();
      if (lstatSync(place.path, { throwIfNoEntry: false }) === undefined) return undefined;
      // In the tree layout any name in the folder would be a key.
      const { temporary } = this.#parts;
      const name = place.path.slice(place.folder.length + 1);
      for (let time = Math.trunc(this.clock()); ; time++) {
        const aside = `${temporary ?? place.folder}${sep}${name}.corrupt-${time}`;
        if (lstatSync(aside, { throwIfNoEntry: false }) !== undefined) continue;
        try {
          await this.#watches.own(place, undefined, () => move(place.path, aside));
        } catch (error) {
          throw failure(error, 'move aside', place.path, key);
        }
        // Or a replay would put it back.
        await this.#journal?.commit([{ key, bytes: undefined }]);
        return aside;
      }
    });
  }

  /** Runs `work` in its turn among all that is to be done for the key, here and, where the folder is shared, elsewhere. */
  #inTurn<T>(key: string, work: () => Promise<T>): Promise<T> {
    this.#mayWrite();
    const locks = this.#locks;
    return this.#queue.run(key, locks === undefined ? work : () => locks.hold(key, work));
  }

  async #put(place: Place, key: string, value: Uint8Array, expiresAt: number | undefined): Promise<boolean> {
    const store = () => this.#store(place, key, value, expiresAt);
    await (this.#locks === undefined ? store() : this.#locks.hold(key, store));
    return true;
  }

  #store(place: Place, key: string, value: Uint8Array, expiresAt: number | undefined): Promise<void> {
    const bytes = toFile(value, expiresAt, place.hashed ? key : undefined);
    if (this.#journal !== undefined) return this.#journal.commit([{ key, bytes }]);
    const expires = expiresAt !== undefined && this.#layout.markers;
    return this.#watches.own(place, bytes, () => this.#writer.write(place, key, bytes, expires));
  }

  async #load(place: Place, key: string): Promise<FileEntry | undefined> {
    const pending = this.#journal?.find(key);
    if (pending !== undefined) return pending ?? undefined;
    return this.#checkKey(place, key, await this.#reader.read(place.path));
  }

  #checkKey(place: Place, key: string, entry: FileEntry | undefined): FileEntry | undefined {
    if (entry !== undefined && entry.key !== (place.hashed ? key : undefined)) {
      throw wrongKey(place.path, key, entry.key);
    }
    return entry;
  }

  #mayWrite(): void {
    if (!this.#parts.readOnly) return;
    throw new UnsupportedError(`${this.name} takes no writes: it was opened with readOnly: true`);
  }

  /** What is there and has not expired. */
  async #live(place: Place, key: string): Promise<FileEntry | undefined> {
    const entry = await this.#load(place, key);
    return entry === undefined || this.#isExpired(entry) ? undefined : entry;
  }

  /** What is to be removed: `'unread'` where it need not, or cannot, be read to know that it goes. */
  async #toRemove(
    place: Place,
    key: string,
    condition: Condition | undefined,
  ): Promise<FileEntry | 'unread' | undefined> {
    if (condition !== undefined && condition !== 'present') return this.#load(place, key);
    try {
      return await this.#load(place, key);
    } catch (error) {
      // Who deletes an entry that cannot be read asks for just that.
      if (error instanceof KeepsakeError && error.code === 'KEEPSAKE_CORRUPT_DATA') return 'unread';
      throw error;
    }
  }

  #isExpired({ expiresAt }: { readonly expiresAt: number | undefined }): boolean {
    return expiresAt !== undefined && this.clock() >= expiresAt;
  }

  #meets(entry: FileEntry | undefined, condition: Condition): boolean {
    if (condition === 'absent') return entry === undefined;
    return entry !== undefined && (condition === 'present' || entry.version === condition.version);
  }

  /**
   * Removes an entry that a reader found expired, unless another one is there by then. A failure is nothing to the reader, and a lock that
   * somebody holds is not waited for: they are writing a new entry.
   */
  async #dropExpired(key: string, place: Place): Promise<boolean> {
    if (this.#parts.readOnly) return false;
    const locks = this.#locks;
    const drop = async () => {
      const entry = await this.#load(place, key);
      return entry !== undefined && this.#isExpired(entry) && (await this.#unlink(place, key));
    };
    try {
      return await this.#queue.run(key, locks === undefined ? drop : () => locks.hold(key, drop, 0));
    } catch {
      return false;
    }
  }

  /** Deletes a file; whether it was there. */
  async #unlink(place: Place, key: string): Promise<boolean> {
    const { path } = place;
    const pending = this.#journal?.find(key);
    if (pending === null) return false;
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (stats === undefined && pending === undefined) return false;
    if (stats?.isFile() === false) throw new StorageError(`cannot delete ${path}: it is no regular file`, { path });
    if (this.#journal !== undefined) {
      await this.#journal.commit([{ key, bytes: undefined }]);
      return true;
    }
    return this.#watches.own(place, undefined, () => remove(path));
  }

  /** Removes a folder that holds nothing, or only our marker. */
  #prune(folder: string): void {
    const marker = folder + sep + MARKER;
    let marked = false;
    try {
      const names = readdirSync(folder);
      if (names.length > 1 || (names.length === 1 && names[0] !== MARKER)) return;
      marked = names.length === 1;
      if (marked) unlinkSync(marker);
      rmdirSync(folder);
    } catch (error) {
      // Somebody writes there: what they are about to write may have a deadline.
      if (marked && codeOf(error) !== 'ENOENT') this.#readableKey(() => void writeFileSync(marker, ''));
    }
  }

  #readableKey<T>(look: () => T): T | undefined {
    try {
      return look();
    } catch {
      return undefined;
    }
  }

  async #sweep(): Promise<{ removed: number; left: boolean }> {
    await this.#journal?.follow().catch(() => undefined);
    const slice = new Slice();
    let removed = 0;
    let left = false;
    let headers = false;
    for (const { folder, dirent } of walk(this.#layout, '')) {
      if (this.#closed) break;
      if (dirent === undefined) {
        headers = this.#listing.holdsDeadlines(folder);
      } else if (dirent.isFile()) {
        if (this.#parts.temporary === undefined) this.#temporaries.sweep(folder.path, dirent.name, this.clock());
        const key = this.#readableKey(() => this.#listing.keyOf(folder, dirent));
        const header =
          key && this.#readableKey(() => headers && this.#reader.readHeaderNow(folder.path + sep + dirent.name));
        if (key && header && header.expiresAt !== undefined) {
          if (!this.#isExpired(header)) left = true;
          else if (await this.#dropExpired(key, this.#layout.place(key))) removed++;
        }
      }
      if (slice.over) await slice.pause();
    }
    if (this.#parts.temporary !== undefined) await this.#sweepTemporaries();
    return { removed, left };
  }

  async #sweepTemporaries(): Promise<void> {
    const slice = new Slice();
    const { temporary } = this.#parts;
    if (temporary !== undefined) {
      for (const name of readdirSync(temporary)) {
        this.#temporaries.sweep(temporary, name, this.clock());
        if (slice.over) await slice.pause();
      }
      return;
    }
    await slice.pause();
    for (const { folder, dirent } of walk(this.#layout, '')) {
      if (this.#closed) return;
      if (dirent?.isFile()) this.#temporaries.sweep(folder.path, dirent.name, this.clock());
      if (slice.over) await slice.pause();
    }
  }
}
