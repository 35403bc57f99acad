import { type Dir, type Dirent, lstatSync, opendirSync, realpathSync, statfsSync, statSync } from 'node:fs';
import { dirname, sep } from 'node:path';
import { codeOf, failure } from './failures.js';
import type { Folder, Layout } from './layout.js';
import type { Replacements } from './replacements.js';

/** How many names are asked of the system at a time. */
const NAMES = 512;
/** How many names of a folder are remembered on any file system. */
const REMEMBERED = 8192;
/** What Linux calls ext2, ext3 and ext4. */
const EXT = 0xef53;

/** Something in a folder that is not one of our folders. */
export interface Found {
  readonly name: string;
  isFile(): boolean;
}

/** Some of what is in a folder; at most {@link NAMES}. */
export interface Batch {
  readonly folder: Folder;
  readonly found: readonly Found[];
}

/** Something in a folder; `dirent` is absent for the folder itself, which comes first. */
export interface Met {
  readonly folder: Folder;
  readonly dirent: Found | undefined;
}

/**
 * Everything in a folder and the folders below that can hold keys with the prefix. It stops nowhere: who asks must pause, see `Slice`.
 * Links to folders are followed, unless they lead back up.
 */
export function* walk(layout: Layout, prefix: string): Generator<Met, void, undefined> {
  let last: Folder | undefined;
  for (const { folder, found } of walkBatches(layout, prefix)) {
    if (folder !== last) yield { folder, dirent: undefined };
    last = folder;
    for (const dirent of found) yield { folder, dirent };
  }
}

/**
 * The same in batches, at least one for each folder, even if it is empty.
 * @param replacements what this process writes meanwhile, so that none of it is missed
 */
export function* walkBatches(
  layout: Layout,
  prefix: string,
  replacements?: Replacements,
): Generator<Batch, void, undefined> {
  const start = layout.start(prefix);
  if (start === undefined) return;
  const pending = [start];
  for (let folder = pending.pop(); folder !== undefined; folder = pending.pop()) {
    for (const { found, folders } of readFolder(layout, folder, replacements)) {
      for (const sub of folders) {
        if (sub.prefix.startsWith(prefix) || prefix.startsWith(sub.prefix)) pending.push(sub);
      }
      yield { folder, found };
    }
  }
}

/**
 * What is in a folder, in batches, nothing twice; nothing at all where there is no such folder, unless it is the root.
 *
 * A file that is replaced while the folder is read keeps its place on ext4. On other file systems the new file has a place of its own: there it may be met again, or the place
 * may have been passed already (seen on btrfs and tmpfs; on XFS after a file was deleted and made anew). So the names met are remembered, and those that this
 * process replaced are looked up in the end. On ext4 that ends with the first few thousand: a small folder there is put in another order when it grows.
 */
export function* readFolder(
  layout: Layout,
  folder: Folder,
  replacements?: Replacements,
): Generator<{ readonly found: readonly Found[]; readonly folders: readonly Folder[] }, void, undefined> {
  const replaced = replacements?.watch(folder.path);
  let handle: Dir | undefined;
  try {
    handle = openFolder(layout, folder);
    if (handle === undefined) return;
    let seen: Set<string> | undefined = new Set();
    let asked = false;
    for (let more = true; more; ) {
      const found: Found[] = [];
      const folders: Folder[] = [];
      for (let count = 0; count < NAMES; count++) {
        const dirent = handle.readSync();
        if (dirent === null) {
          more = false;
          break;
        }
        if (seen !== undefined) {
          if (seen.has(dirent.name)) continue;
          seen.add(dirent.name);
        }
        const sub = dirent.isFile() ? undefined : subFolder(layout, folder, dirent);
        if (sub === undefined) found.push(dirent);
        else folders.push(sub);
      }
      if (!asked && seen !== undefined && seen.size >= REMEMBERED) {
        asked = true;
        if (keepsPlaces(folder)) {
          seen = undefined;
          replaced?.stop();
        }
      }
      yield { found, folders };
    }
    if (seen === undefined || replaced === undefined) return;
    for (const name of replaced.names) {
      if (seen.has(name)) continue;
      seen.add(name);
      yield { found: [new Replaced(folder, name)], folders: [] };
    }
  } finally {
    replaced?.stop();
    handle?.closeSync();
  }
}
/** What is needed of a `Dirent`. */
type Named = Pick<Dirent, 'name' | 'isDirectory' | 'isSymbolicLink'>;

/** The folder of ours that `dirent` is, or links to. */
export function subFolder(layout: Layout, folder: Folder, dirent: Named): Folder | undefined {
  if (dirent.isDirectory()) return layout.folderOf(folder, dirent.name);
  if (!dirent.isSymbolicLink()) return undefined;
  const sub = layout.folderOf(folder, dirent.name);
  if (sub === undefined) return undefined;
  try {
    return statSync(sub.path).isDirectory() && !leadsUp(layout, folder, sub) ? sub : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a link leads to a folder that it was reached through, by whatever other links. */
function leadsUp(layout: Layout, folder: Folder, link: Folder): boolean {
  const target = realpathSync(link.path) + sep;
  for (let path = folder.path; path.length >= layout.root.path.length; path = dirname(path)) {
    if ((realpathSync(path) + sep).startsWith(target)) return true;
    if (path === layout.root.path) return false;
  }
  return false;
}

/** Opens a folder; `undefined` for one that is not there, unless it is the root. */
export function openFolder(layout: Layout, folder: Folder): Dir | undefined {
  try {
    return opendirSync(folder.path, { bufferSize: NAMES });
  } catch (error) {
    const code = codeOf(error);
    if ((code === 'ENOENT' || code === 'ENOTDIR') && folder !== layout.root) return undefined;
    throw failure(error, 'list', folder.path);
  }
}

/** Whether a file that takes the place of another in this folder is listed at its place; `false` where that is not known. */
function keepsPlaces(folder: Folder): boolean {
  if (process.platform !== 'linux') return false;
  try {
    return statfsSync(folder.path).type === EXT;
  } catch {
    return false;
  }
}

/** A file that was put in place while its folder was read; it may be gone by now. */
class Replaced implements Found {
  readonly name: string;
  readonly #path: string;

  constructor(folder: Folder, name: string) {
    this.name = name;
    this.#path = folder.path + sep + name;
  }

  isFile(): boolean {
    return lstatSync(this.#path, { throwIfNoEntry: false })?.isFile() ?? false;
  }
}
