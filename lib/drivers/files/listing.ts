import { lstatSync } from 'node:fs';
import { sep } from 'node:path';
import type { ListedEntry, Page, ScanRequest } from '../../backend/driver.js';
import type { Clock } from '../../backend/duration.js';
import { Slice } from '../../backend/slice.js';
import { CorruptDataError, type KeepsakeError } from '../../errors.js';
import { type Folder, HASHED, type Layout } from './layout.js';
import { readPage } from './pages.js';
import type { FileEntry, Reader } from './reader.js';
import type { Replacements } from './replacements.js';
import { type Batch, type Found, walkBatches } from './walk.js';
import { MARKER } from './writer.js';

type Listed = ListedEntry<Uint8Array>;

/** A file that is listed: its key, or `HASHED` where the file itself says which it is. */
interface Target {
  readonly key: string | typeof HASHED;
  readonly path: string;
  /** Stands for the key in messages, where that cannot be known. */
  readonly shown: string;
}

/** Some of what is in a folder. */
interface ListedBatch extends Batch {
  /** Whether its entries may have deadlines. */
  readonly deadlines: boolean;
  /** The prefix, if not all keys in the folder start with it. */
  readonly within: string;
}

/** What stands for files. `undefined`: nothing does, read the file; `null`: the entry was removed. */
export type Pending = (key: string) => FileEntry | null | undefined;

/** What a listing is made of. */
export interface ListingParts {
  readonly layout: Layout;
  readonly reader: Reader;
  readonly clock: Clock;
  readonly replacements: Replacements;
  /** How many files are read at a time; 1 for reading in time slices, on the main thread. */
  readonly atOnce: number;
}

/** Lists the entries of a folder and the folders below. */
export class Listing {
  readonly #layout: Layout;
  readonly #reader: Reader;
  readonly #clock: Clock;
  readonly #replacements: Replacements;
  readonly #atOnce: number;
  readonly #pending: Pending | undefined;

  /** @param pending what stands for files that are not written yet */
  constructor({ layout, reader, clock, replacements, atOnce }: ListingParts, pending?: Pending) {
    this.#layout = layout;
    this.#reader = reader;
    this.#clock = clock;
    this.#replacements = replacements;
    this.#atOnce = atOnce;
    this.#pending = pending;
  }

  /** All entries, in one pass over the folders, in no order. */
  stream(request: Omit<ScanRequest, 'cursor'>): AsyncGenerator<Listed[], void, undefined> {
    return request.values && this.#atOnce > 1 ? this.#readAtOnce(request) : this.#readInSlices(request);
  }

