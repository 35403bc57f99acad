import { type Dirent, lstatSync } from 'node:fs';
import { sep } from 'node:path';
import type { ListedEntry, Page, ScanRequest } from '../../backend/driver.js';
import type { Clock } from '../../backend/duration.js';
import { compareKeys } from '../../backend/order.js';
import { CorruptDataError, type KeepsakeError } from '../../errors.js';
import { type Folder, HASHED, type Layout } from './layout.js';
import type { Reader } from './reader.js';
import { openFolder, Slice, subFolder, walk } from './walk.js';
import { MARKER } from './writer.js';

type Listed = ListedEntry<Uint8Array>;

/** Lists the entries of a folder and the folders below. */
export class Listing {
  readonly #layout: Layout;
  readonly #reader: Reader;
  readonly #clock: Clock;

  constructor(layout: Layout, reader: Reader, clock: Clock) {
    this.#layout = layout;
    this.#reader = reader;
    this.#clock = clock;
  }

  /** All entries, in one pass over the folders, in no order. */
  async *stream({ prefix, limit, values }: Omit<ScanRequest, 'cursor'>): AsyncGenerator<Listed[], void, undefined> {
    const slice = new Slice();
    let batch: Listed[] = [];
    let headers = false;
    for (const { folder, dirent } of walk(this.#layout, prefix)) {
      if (dirent === undefined) headers = this.holdsDeadlines(folder);
      else {
        const entry = this.#entry(folder, dirent, prefix, values, headers);
        if (entry !== undefined) batch.push(entry);
      }
      const over = slice.over;
      if (batch.length >= limit || (over && batch.length > 0)) {
        yield batch;
        batch = [];
      }
      if (over) await slice.pause();
    }
    if (batch.length > 0) yield batch;
  }

  /** One page, in the order of the keys; the cursor is the last key, so that nothing has to be remembered between pages. */
  async page({ prefix, limit, cursor, values }: ScanRequest): Promise<Page<Uint8Array>> {
    const slice = new Slice();
    const entries: Listed[] = [];
    const start = this.#layout.start(prefix);
    const end =
      start === undefined ? undefined : await this.#pageOf(start, { prefix, limit, cursor, values }, entries, slice);
    return { entries, cursor: end };
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
  keyOf(folder: Folder, dirent: Dirent): string | undefined {
    const key = this.#layout.keyOf(folder, dirent.name);
    if (key !== HASHED) return key;
    const path = folder.path + sep + dirent.name;
    const header = this.#reader.readHeaderNow(path);
    if (header?.key === undefined) return undefined;
    return this.#layout.place(header.key).path === path ? header.key : undefined;
  }

  #entry(folder: Folder, dirent: Dirent, prefix: string, values: boolean, headers: boolean): Listed | undefined {
    let key: string | undefined;
    try {
      key = this.keyOf(folder, dirent);
      if (key === undefined || !key.startsWith(prefix)) return undefined;
      return this.#read(key, folder.path + sep + dirent.name, dirent, values, headers);
    } catch (error) {
      if (!values) return undefined;
      // The key of a hashed name cannot be known: the name stands for it in messages.
      return { key: key ?? folder.prefix + dirent.name, error: error as KeepsakeError };
    }
  }

  #read(key: string, path: string, dirent: Dirent, values: boolean, headers: boolean): Listed | undefined {
    if (!values) {
      if (!dirent.isFile()) return undefined;
      return headers && this.isExpired(path) ? undefined : { key };
    }
    const entry = this.#reader.readNow(path);
    if (entry === undefined || (entry.expiresAt !== undefined && this.#clock() >= entry.expiresAt)) return undefined;
    if (entry.key !== undefined && entry.key !== key) throw wrongKey(path, key, entry.key);
    return { key, value: entry.value };
  }

  /** Whether the entry of a file has expired; not, if its header cannot be read. */
  isExpired(path: string): boolean {
    try {
      const header = this.#reader.readHeaderNow(path);
      return header === undefined || (header.expiresAt !== undefined && this.#clock() >= header.expiresAt);
    } catch (error) {
      if (error instanceof CorruptDataError) return false;
      throw error;
    }
  }

  /** Adds the entries of a folder, until the page is full; answers where it ended then. */
  async #pageOf(folder: Folder, request: ScanRequest, page: Listed[], slice: Slice): Promise<string | undefined> {
    const { prefix, limit, cursor, values } = request;
    const { met, cut } = await this.#inOrder(folder, request, slice);
    const headers = this.holdsDeadlines(folder);
    let position: string | undefined;
    for (const { key, dirent, sub } of met) {
      if (page.length === limit) return position ?? page[limit - 1]?.key;
      if (slice.over) await slice.pause();
      if (sub !== undefined) {
        if (cursor !== undefined && compareKeys(sub.prefix, cursor) < 0 && !cursor.startsWith(sub.prefix)) continue;
        const end = await this.#pageOf(sub, request, page, slice);
        if (end !== undefined) return end;
        position = page[page.length - 1]?.key ?? position;
        continue;
      }
      const entry = this.#entry(folder, dirent, prefix, values, headers);
      if (entry !== undefined) page.push({ ...entry, key });
      position = key;
    }
    return cut ? position : undefined;
  }

  /** What comes after the cursor in a folder, in order; of the files only as many as a page can take, and whether there are more. */
  async #inOrder(
    folder: Folder,
    { prefix, limit, cursor }: ScanRequest,
    slice: Slice,
  ): Promise<{ met: InOrder[]; cut: boolean }> {
    const handle = openFolder(this.#layout, folder);
    let files: InOrder[] = [];
    const folders: InOrder[] = [];
    let cut = false;
    if (handle === undefined) return { met: [], cut };
    try {
      const seen = new Set<string>();
      for (let dirent = handle.readSync(); dirent !== null; dirent = handle.readSync()) {
        if (slice.over) await slice.pause();
        if (seen.has(dirent.name)) continue;
        seen.add(dirent.name);
        const sub = subFolder(this.#layout, folder, dirent);
        if (sub !== undefined) {
          if (sub.prefix.startsWith(prefix) || prefix.startsWith(sub.prefix))
            folders.push({ key: sub.prefix, dirent, sub });
          continue;
        }
        const key = this.#keyOrNone(folder, dirent);
        if (key === undefined || !key.startsWith(prefix)) continue;
        if (cursor !== undefined && compareKeys(key, cursor) <= 0) continue;
        files.push({ key, dirent, sub: undefined });
        if (files.length >= 2 * limit + 1000) {
          files = files.sort(byKey).slice(0, limit + 1);
          cut = true;
        }
      }
    } finally {
      handle.closeSync();
    }
    files.sort(byKey);
    if (files.length > limit + 1) {
      files = files.slice(0, limit + 1);
      cut = true;
    }
    const last = files[files.length - 1];
    const reached = cut && last !== undefined ? folders.filter((one) => compareKeys(one.key, last.key) < 0) : folders;
    return { met: [...files, ...reached].sort(byKey), cut };
  }

  #keyOrNone(folder: Folder, dirent: Dirent): string | undefined {
    try {
      return this.keyOf(folder, dirent);
    } catch {
      return undefined;
    }
  }
}

/** A file, or a folder of ours, with what puts it in order: its key, or what the keys inside start with. */
interface InOrder {
  readonly key: string;
  readonly dirent: Dirent;
  readonly sub: Folder | undefined;
}

function byKey(a: InOrder, b: InOrder): number {
  return compareKeys(a.key, b.key);
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
