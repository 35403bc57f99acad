import { type Contents, copyOf, noContents, resize, writeAt } from './contents.js';

/** What the system says of a file or a folder beside what it holds. Times are nanoseconds since 1970. */
export interface Attributes {
  readonly mode: number;
  /** When it was last written. */
  readonly modified: bigint;
  /** When it was last written, renamed or given other attributes. */
  readonly changed: bigint;
}

/** A file or a folder. */
export interface Inode {
  readonly kind: 'file' | 'folder';
  /** What the system called it when it was made. */
  readonly number: bigint;
  /** When it was made, in nanoseconds since 1970. */
  readonly born: bigint;
  attributes: Attributes;
  contents: Contents;
  /** What a folder holds: the ids of inodes by their names. */
  readonly entries: Map<string, number>;
}

/** The inodes of a disk by ids of ours, which unlike the system's are never used again. Plain data, so that it can be sent to a worker. */
export type Disk = Map<number, Inode>;

/** The id of the folder that holds all others. */
export const ROOT = 0;

/** What a call did, in the smallest parts. */
export type Effect =
  | { readonly kind: 'inode'; readonly id: number; readonly inode: Omit<Inode, 'contents' | 'entries'> }
  /** A name of a folder now stands for another inode than `before`, or for none. */
  | {
      readonly kind: 'entry';
      readonly folder: number;
      readonly name: string;
      readonly id: number | undefined;
      readonly before: number | undefined;
    }
  | {
      readonly kind: 'data';
      readonly id: number;
      readonly position: number;
      readonly bytes: Uint8Array;
      readonly grows: boolean;
    }
  | { readonly kind: 'size'; readonly id: number; readonly size: number }
  | { readonly kind: 'attributes'; readonly id: number; readonly attributes: Attributes }
  | { readonly kind: 'sync'; readonly id: number; readonly dataOnly: boolean };

/** A call that did something. The numbers say when: all that happens is counted. */
export interface Operation {
  readonly name: string;
  readonly issued: number;
  readonly completed: number;
  readonly effects: readonly Effect[];
}

/** What happened to a disk: the operations in the order in which they were completed. */
export interface Trace {
  readonly initial: Disk;
  readonly operations: readonly Operation[];
  /** The number after the last one that was counted. */
  readonly end: number;
  /** Which start of the system this was. */
  readonly boot: number;
}

export function newDisk(): Disk {
  return new Map([
    [ROOT, newInode({ kind: 'folder', number: 0n, born: 0n, attributes: { mode: 0o755, modified: 0n, changed: 0n } })],
  ]);
}

export function copyDisk(disk: Disk): Disk {
  const copy: Disk = new Map();
  for (const [id, inode] of disk) {
    copy.set(id, { ...inode, contents: copyOf(inode.contents), entries: new Map(inode.entries) });
  }
  return copy;
}

export function apply(disk: Disk, effect: Effect): void {
  if (effect.kind === 'inode') {
    disk.set(effect.id, newInode(effect.inode));
    return;
  }
  if (effect.kind === 'entry') {
    const { entries } = inodeOf(disk, effect.folder);
    if (effect.id === undefined) entries.delete(effect.name);
    else entries.set(effect.name, effect.id);
    return;
  }
  const inode = inodeOf(disk, effect.id);
  if (effect.kind === 'data') writeAt(inode.contents, effect.position, effect.bytes);
  else if (effect.kind === 'size') resize(inode.contents, effect.size);
  else if (effect.kind === 'attributes') inode.attributes = effect.attributes;
}

export function inodeOf(disk: Disk, id: number): Inode {
  const inode = disk.get(id);
  if (inode === undefined) throw new Error(`the disk has no inode ${id}`);
  return inode;
}

/** The ids of what can be reached from the root. */
export function reachable(disk: Disk): Set<number> {
  const found = new Set([ROOT]);
  // A set that grows while it is walked is walked to its end.
  for (const id of found) for (const child of inodeOf(disk, id).entries.values()) found.add(child);
  return found;
}

function newInode(inode: Omit<Inode, 'contents' | 'entries'>): Inode {
  return { ...inode, contents: noContents(), entries: new Map() };
}