  async *#readInSlices({ prefix, limit, values }: Omit<ScanRequest, 'cursor'>): AsyncGenerator<Listed[]> {
    const slice = new Slice();
    let batch: Listed[] = [];
    for (const { folder, found, deadlines, within } of this.#batches(prefix)) {
      const reads = values || deadlines;
      for (const one of found) {
        const entry = values
          ? this.#valueOf(folder, one.name, within)
          : this.#listedKey(folder, one, within, deadlines);
        if (entry !== undefined) batch.push(entry);
        if (batch.length < limit && !(reads && slice.over)) continue;
        if (slice.over) await slice.pause();
        if (batch.length > 0) yield batch;
        batch = [];
      }
      if (slice.over) await slice.pause();
    }
    if (batch.length > 0) yield batch;
  }

  /** Reads a bounded number of files at a time; the entries come in the order of the folder all the same. */
  async *#readAtOnce({ prefix, limit }: Omit<ScanRequest, 'cursor'>): AsyncGenerator<Listed[]> {
    const slice = new Slice();
    const reading: Promise<Listed | undefined>[] = [];
    let batch: Listed[] = [];
    try {
      for (const { folder, found, within } of this.#batches(prefix)) {
        for (const { name } of found) {
          const target = this.#target(folder, name, within);
          if (target === undefined) continue;
          reading.push(this.#read(target, within));
          if (reading.length < this.#atOnce) continue;
          const entry = await reading.shift();
          if (entry !== undefined) batch.push(entry);
          const over = slice.over;
          if (over) await slice.pause();
          if (batch.length < limit && !(over && batch.length > 0)) continue;
          yield batch;
          batch = [];
        }
        if (slice.over) await slice.pause();
      }
      for (const entry of await Promise.all(reading)) if (entry !== undefined) batch.push(entry);
      if (batch.length > 0) yield batch;
    } finally {
      // Who goes on is to find nothing open.
      await Promise.all(reading);
    }
  }

  /** How many entries there are. Only where a file must be looked into is anything made of its name. */
  async count(prefix: string): Promise<number> {
    const slice = new Slice();
    let counted = 0;
    for (const { folder, found, deadlines, within } of this.#batches(prefix)) {
      const byName = !deadlines && this.#pending === undefined && within === '';
      for (const one of found) {
        const there = byName
          ? this.#countsByName(folder, one)
          : this.#listedKey(folder, one, within, deadlines) !== undefined;
        if (there) counted++;
        if (deadlines && slice.over) await slice.pause();
      }
      if (slice.over) await slice.pause();
    }
    return counted;
  }

  /** One page, in the order of the keys; the cursor is the last key, so that nothing has to be remembered between pages. */
  page(request: ScanRequest): Promise<Page<Uint8Array>> {
    const { prefix, values } = request;
    return readPage(this.#layout, this.#replacements, request, {
      keyOf: (folder, name) => this.#keyOrNone(folder, name),
      holdsDeadlines: (folder) => this.holdsDeadlines(folder),
      entryOf: (folder, found, deadlines) =>
        values ? this.#valueOf(folder, found.name, prefix) : this.#listedKey(folder, found, prefix, deadlines),
    });
  }

  /** Whether the entries of a folder may have deadlines, so that their headers must be read. */
  holdsDeadlines(folder: Folder): boolean {
    if (!this.#layout.markers) return true;
    return lstatSync(folder.path + sep + MARKER, { throwIfNoEntry: false }) !== undefined;
  }

  /**
   * The key of a file, its own if the name is a hash; `undefined` for what is none of ours.
   * @throws KeepsakeError for a hashed name whose file cannot be read
   */
  keyOf(folder: Folder, { name }: { readonly name: string }): string | undefined {
    const key = this.#layout.keyOf(folder, name);
    if (key !== HASHED) return key;
    const path = folder.path + sep + name;
    return this.#checkHashed(path, this.#reader.readHeaderNow(path)?.key);
  }

  *#batches(prefix: string): Generator<ListedBatch, void, undefined> {
    let last: Folder | undefined;
    let deadlines = false;
    for (const { folder, found } of walkBatches(this.#layout, prefix, this.#replacements)) {
      if (folder !== last) deadlines = this.holdsDeadlines(folder);
      last = folder;
      yield { folder, found, deadlines, within: folder.prefix.startsWith(prefix) ? '' : prefix };
    }
  }

  #countsByName(folder: Folder, found: Found): boolean {
    const holds = this.#layout.holdsKey(folder, found.name);
    if (holds === HASHED && this.#keyOrNone(folder, found.name) === undefined) return false;
    return holds !== false && found.isFile();
  }

  /** An entry without its value; `undefined` also for what cannot be read. */
  #listedKey(folder: Folder, found: Found, prefix: string, deadlines: boolean): Listed | undefined {
    try {
      const key = this.keyOf(folder, found);
      if (key === undefined || !starts(key, prefix)) return undefined;
      const pending = this.#pending?.(key);
      if (pending !== undefined) return pending === null || this.#isPast(pending.expiresAt) ? undefined : { key };
      if (!found.isFile()) return undefined;
      return deadlines && this.#isExpired(folder.path + sep + found.name) ? undefined : { key };
    } catch {
      return undefined;
    }
  }

  /** Whether the entry of a file has expired; not, if its header cannot be read. */
  #isExpired(path: string): boolean {
    try {
      const header = this.#reader.readHeaderNow(path);
      return header === undefined || this.#isPast(header.expiresAt);
    } catch (error) {
      if (error instanceof CorruptDataError) return false;
      throw error;
    }
  }

  /** An entry with its value, or with why there is none. */
  #valueOf(folder: Folder, name: string, prefix: string): Listed | undefined {
    const target = this.#target(folder, name, prefix);
    if (target === undefined) return undefined;
    try {
      const pending = this.#pendingOf(target);
      const entry = pending === undefined ? this.#reader.readNow(target.path) : pending;
      return this.#toListed(target, prefix, entry ?? undefined);
    } catch (error) {
      return unreadable(target, error);
    }
  }

  async #read(target: Target, prefix: string): Promise<Listed | undefined> {
    try {
      const pending = this.#pendingOf(target);
      const entry = pending === undefined ? await this.#reader.read(target.path) : pending;
      return this.#toListed(target, prefix, entry ?? undefined);
    } catch (error) {
      return unreadable(target, error);
    }
  }

  #target(folder: Folder, name: string, prefix: string): Target | undefined {
    const key = this.#layout.keyOf(folder, name);
    if (key === undefined || (key !== HASHED && !starts(key, prefix))) return undefined;
    return { key, path: folder.path + sep + name, shown: key === HASHED ? folder.prefix + name : key };
  }

  #pendingOf({ key, path }: Target): FileEntry | null | undefined {
    if (this.#pending === undefined) return undefined;
    const known = key === HASHED ? this.#checkHashed(path, this.#reader.readHeaderNow(path)?.key) : key;
    return known === undefined ? undefined : this.#pending(known);
  }

  #toListed({ key, path }: Target, prefix: string, entry: FileEntry | undefined): Listed | undefined {
    if (entry === undefined || this.#isPast(entry.expiresAt)) return undefined;
    if (key !== HASHED) {
      if (entry.key !== undefined && entry.key !== key) throw wrongKey(path, key, entry.key);
      return { key, value: entry.value };
    }
    const own = this.#checkHashed(path, entry.key);
    return own !== undefined && starts(own, prefix) ? { key: own, value: entry.value } : undefined;
  }

  /** The key that a file with a hashed name says it is of, if it is. */
  #checkHashed(path: string, key: string | undefined): string | undefined {
    return key !== undefined && this.#layout.place(key).path === path ? key : undefined;
  }

  #isPast(expiresAt: number | undefined): boolean {
    return expiresAt !== undefined && this.#clock() >= expiresAt;
  }

  #keyOrNone(folder: Folder, name: string): string | undefined {
    try {
      return this.keyOf(folder, { name });
    } catch {
      return undefined;
    }
  }
}

/** Joining a key and looking into it costs more than reading its name, so that is left out where all keys start so. */
function starts(key: string, prefix: string): boolean {
  return prefix === '' || key.startsWith(prefix);
}

function unreadable({ shown }: Target, error: unknown): Listed {
  return { key: shown, error: error as KeepsakeError };
}

/** A file that says it is another key's: it was moved here by hand. */
export function wrongKey(path: string, key: string, found: string | undefined): CorruptDataError {
  const what =
    found === undefined ? 'does not say which key it is of' : `says that it is of the key ${JSON.stringify(found)}`;
  return new CorruptDataError(`${path} ${what}, where that of ${JSON.stringify(key)} should be. It is left as it is`, {
    key,
    path,
  });
}
