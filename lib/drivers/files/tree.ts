import { lstatSync } from 'node:fs';
import { sep } from 'node:path';
import { MAXIMUM_KEY_BYTES } from '../../backend/checks.js';
import { InvalidKeyError } from '../../errors.js';
import { show } from '../../show.js';
import type { Folder, Layout, Place } from './layout.js';

/** The longest name that file systems take. */
const LONGEST_NAME = 255;

/** What no name may hold: NUL anywhere; on Windows also what it reads as something else. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: those are what must be found
const FORBIDDEN = process.platform === 'win32' ? /[\0-\x1f<>:"\\|?*]/ : /\0/;

/**
 * The tree layout, for folders that exist already: each `/` in a key is a folder, and names are taken as they are. Whether two keys that
 * differ only in case or composition are two files is up to the disk.
 */
export class TreeLayout implements Layout {
  readonly root: Folder;
  readonly keysClash = true;
  readonly markers = false;
  readonly #extension: string;

  constructor(root: string, extension: string) {
    this.root = { path: root, prefix: '', length: 0 };
    this.#extension = extension;
  }

  /** @throws InvalidKeyError for a key that is no relative path of plain names */
  place(key: string): Place {
    const names = key.split('/');
    for (const name of names) {
      if (name === '' || name === '.' || name === '..') {
        throw new InvalidKeyError(
          `key ${show(key)} is a path in layout 'tree': it must not start or end with "/", nor have an empty, "." or ".." segment; got the segment ${show(name)}`,
          { key },
        );
      }
      const found = FORBIDDEN.exec(name);
      if (found !== null) {
        throw new InvalidKeyError(
          `key ${show(key)} names a file in layout 'tree', which must not hold ${show(found[0])}`,
          {
            key,
          },
        );
      }
    }
    names.push((names.pop() ?? '') + this.#extension);
    for (const name of names) {
      // A UTF-16 unit is at most 3 bytes of UTF-8, so short names need no counting.
      if (name.length * 3 <= LONGEST_NAME || Buffer.byteLength(name) <= LONGEST_NAME) continue;
      throw new InvalidKeyError(
        `key ${show(key)} needs the file name ${show(name)}, which is longer than ${LONGEST_NAME} bytes; shorten it, or use layout 'encoded'`,
        { key },
      );
    }
    const path = this.root.path + sep + names.join(sep);
    names.pop();
    return { path, folder: [this.root.path, ...names].join(sep), hashed: false };
  }

  keyOf(folder: Folder, name: string): string | undefined {
    if (!name.endsWith(this.#extension) || name.length === this.#extension.length) return undefined;
    const key = folder.prefix + name.slice(0, name.length - this.#extension.length);
    return isReachable(folder, name, key) ? key : undefined;
  }

  holdsKey(folder: Folder, name: string): boolean {
    return this.keyOf(folder, name) !== undefined;
  }

  folderOf(parent: Folder, name: string): Folder | undefined {
    const prefix = `${parent.prefix}${name}/`;
    if (!isReachable(parent, name, prefix)) return undefined;
    return { path: parent.path + sep + name, prefix, length: parent.length + name.length + 1 };
  }

  start(prefix: string): Folder | undefined {
    const end = prefix.lastIndexOf('/');
    if (end === -1) return this.root;
    try {
      const { path } = new TreeLayout(this.root.path, '').place(prefix.slice(0, end));
      return { path, prefix: prefix.slice(0, end + 1), length: path.length - this.root.path.length };
    } catch {
      return undefined;
    }
  }
}

/** Whether a key leads back to the file: it is not too long, and its name is well-formed UTF-8. */
function isReachable(folder: Folder, name: string, key: string): boolean {
  if (key.length * 3 > MAXIMUM_KEY_BYTES && Buffer.byteLength(key) > MAXIMUM_KEY_BYTES) return false;
  if (!name.includes('\ufffd')) return true;
  return lstatSync(folder.path + sep + name, { throwIfNoEntry: false }) !== undefined;
}
