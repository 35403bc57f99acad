import { hash } from 'node:crypto';
import { sep } from 'node:path';
import { MAXIMUM_KEY_BYTES } from '../../backend/checks.js';
import { type Folder, HASHED, type Layout, type Place } from './layout.js';

/** The longest name of a file or folder, so that a suffix such as `.corrupt-1700000000000` still fits into 255 bytes. */
const LONGEST_NAME = 200;
/**
 * The longest path below the root. It does not depend on where the root is, nor on the platform: a folder that is moved, or copied to
 * another machine, must keep its names. macOS allows 1,024 bytes in all.
 */
const LONGEST_PATH = 720;

const PLAIN = /^[a-z0-9_-]+$/;
const PLAIN_LEAF = /^[a-z0-9_.-]+$/;
const DEVICE_NAME = '(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\\.|$)';
const DEVICE = new RegExp(`^${DEVICE_NAME}`);
/** A last segment that is encoded as itself, as nearly all are. */
const UNCHANGED_LEAF = new RegExp(`^(?!\\.{1,2}$)(?!${DEVICE_NAME})[a-z0-9_.-]+$`);
const HASH_NAME = /^%h[0-9a-f]{64}$/;

/**
 * The encoded layout: each `:` in a key ends a folder, and every other character is encoded injectively into names that any disk takes:
 * `user:ann` is `user/ann.json`.
 *
 * Of a segment the bytes `a-z`, `0-9`, `_`, `-` and, in the name of a file, `.` stay; all others become `%` and two lower-case hex digits of
 * their UTF-8. A name that is not exactly what its key is encoded as is none of ours.
 */
export class EncodedLayout implements Layout {
  readonly root: Folder;
  readonly keysClash = false;
  readonly markers = true;
  readonly #extension: string;
  /** The length of a hashed name. */
  readonly #hashed: number;

  constructor(root: string, extension: string) {
    this.root = { path: root, prefix: '', length: 0 };
    this.#extension = extension;
    this.#hashed = 66 + extension.length;
  }

  place(key: string): Place {
    let folder = this.root.path;
    let length = 0;
    let from = 0;
    for (let to = key.indexOf(':'); to !== -1; to = key.indexOf(':', from)) {
      const name = encodeFolder(key.slice(from, to));
      if (!this.#fits(name, length)) return this.#hash(folder, key);
      folder += sep + name;
      length += name.length + 1;
      from = to + 1;
    }
    const name = encodeLeaf(key.slice(from)) + this.#extension;
    if (name.length > LONGEST_NAME || length + name.length > LONGEST_PATH) return this.#hash(folder, key);
    return { path: folder + sep + name, folder, hashed: false };
  }

  keyOf(folder: Folder, name: string): string | typeof HASHED | undefined {
    const segment = this.#segmentOf(folder, name);
    return typeof segment === 'string' ? folder.prefix + segment : segment;
  }

  holdsKey(folder: Folder, name: string): boolean | typeof HASHED {
    const segment = this.#segmentOf(folder, name);
    return segment === HASHED ? HASHED : segment !== undefined;
  }

  folderOf(parent: Folder, name: string): Folder | undefined {
    if (!this.#fits(name, parent.length)) return undefined;
    const segment = PLAIN.test(name) ? name : decode(name);
    if (segment === undefined || encodeFolder(segment) !== name) return undefined;
    return {
      path: parent.path + sep + name,
      prefix: `${parent.prefix}${segment}:`,
      length: parent.length + name.length + 1,
    };
  }

  start(prefix: string): Folder {
    let folder = this.root;
    let from = 0;
    for (let to = prefix.indexOf(':'); to !== -1; to = prefix.indexOf(':', from)) {
      const name = encodeFolder(prefix.slice(from, to));
      if (!this.#fits(name, folder.length)) break;
      from = to + 1;
      folder = {
        path: folder.path + sep + name,
        prefix: prefix.slice(0, from),
        length: folder.length + name.length + 1,
      };
    }
    return folder;
  }

  /** The last segment of the key that a file's name stands for. */
  #segmentOf(folder: Folder, name: string): string | typeof HASHED | undefined {
    if (!name.endsWith(this.#extension) || name.length > LONGEST_NAME) return undefined;
    if (folder.length + name.length > LONGEST_PATH) return undefined;
    const stem = name.slice(0, name.length - this.#extension.length);
    let segment: string | undefined = stem;
    if (!UNCHANGED_LEAF.test(stem)) {
      segment = decode(stem);
      if (segment === undefined) return HASH_NAME.test(stem) ? HASHED : undefined;
      if (encodeLeaf(segment) !== stem) return undefined;
    }
    // Encoded text is never shorter than its bytes, so short names need no counting.
    const { prefix } = folder;
    if ((prefix.length + segment.length) * 3 <= MAXIMUM_KEY_BYTES) return segment;
    return Buffer.byteLength(prefix + segment) > MAXIMUM_KEY_BYTES ? undefined : segment;
  }

  /** A folder is used only if a hashed name fits into it, so that what does not fit always has the same place. */
  #fits(name: string, length: number): boolean {
    return name.length <= LONGEST_NAME && length + name.length + 1 + this.#hashed <= LONGEST_PATH;
  }

  #hash(folder: string, key: string): Place {
    const name = `%h${hash('sha256', key, 'hex')}${this.#extension}`;
    return { path: folder + sep + name, folder, hashed: true };
  }
}

/** The name of a folder for a segment of a key. No `.` occurs in it, and one occurs in every file's name: so they never meet. */
export function encodeFolder(segment: string): string {
  if (segment === '') return '%_';
  return guard(PLAIN.test(segment) ? segment : encode(segment, false));
}

/** The name of a file, without its extension, for the last segment of a key. */
export function encodeLeaf(segment: string): string {
  if (segment === '') return '%_';
  if (segment === '.' || segment === '..') return encode(segment, false);
  return guard(PLAIN_LEAF.test(segment) ? segment : encode(segment, true));
}

/** Windows reserves the names of devices, with any extension. */
function guard(name: string): string {
  return DEVICE.test(name) ? percent(name.charCodeAt(0)) + name.slice(1) : name;
}

function encode(segment: string, dots: boolean): string {
  let name = '';
  for (const byte of Buffer.from(segment)) {
    const kept =
      (byte >= 0x61 && byte <= 0x7a) ||
      (byte >= 0x30 && byte <= 0x39) ||
      byte === 0x5f ||
      byte === 0x2d ||
      (dots && byte === 0x2e);
    name += kept ? String.fromCharCode(byte) : percent(byte);
  }
  return name;
}

function percent(byte: number): string {
  return `%${byte.toString(16).padStart(2, '0')}`;
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** What a name would stand for, if it is canonical; the caller encodes it again and compares. */
function decode(name: string): string | undefined {
  if (name === '%_') return '';
  const bytes: number[] = [];
  for (let index = 0; index < name.length; index++) {
    const unit = name.charCodeAt(index);
    if (unit === 0x25) {
      const digits = name.slice(index + 1, index + 3);
      if (!/^[0-9a-f]{2}$/.test(digits)) return undefined;
      const byte = Number.parseInt(digits, 16);
      // A ':' ends a segment, so none has it inside.
      if (byte === 0x3a) return undefined;
      bytes.push(byte);
      index += 2;
    } else if (unit < 0x80) {
      bytes.push(unit);
    } else {
      return undefined;
    }
  }
  try {
    return utf8.decode(Uint8Array.from(bytes));
  } catch {
    return undefined;
  }
}
