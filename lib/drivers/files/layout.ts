/** Where the entry of a key is kept. */
export interface Place {
  /** The absolute path of the file. */
  readonly path: string;
  /** The absolute path of its folder. */
  readonly folder: string;
  /** Whether the name is a hash, so that the file itself must hold the key. */
  readonly hashed: boolean;
}

/** A folder that holds entries. */
export interface Folder {
  /** The absolute path. */
  readonly path: string;
  /** What the keys of all entries inside start with, such as `'user:'`; `''` for the root. */
  readonly prefix: string;
  /** The length of the path below the root, with a separator at its end; 0 for the root. */
  readonly length: number;
}

/** Stands for the key of a file whose name is a hash: the file has to be read to learn it. */
export const HASHED = Symbol('hashed');

/** How keys become paths, and back. */
export interface Layout {
  /** The root folder. */
  readonly root: Folder;
  /** Whether a file stands where a folder is needed, or the other way round, by two keys that exclude each other. */
  readonly keysClash: boolean;
  /** Whether a folder can hold a marker, so that one without holds no deadline. */
  readonly markers: boolean;
  /** Where the entry of a key is kept. */
  place(key: string): Place;
  /** The key that a file's name stands for; `undefined` for a file that is none of ours. */
  keyOf(folder: Folder, name: string): string | typeof HASHED | undefined;
  /** Whether {@link Layout.keyOf} gives a key, or `HASHED`: quicker than to make it. */
  holdsKey(folder: Folder, name: string): boolean | typeof HASHED;
  /** The folder that a folder's name stands for; `undefined` for one that is none of ours. */
  folderOf(parent: Folder, name: string): Folder | undefined;
  /** The deepest folder that holds all keys with that prefix; `undefined` where no key can have it. */
  start(prefix: string): Folder | undefined;
}
