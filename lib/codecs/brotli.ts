import type { Codec } from './codec.js';
import { BROTLI, type CompressionOptions, compression } from './compression.js';
import { coated, innerOf } from './outer.js';

/**
 * What another codec writes, compressed by Brotli; bytes, without one. `level` is 0 to 11, 5 by default: 9 to 11 take many times as long.
 * The format has no checksum: a changed byte may go unnoticed where the inner codec does not notice it.
 * Values from 64 KiB on are compressed in Node's thread pool.
 *
 * @throws OutOfRangeError for a `level` or `maxBytes` outside its range
 */
export function brotli(options?: CompressionOptions): Codec<Uint8Array>;
export function brotli<T>(inner: Codec<T>, options?: CompressionOptions): Codec<T>;
export function brotli<T>(first?: Codec<T> | CompressionOptions, second?: CompressionOptions): Codec<T> {
  const { inner, options = {} } = innerOf(first, second, 'brotli');
  return coated(compression(BROTLI, options), inner);
}
