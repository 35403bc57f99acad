import { crc32 } from 'node:zlib';

/** One change of one key: the bytes of its file from now on; without them, it is deleted. */
export interface Change {
  readonly key: string;
  readonly bytes: Uint8Array | undefined;
}

/** Changes that were committed together. */
export interface Frame {
  /** Counts the frames of a journal, without a gap. */
  readonly number: number;
  /** The sequence of its first change; the others follow without a gap, and so do those of the next frame. */
  readonly sequence: number;
  /** When it was written, in milliseconds since 1970; never less than in the frame before. */
  readonly time: number;
  /** When it was written, in milliseconds since the system started. */
  readonly uptime: number;
  readonly changes: readonly Change[];
}

/** Frames start at multiples of this, in bytes: so that no disk writes a sector again that holds a frame which is safe. */
export const ALIGNMENT = 512;

const MAGIC = 0x6b70_6a66;
/** Magic, checksum, length, number of changes, and four numbers of eight bytes. */
const HEADER = 16 + 4 * 8;
/** The length of the key, and that of the bytes plus one; 0 for a deletion. */
const CHANGE_HEADER = 2 + 6;

/** How many bytes the frame of some changes takes. */
export function sizeOf(changes: readonly Change[]): number {
  let size = HEADER;
  for (const change of changes) size += changeSize(change);
  return aligned(size);
}

/** How many bytes a change takes in a frame. */
export function changeSize({ key, bytes }: Change): number {
  return CHANGE_HEADER + Buffer.byteLength(key) + (bytes?.length ?? 0);
}

/**
 * Writes a frame.
 * @param into of the size that `sizeOf` says
 * @param journal the id of the journal: a frame of another one, as a value may hold, is none here
 * @returns the changes, with copies of their bytes that are views on `into`
 */
export function writeFrame(into: Buffer, journal: number, frame: Frame): Change[] {
  const written: Change[] = [];
  let at = HEADER;
  for (const { key, bytes } of frame.changes) {
    const length = into.write(key, at + CHANGE_HEADER);
    into.writeUInt16LE(length, at);
    into.writeUIntLE(bytes === undefined ? 0 : bytes.length + 1, at + 2, 6);
    at += CHANGE_HEADER + length;
    if (bytes === undefined) {
      written.push({ key, bytes });
      continue;
    }
    into.set(bytes, at);
    written.push({ key, bytes: view(into, at, bytes.length) });
    at += bytes.length;
  }
  into.fill(0, at);
  into.writeUInt32LE(MAGIC, 0);
  into.writeUInt32LE(at, 8);
  into.writeUInt32LE(frame.changes.length, 12);
  into.writeDoubleLE(frame.number, 16);
  into.writeDoubleLE(frame.sequence, 24);
  into.writeDoubleLE(frame.time, 32);
  into.writeDoubleLE(frame.uptime, 40);
  into.writeUInt32LE(crc32(into.subarray(8, at), journal), 4);
  return written;
}

/** Reads the frame that starts at `at`, and where it ends; `undefined` where no whole one stands. */
export function readFrame(bytes: Buffer, at: number, journal: number): (Frame & { readonly end: number }) | undefined {
  if (at + HEADER > bytes.length || bytes.readUInt32LE(at) !== MAGIC) return undefined;
  const length = bytes.readUInt32LE(at + 8);
  if (length < HEADER || at + length > bytes.length) return undefined;
  if (crc32(bytes.subarray(at + 8, at + length), journal) !== bytes.readUInt32LE(at + 4)) return undefined;
  const changes: Change[] = [];
  let position = at + HEADER;
  for (let left = bytes.readUInt32LE(at + 12); left > 0; left--) {
    const start = position + CHANGE_HEADER + bytes.readUInt16LE(position);
    const size = bytes.readUIntLE(position + 2, 6);
    const key = bytes.toString('utf8', position + CHANGE_HEADER, start);
    position = start + Math.max(0, size - 1);
    changes.push({ key, bytes: size === 0 ? undefined : view(bytes, start, size - 1) });
  }
  return {
    number: bytes.readDoubleLE(at + 16),
    sequence: bytes.readDoubleLE(at + 24),
    time: bytes.readDoubleLE(at + 32),
    uptime: bytes.readDoubleLE(at + 40),
    changes,
    end: at + aligned(length),
  };
}

/** Not a `Buffer`, whose `slice` does not copy. */
function view(bytes: Buffer, at: number, length: number): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset + at, length);
}

function aligned(size: number): number {
  return Math.ceil(size / ALIGNMENT) * ALIGNMENT;
}
