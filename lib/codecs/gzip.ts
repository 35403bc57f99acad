import type { Codec } from './codec.js';
import { type CompressionOptions, compression, GZIP } from './compression.js';
import { coated, innerOf } from './outer.js';

/**
 * What another codec writes, compressed as a gzip file; bytes, without one. `level` is 0 to 9, 6 by default. Every file has a checksum.
 * Values from 64 KiB on are compressed in Node's thread pool.
 *
 * @example
 * const pages = encoded(files('./pages', { extension: '.json.gz' }), gzip(json()));
 * @throws OutOfRangeError for a `level` or `maxBytes` outside its range
 */
export function gzip(options?: CompressionOptions): Codec<Uint8Array>;
export function gzip<T>(inner: Codec<T>, options?: CompressionOptions): Codec<T>;
export function gzip<T>(first?: Codec<T> | CompressionOptions, second?: CompressionOptions): Codec<T> {
  const { inner, options = {} } = innerOf(first, second, 'gzip');
  return coated(compression(GZIP, options), inner);
}
