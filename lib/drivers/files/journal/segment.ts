import { close, constants, fdatasync, fstatSync, fsync, lstatSync, open, write, writeSync } from 'node:fs';
import { sep } from 'node:path';
import { crc32 } from 'node:zlib';
import { call, fileOf, remove } from '../calls.js';
import { ALIGNMENT } from './frame.js';

/** What the first sector of a segment says. */
export interface SegmentHeader {
  /** A number of 32 bits that other journals hardly have. */
  readonly journal: number;
  /** The start of the system that it was written in; empty where the system does not say. */
  readonly boot: string;
  /** What the names of the files end in. */
  readonly extension: string;
  /** The number of its first frame. */
  readonly first: number;
  /** Names the file on its disk: one that has another is a copy. */
  readonly file: string;
}

/** How far the files have come; the second sector of a segment. */
export interface Progress {
  /** Every change up to this sequence is in its file. */
  readonly followed: number;
  /** Every change up to this sequence is in its file, and synced there. */
  readonly synced: number;
}

/** Where the frames start. */
export const START = 2 * ALIGNMENT;

const NAME = /^segment-([0-9]+)$/;
const ZEROS = 1024 * 1024;
/** What is written by the main thread, in bytes. */
const WRITTEN_AT_ONCE = 128 * 1024;
const CREATE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | (constants.O_NOFOLLOW ?? 0);

/** A file of the journal, allocated before it is written: so that a sync of what is written need not sync where it lies. */
export class Segment {
  readonly path: string;
  /** How many bytes it takes. */
  readonly size: number;
  /** The sequence of the last change in it. */
  last = 0;
  readonly #descriptor: number;
  #used = START;

  private constructor(path: string, size: number, descriptor: number) {
    this.path = path;
    this.size = size;
    this.#descriptor = descriptor;
  }

  /** Makes a file of zeros, and makes that safe. */
  static async create(folder: string, count: number, size: number): Promise<Segment> {
    const path = `${folder}${sep}segment-${String(count).padStart(8, '0')}`;
    const descriptor = await call<number>((done) => open(path, CREATE, 0o600, done));
    const segment = new Segment(path, size, descriptor);
    try {
      const zeros = Buffer.alloc(Math.min(size, ZEROS));
      for (let at = 0; at < size; at += zeros.length) {
        await segment.#write(zeros.subarray(0, Math.min(zeros.length, size - at)), at);
      }
      await call((done) => fsync(descriptor, done));
      return segment;
    } catch (error) {
      await segment.drop().catch(() => undefined);
      throw error;
    }
  }

  /** Whether a frame of `size` bytes fits. */
  fits(size: number): boolean {
    return this.#used + size <= this.size;
  }

  /** Says whose it is, safely, before the first frame. */
  async begin(header: Omit<SegmentHeader, 'file'>, progress: Progress): Promise<void> {
    const file = fileOf(this.#descriptor);
    await this.#write(Buffer.concat([sector({ ...header, file }), sector(progress)]), 0);
    await call((done) => fdatasync(this.#descriptor, done));
  }

  /** Adds a frame, and makes it safe. */
  async append(frame: Uint8Array): Promise<void> {
    // Handing so little to another thread, where files may be waiting, costs more than writing it.
    if (frame.length <= WRITTEN_AT_ONCE) this.#writeNow(frame, this.#used);
    else await this.#write(frame, this.#used);
    await call((done) => fdatasync(this.#descriptor, done));
    this.#used += frame.length;
  }

  /** Says how far the files have come. It may be lost at a power cut: then more is done again than need be. */
  async mark(progress: Progress): Promise<void> {
    await this.#write(sector(progress), ALIGNMENT);
  }

  /** Whether the file still stands where it was made: nobody finds what is written to one that was removed. */
  isInPlace(): boolean {
    const there = lstatSync(this.path, { bigint: true, throwIfNoEntry: false });
    return there !== undefined && there.ino === fstatSync(this.#descriptor, { bigint: true }).ino;
  }

  /** Closes the file, and leaves it. */
  async close(): Promise<void> {
    await call((done) => close(this.#descriptor, done));
  }

  /** Closes the file, and deletes it. */
  async drop(): Promise<void> {
    await this.close();
    await remove(this.path);
  }

  #writeNow(bytes: Uint8Array, at: number): void {
    for (let from = 0; from < bytes.length; ) {
      const written = writeSync(this.#descriptor, bytes, from, bytes.length - from, at + from);
      if (written === 0) throw new Error('the disk took no more bytes');
      from += written;
    }
  }

  async #write(bytes: Uint8Array, at: number): Promise<void> {
    for (let from = 0; from < bytes.length; ) {
      const step = Math.min(bytes.length - from, 2 ** 30);
      const written = await call<number>((done) => write(this.#descriptor, bytes, from, step, at + from, done));
      if (written === 0) throw new Error('the disk took no more bytes');
      from += written;
    }
  }
}

/** The count of a segment of that name; `undefined` for a file that is none. */
export function countOf(name: string): number | undefined {
  const digits = NAME.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** Reads the header of a segment; `undefined` if it was never begun, or is damaged. */
export function readHeader(bytes: Buffer): SegmentHeader | undefined {
  return readSector<SegmentHeader>(bytes.subarray(0, ALIGNMENT));
}

/** Reads how far the files had come; `undefined` where that is not said. */
export function readProgress(bytes: Buffer): Progress | undefined {
  return readSector<Progress>(bytes.subarray(ALIGNMENT, START));
}

/** A sector that people can read, too: a checksum, then JSON. */
function sector(content: SegmentHeader | Progress): Buffer {
  const text = Buffer.from(JSON.stringify(content));
  const bytes = Buffer.alloc(ALIGNMENT);
  bytes.write(`${crc32(text).toString(16).padStart(8, '0')} `);
  text.copy(bytes, 9);
  bytes[9 + text.length] = 10;
  return bytes;
}

function readSector<T>(bytes: Buffer): T | undefined {
  const end = bytes.indexOf(10);
  if (end < 10) return undefined;
  const text = bytes.subarray(9, end);
  if (bytes.toString('latin1', 0, 9) !== `${crc32(text).toString(16).padStart(8, '0')} `) return undefined;
  return JSON.parse(text.toString()) as T;
}
