import type { Backend } from '../../backend/backend.js';
import { CorruptDataError, isKeepsakeError } from '../../errors.js';
import type { HeaderList } from './headers.js';

/** A stored response, without its body. */
export interface ResponseHead {
  readonly status: number;
  readonly headers: HeaderList;
  /** Milliseconds since 1970. */
  readonly storedAt: number;
  /** Its age when it was stored, in seconds. */
  readonly age: number;
  /** For how many seconds it is fresh; `null` for ever. */
  readonly lifetime: number | null;
  /** For how many seconds after that it may be given while it is made anew. */
  readonly staleFor: number;
  /** Whether it must not be given once it is no longer fresh, whoever would like it. */
  readonly mustRevalidate: boolean;
  /** Whether it said that authorised requests may get it too. */
  readonly shared: boolean;
}

/** A stored response. */
export interface StoredResponse extends ResponseHead {
  readonly body: Uint8Array;
}

/** Stands at the key of a URL whose responses vary. */
export interface Variants {
  /** The names of headers, in lower case and sorted. */
  readonly vary: readonly string[];
  /** Part of the variants' keys: with another one, they are no longer found. */
  readonly generation: string;
}

/** What is stored. */
export type Stored = StoredResponse | Variants;

const MAGIC = 0x4b52; // 'KR'
const VERSION = 1;
const HEADER = 8;

/**
 * Reads and writes stored responses. They are bytes: `KR`, the version, nothing (a byte each), the length of what follows as JSON (4), that, and the body. In a backend of objects that takes
 * no bytes, such as one that is encoded as JSON, they are the same as base64.
 */
export class Records {
  readonly #open: () => Backend<unknown>;
  #opened: Backend<unknown> | undefined;
  /** What was read before, by the very object: a backend in memory gives the same one again. */
  readonly #decoded = new WeakMap<object, Stored>();
  /** Whether the backend has refused bytes. */
  #asText = false;

  /** @param open gives the backend, the first time that it is needed */
  constructor(open: () => Backend<unknown>) {
    this.#open = open;
  }

  get #backend(): Backend<unknown> {
    this.#opened ??= this.#open();
    return this.#opened;
  }

  /** @throws CorruptDataError for what is no stored response */
  async read(key: string): Promise<{ readonly stored: Stored; readonly expiresAt: number | undefined } | undefined> {
    const entry = await this.#backend.get(key);
    return entry === undefined ? undefined : { stored: this.#decode(entry, key), expiresAt: undefined };
  }

  /** As `read`, with the deadline. */
  async readEntry(
    key: string,
  ): Promise<{ readonly stored: Stored; readonly expiresAt: number | undefined } | undefined> {
    const entry = await this.#backend.getEntry(key);
    return entry && { stored: this.#decode(entry.value, key), expiresAt: entry.expiresAt };
  }

  /** @param ttl milliseconds; `null` for ever */
  async write(key: string, stored: Stored, ttl: number | null): Promise<void> {
    const bytes = encode(stored);
    if (!this.#asText) {
      try {
        await this.#backend.set(key, bytes, { ttl });
        return;
      } catch (error) {
        if (this.#backend.capabilities.values === 'bytes' || !isKeepsakeError(error, 'KEEPSAKE_ENCODE')) throw error;
        this.#asText = true;
      }
    }
    await this.#backend.set(key, bytes.toString('base64'), { ttl });
  }

  #decode(entry: unknown, key: string): Stored {
    if (typeof entry !== 'object' || entry === null) return decode(entry, key);
    const known = this.#decoded.get(entry);
    if (known !== undefined) return known;
    const stored = decode(entry, key);
    this.#decoded.set(entry, stored);
    return stored;
  }

  async remove(key: string): Promise<void> {
    await this.#backend.delete(key);
  }

  async clear(): Promise<void> {
    await this.#backend.clear();
  }
}

function encode(stored: Stored): Buffer {
  const { body = new Uint8Array(), ...head } = stored as StoredResponse;
  const text = Buffer.from(JSON.stringify(head));
  const start = Buffer.alloc(HEADER);
  start.writeUInt16BE(MAGIC, 0);
  start.writeUInt8(VERSION, 2);
  start.writeUInt32BE(text.length, 4);
  return Buffer.concat([start, text, body]);
}

function decode(entry: unknown, key: string): Stored {
  const bytes = toBuffer(entry);
  if (bytes === undefined || bytes.length < HEADER || bytes.readUInt16BE(0) !== MAGIC || bytes[2] !== VERSION) {
    throw corrupt(key);
  }
  const start = HEADER + bytes.readUInt32BE(4);
  try {
    const head = JSON.parse(bytes.toString('utf8', HEADER, start)) as Stored;
    return 'vary' in head ? head : { ...head, body: bytes.subarray(start) };
  } catch (error) {
    throw corrupt(key, error);
  }
}

function toBuffer(entry: unknown): Buffer | undefined {
  if (typeof entry === 'string') return Buffer.from(entry, 'base64');
  return entry instanceof Uint8Array ? Buffer.from(entry.buffer, entry.byteOffset, entry.byteLength) : undefined;
}

function corrupt(key: string, cause?: unknown): CorruptDataError {
  return new CorruptDataError(`what is stored for ${JSON.stringify(key)} is no response of this version`, {
    key,
    cause,
  });
}
