import * as zlib from 'node:zlib';
import { UnsupportedError } from '../errors.js';
import type { Codec } from './codec.js';
import { type CompressionOptions, compression, type Zlib } from './compression.js';
import { coated, innerOf } from './outer.js';

/**
 * What another codec writes, compressed by Zstandard; bytes, without one. `level` is 1 to 22, 3 by default; from 20 on it takes much
 * memory. Every frame has a checksum. Only one frame is read, which is what `zstd` writes.
 * Values from 64 KiB on are compressed in Node's thread pool.
 *
 * @throws UnsupportedError where Node has no Zstandard: it came with 22.15 and 23.8
 * @throws OutOfRangeError for a `level` or `maxBytes` outside its range
 */
export function zstd(options?: CompressionOptions): Codec<Uint8Array>;
export function zstd<T>(inner: Codec<T>, options?: CompressionOptions): Codec<T>;
export function zstd<T>(first?: Codec<T> | CompressionOptions, second?: CompressionOptions): Codec<T> {
  const { inner, options = {} } = innerOf(first, second, 'zstd');
  return coated(compression(functions(), options), inner);
}

type Functions = Record<
  'zstdCompressSync' | 'zstdCompress' | 'zstdDecompressSync' | 'zstdDecompress',
  ((...given: unknown[]) => never) | undefined
>;

function functions(): Zlib {
  const { zstdCompressSync, zstdCompress, zstdDecompressSync, zstdDecompress } = zlib as unknown as Functions;
  if (
    zstdCompressSync === undefined ||
    zstdCompress === undefined ||
    zstdDecompressSync === undefined ||
    zstdDecompress === undefined
  ) {
    throw new UnsupportedError(
      `zstd: Node ${process.versions.node} has no Zstandard; Node 22.15, 23.8 and newer have. Use gzip or brotli`,
    );
  }
  return {
    name: 'zstd',
    levels: { least: 1, most: 22, usual: 3 },
    // Constants of zstd.h, which the types of older Nodes do not name: the level, and whether a checksum is written.
    settings: (level) => ({ params: { 100: level, 201: 1 } }),
    compressSync: zstdCompressSync,
    compress: zstdCompress,
    decompressSync: zstdDecompressSync,
    decompress: zstdDecompress,
    check: checkFrame,
  };
}

/**
 * Checks that the bytes are one whole frame, by its header and the sizes of its blocks (RFC 8878, 3.1.1): Node passes over a frame that is
 * cut, its checksum with it, and over what follows the first.
 */
export function checkFrame(bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 5 || view.getUint32(0, true) !== 0xfd2fb528) throw new TypeError('these bytes are no zstd frame');
  const descriptor = view.getUint8(4);
  const isSingle = (descriptor & 0x20) !== 0;
  const hasChecksum = (descriptor & 0x04) !== 0;
  const sizeBytes = [isSingle ? 1 : 0, 2, 4, 8][descriptor >> 6] as number;
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 0x03] as number;
  let at = 5 + (isSingle ? 0 : 1) + dictionaryBytes + sizeBytes;
  for (let isLast = false; !isLast; ) {
    if (at + 3 > bytes.length) throw new TypeError('the zstd frame is cut');
    const header = view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
    isLast = (header & 1) !== 0;
    // A block of type 1 is one byte, repeated.
    at += 3 + (((header >> 1) & 3) === 1 ? 1 : header >> 3);
  }
  if (hasChecksum) at += 4;
  if (at > bytes.length) throw new TypeError('the zstd frame is cut');
  if (at < bytes.length) throw new TypeError(`${bytes.length - at} bytes follow the end of the zstd frame`);
}
