import {
  brotliCompress,
  brotliCompressSync,
  brotliDecompress,
  brotliDecompressSync,
  constants,
  gunzip,
  gunzipSync,
  gzip as gzipInPool,
  gzipSync,
} from 'node:zlib';
import { checkOptions } from '../backend/checks.js';
import type { Awaitable } from '../backend/driver.js';
import { EncodeError, OutOfRangeError } from '../errors.js';
import { show } from '../show.js';
import type { Coat } from './outer.js';

/** Options of the codecs that compress. */
export interface CompressionOptions {
  /** How hard to try: more is smaller and slower. See the codec for its range and default. */
  readonly level?: number | undefined;
  /**
   * At most so many bytes before compression: more is refused on write, and on read before it fills the memory. A whole number from 1 to
   * 1 GiB (2 ** 30); 256 MiB by default.
   */
  readonly maxBytes?: number | undefined;
}

const DEFAULT_MAXIMUM = 2 ** 28;
const HIGHEST_MAXIMUM = 2 ** 30;
/** From so many bytes on, the work is done in Node's thread pool: for fewer, going there takes longer than the work. */
const POOL_FROM = 2 ** 16;
/** How many times as large what is decompressed is taken to be. */
const RATIO = 4;

type Callback = (error: Error | null, result: unknown) => void;

/** The functions of `node:zlib` for one format. */
export interface Zlib {
  readonly name: string;
  readonly levels: { readonly least: number; readonly most: number; readonly usual: number };
  /** What `level` is in the options of the functions. */
  readonly settings: (level: number) => object;
  readonly compressSync: (bytes: Uint8Array, options: object) => Uint8Array;
  readonly compress: (bytes: Uint8Array, options: object, callback: Callback) => void;
  readonly decompressSync: (bytes: Uint8Array, options: object) => unknown;
  readonly decompress: (bytes: Uint8Array, options: object, callback: Callback) => void;
  /** Throws for compressed bytes that end too early or go on after their end, where the functions do not. */
  readonly check?: (bytes: Uint8Array) => void;
}

/** gzip of `node:zlib`. */
export const GZIP: Zlib = {
  name: 'gzip',
  levels: { least: 0, most: 9, usual: 6 },
  settings: (level) => ({ level }),
  compressSync: gzipSync,
  compress: gzipInPool,
  decompressSync: gunzipSync,
  decompress: gunzip,
};

/** Brotli of `node:zlib`. */
export const BROTLI: Zlib = {
  name: 'brotli',
  // zlib's own default of 11 takes a hundred times as long.
  levels: { least: 0, most: 11, usual: 5 },
  settings: (level) => ({ params: { [constants.BROTLI_PARAM_QUALITY]: level } }),
  compressSync: brotliCompressSync,
  compress: brotliCompress,
  decompressSync: brotliDecompressSync,
  decompress: brotliDecompress,
};

/**
 * Compresses and decompresses within bounds.
 * @throws OutOfRangeError for a `level` or `maxBytes` outside its range
 */
export function compression(zlib: Zlib, options: CompressionOptions): Coat {
  const { name, levels } = zlib;
  checkOptions(options, ['level', 'maxBytes'], name);
  const level = whole(options.level ?? levels.usual, levels.least, levels.most, `${name}: level`);
  const maxBytes = whole(options.maxBytes ?? DEFAULT_MAXIMUM, 1, HIGHEST_MAXIMUM, `${name}: maxBytes`);
  const settings = zlib.settings(level);
  const bounds = { maxOutputLength: maxBytes, info: true };
  return {
    name,
    encode(bytes) {
      if (bytes.length > maxBytes) {
        throw new EncodeError(`${bytes.length} bytes are more than maxBytes of ${name}, which is ${maxBytes}`, {
          path: '',
        });
      }
      if (bytes.length < POOL_FROM) return alone(zlib.compressSync(bytes, settings));
      return inPool(
        (callback) => zlib.compress(bytes, settings, callback),
        (result) => alone(result as Uint8Array),
      );
    },
    decode(bytes): Awaitable<Uint8Array> {
      zlib.check?.(bytes);
      const finish = (result: unknown): Uint8Array => wholeResult(result, bytes.length, name);
      try {
        if (bytes.length < POOL_FROM / RATIO) return finish(zlib.decompressSync(bytes, bounds));
      } catch (error) {
        throw explain(error, name, maxBytes);
      }
      return inPool((callback) => zlib.decompress(bytes, bounds, callback), finish).catch((error) => {
        throw explain(error, name, maxBytes);
      });
    },
  };
}

function inPool(start: (callback: Callback) => void, finish: (result: unknown) => Uint8Array): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    start((error, result) => {
      if (error !== null) return reject(error);
      try {
        resolve(finish(result));
      } catch (failure) {
        reject(failure);
      }
    });
  });
}

/** What was decompressed, if that were all of the bytes. */
function wholeResult(result: unknown, length: number, name: string): Uint8Array {
  const { buffer, engine } = result as { buffer: Uint8Array; engine: { bytesWritten: number } };
  if (engine.bytesWritten === length) return alone(buffer);
  throw new TypeError(`${length - engine.bytesWritten} bytes follow the end of the ${name} data`);
}

function explain(error: unknown, name: string, maxBytes: number): unknown {
  if (!(error instanceof Error) || !('code' in error) || error.code !== 'ERR_BUFFER_TOO_LARGE') return error;
  return new RangeError(`${name} data of more than maxBytes, which is ${maxBytes}`, { cause: error });
}

/** A plain `Uint8Array` over the same bytes. */
function alone(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function whole(value: unknown, least: number, most: number, what: string): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value;
  throw new OutOfRangeError(`${what} must be a whole number from ${least} to ${most}; got ${show(value)}`);
}
