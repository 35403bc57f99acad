import { crc32 } from 'node:zlib';
import { toBytes } from '../backend/checks.js';
import type { Codec } from '../codecs/codec.js';
import { CorruptDataError, EncodeError, isKeepsakeError } from '../errors.js';
import { show } from '../show.js';

/** The version of a tag that an entry depends on. */
export type TagVersion = readonly [tag: string, version: number];

/** What a cache knows of a value. */
export interface Envelope<V> {
  readonly value: V;
  /** The deadline in milliseconds since 1970; absent for a value that lives as long as its entry. */
  readonly freshUntil?: number | undefined;
  /** The versions of its tags; absent where it has none. */
  readonly tags?: readonly TagVersion[] | undefined;
}

/** How envelopes are stored. */
export interface EnvelopeFormat<V> {
  /** @throws EncodeError for a value that the codec cannot carry */
  seal(key: string, envelope: Envelope<V>): unknown;
  /** @throws CorruptDataError for what no cache stored */
  open(key: string, stored: unknown): Envelope<V>;
}

/** The version of both formats. */
const VERSION = 1;

/** In a backend of objects an envelope is a plain object, which every codec that carries objects carries. */
interface StoredEnvelope<V> extends Envelope<V> {
  readonly keepsakeCache: number;
}

/** The envelopes of a backend of objects. */
export class ObjectEnvelopes<V> implements EnvelopeFormat<V> {
  seal(_key: string, { value, freshUntil, tags }: Envelope<V>): StoredEnvelope<V> {
    // The same shape in all of them is what makes reading them fast.
    return { keepsakeCache: VERSION, value, freshUntil, tags };
  }

  open(key: string, stored: unknown): Envelope<V> {
    const envelope = stored as StoredEnvelope<V> | null;
    if (typeof envelope === 'object' && envelope !== null && envelope.keepsakeCache === VERSION) {
      const { freshUntil, tags } = envelope;
      if ((freshUntil == null || typeof freshUntil === 'number') && (tags == null || areTags(tags))) return envelope;
    }
    throw corrupt(key, `it is no entry of a cache of version ${VERSION}`);
  }
}

const MAGIC = 0x4b43; // 'KC'
const HEADER = 20;

/**
 * The envelopes of a backend of bytes: `KC`, the version (1 byte), nothing (1), the CRC-32 of all that follows (4), the deadline as a double
 * (8, NaN for none), the length of the tags (4), the tags as JSON (absent without), the value as its codec encodes it. Numbers are
 * big-endian.
 */
export class ByteEnvelopes<V> implements EnvelopeFormat<V> {
  readonly #codec: Codec<V>;

  constructor(codec: Codec<V>) {
    this.#codec = codec;
  }

  seal(key: string, { value, freshUntil, tags }: Envelope<V>): Uint8Array {
    const listed = Buffer.from(tags === undefined ? '' : JSON.stringify(tags));
    const encoded = this.#encode(key, value);
    const bytes = Buffer.alloc(HEADER + listed.length + encoded.length);
    bytes.writeUInt16BE(MAGIC, 0);
    bytes.writeUInt8(VERSION, 2);
    bytes.writeDoubleBE(freshUntil ?? Number.NaN, 8);
    bytes.writeUInt32BE(listed.length, 16);
    bytes.set(listed, HEADER);
    bytes.set(encoded, HEADER + listed.length);
    bytes.writeUInt32BE(crc32(bytes.subarray(8)), 4);
    return bytes;
  }

  open(key: string, stored: unknown): Envelope<V> {
    const { buffer, byteOffset, byteLength } = stored as Uint8Array;
    const bytes = Buffer.from(buffer, byteOffset, byteLength);
    if (bytes.length < HEADER || bytes.readUInt16BE(0) !== MAGIC) throw corrupt(key, 'it is no entry of a cache');
    if (bytes[2] !== VERSION) throw corrupt(key, `it is of version ${bytes[2]}; this cache reads version ${VERSION}`);
    if (bytes.readUInt32BE(4) !== crc32(bytes.subarray(8))) throw corrupt(key, 'its checksum is wrong');
    const freshUntil = bytes.readDoubleBE(8);
    const start = HEADER + bytes.readUInt32BE(16);
    return {
      value: this.#decode(key, bytes.subarray(start)),
      freshUntil: Number.isNaN(freshUntil) ? undefined : freshUntil,
      tags: start === HEADER ? undefined : JSON.parse(bytes.toString('utf8', HEADER, start)),
    };
  }

  #encode(key: string, value: V): Uint8Array {
    try {
      // As everywhere over bytes, text is its UTF-8.
      return toBytes(this.#codec.encode(value), 'put', key);
    } catch (error) {
      if (error instanceof EncodeError) {
        error.key ??= key;
        throw error;
      }
      if (isKeepsakeError(error)) throw error;
      const message = `${show(key)} cannot be written as ${this.#codec.name}: ${messageOf(error)}`;
      throw new EncodeError(message, { key, cause: error });
    }
  }

  #decode(key: string, bytes: Uint8Array): V {
    try {
      return this.#codec.decode(bytes);
    } catch (error) {
      throw corrupt(key, `it is no ${this.#codec.name}: ${messageOf(error)}`, error);
    }
  }
}

function areTags(tags: unknown): boolean {
  if (!Array.isArray(tags)) return false;
  return tags.every((one) => Array.isArray(one) && typeof one[0] === 'string' && typeof one[1] === 'number');
}

function corrupt(key: string, why: string, cause?: unknown): CorruptDataError {
  const message = `the cache cannot read what is stored for ${show(key)}: ${why}. Put it again, or clear it`;
  return new CorruptDataError(message, { key, cause });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
