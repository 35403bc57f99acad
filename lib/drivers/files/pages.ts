import type { ListedEntry, Page, ScanRequest } from '../../backend/driver.js';
import { compareKeys } from '../../backend/order.js';
import { Slice } from '../../backend/slice.js';
import type { Folder, Layout } from './layout.js';
import type { Replacements } from './replacements.js';
import { type Found, readFolder } from './walk.js';

type Listed = ListedEntry<Uint8Array>;

/** How a page learns what files are. */
export interface PageSource {
  keyOf(folder: Folder, name: string): string | undefined;
  holdsDeadlines(folder: Folder): boolean;
  entryOf(folder: Folder, found: Found, deadlines: boolean): Listed | undefined;
}

/** A file, or a folder of ours, with what puts it in order: its key, or what the keys inside start with. */
type InOrder =
  | { readonly key: string; readonly found: Found; readonly sub?: undefined }
  | { readonly key: string; readonly sub: Folder };

/**
 * One page, in the order of the keys. The cursor is the last key, so that nothing has to be remembered between pages: each reads the names
 * of its folders anew, and keeps no more of them than the page can take.
 */
export async function readPage(
  layout: Layout,
  replacements: Replacements,
  request: ScanRequest,
  source: PageSource,
): Promise<Page<Uint8Array>> {
  const entries: Listed[] = [];
  const start = layout.start(request.prefix);
  if (start === undefined) return { entries };
  const reading = new PageReading(layout, replacements, request, source, entries);
  return { entries, cursor: await reading.add(start) };
}

class PageReading {
  readonly #layout: Layout;
  readonly #replacements: Replacements;
  readonly #request: ScanRequest;
  readonly #source: PageSource;
  readonly #page: Listed[];
  readonly #slice = new Slice();

  constructor(layout: Layout, replacements: Replacements, request: ScanRequest, source: PageSource, page: Listed[]) {
    this.#layout = layout;
    this.#replacements = replacements;
    this.#request = request;
    this.#source = source;
    this.#page = page;
  }

  /** Adds the entries of a folder, until the page is full; answers where it ended then. */
  async add(folder: Folder): Promise<string | undefined> {
    const { limit, cursor } = this.#request;
    const page = this.#page;
    const { met, cut } = await this.#inOrder(folder);
    const deadlines = this.#source.holdsDeadlines(folder);
    let position: string | undefined;
    for (const one of met) {
      if (page.length === limit) return position ?? page[limit - 1]?.key;
      if (this.#slice.over) await this.#slice.pause();
      const { key, sub } = one;
      if (sub !== undefined) {
        if (cursor !== undefined && compareKeys(key, cursor) < 0 && !cursor.startsWith(key)) continue;
        const end = await this.add(sub);
        if (end !== undefined) return end;
        position = page[page.length - 1]?.key ?? position;
        continue;
      }
      const entry = this.#source.entryOf(folder, one.found, deadlines);
      if (entry !== undefined) page.push({ ...entry, key });
      position = key;
    }
    return cut ? position : undefined;
  }

  /** What comes after the cursor in a folder, in order; of the files only as many as a page can take, and whether there are more. */
  async #inOrder(folder: Folder): Promise<{ met: InOrder[]; cut: boolean }> {
    const { prefix, limit, cursor } = this.#request;
    const first = new FirstKeys<{ readonly key: string; readonly found: Found }>(limit + 1);
    const subs: InOrder[] = [];
    for (const { found, folders } of readFolder(this.#layout, folder, this.#replacements)) {
      for (const sub of folders) {
        if (sub.prefix.startsWith(prefix) || prefix.startsWith(sub.prefix)) subs.push({ key: sub.prefix, sub });
      }
      for (const one of found) {
        const key = this.#source.keyOf(folder, one.name);
        if (key === undefined || !key.startsWith(prefix)) continue;
        if (cursor !== undefined && compareKeys(key, cursor) <= 0) continue;
        first.add({ key, found: one });
      }
      if (this.#slice.over) await this.#slice.pause();
    }
    const files = first.inOrder();
    const last = files[files.length - 1];
    const { cut } = first;
    const reached = cut && last !== undefined ? subs.filter(({ key }) => compareKeys(key, last.key) < 0) : subs;
    return { met: [...files, ...reached].sort(byKey), cut };
  }
}

/** The first so many of any number of keys. */
class FirstKeys<T extends { readonly key: string }> {
  readonly #limit: number;
  #items: T[] = [];
  /** What comes after this is not among them. */
  #bound: string | undefined;
  /** Whether some were left out. */
  cut = false;

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(item: T): void {
    if (this.#bound !== undefined && compareKeys(item.key, this.#bound) > 0) {
      this.cut = true;
      return;
    }
    this.#items.push(item);
    if (this.#items.length >= 2 * this.#limit) this.inOrder();
  }

  inOrder(): readonly T[] {
    this.#items.sort(byKey);
    if (this.#items.length > this.#limit) {
      this.#items.length = this.#limit;
      this.cut = true;
    }
    if (this.#items.length === this.#limit) this.#bound = this.#items[this.#limit - 1]?.key;
    return this.#items;
  }
}

function byKey(a: { readonly key: string }, b: { readonly key: string }): number {
  return compareKeys(a.key, b.key);
}
