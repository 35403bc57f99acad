import { type Dir, type Dirent, opendirSync, realpathSync, statSync } from 'node:fs';
import { dirname, sep } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { codeOf, failure } from './failures.js';
import type { Folder, Layout } from './layout.js';

/** How long the event loop may be held up at a time, in milliseconds. */
const SLICE = 6;
/** How many names are asked of the system at a time. */
const NAMES = 512;

/** Something in a folder that is not one of our folders; `dirent` is absent for the folder itself, which comes first. */
export interface Met {
  readonly folder: Folder;
  readonly dirent: Dirent | undefined;
}

/**
 * Everything in a folder and the folders below that can hold keys with the prefix. It stops nowhere: who asks must pause, see {@link Slice}.
 * Links to folders are followed, unless they lead back up.
 */
export function* walk(layout: Layout, prefix: string): Generator<Met, void, undefined> {
  const start = layout.start(prefix);
  if (start === undefined) return;
  const pending = [start];
  for (let folder = pending.pop(); folder !== undefined; folder = pending.pop()) {
    const handle = openFolder(layout, folder);
    if (handle === undefined) continue;
    // A file that is replaced while the folder is read may be met again on some file systems.
    const seen = new Set<string>();
    try {
      yield { folder, dirent: undefined };
      for (let dirent = handle.readSync(); dirent !== null; dirent = handle.readSync()) {
        if (seen.has(dirent.name)) continue;
        seen.add(dirent.name);
        const sub = subFolder(layout, folder, dirent);
        if (sub === undefined) yield { folder, dirent };
        else if (sub.prefix.startsWith(prefix) || prefix.startsWith(sub.prefix)) pending.push(sub);
      }
    } finally {
      handle.closeSync();
    }
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

/** Says when work that holds up the event loop has to pause. */
export class Slice {
  #end = performance.now() + SLICE;

  get over(): boolean {
    return performance.now() >= this.#end;
  }

  /** Lets others have their turn. */
  async pause(): Promise<void> {
    await setImmediate();
    this.#end = performance.now() + SLICE;
  }
}
