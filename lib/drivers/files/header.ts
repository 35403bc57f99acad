/** NUL, then a name and the version of the format. */
const MAGIC = Uint8Array.of(0, 0x6b, 0x73, 0x70, 0x31);
const DEADLINE = 1;
const KEY = 2;
const FIXED = MAGIC.length + 1;

/** The longest header: magic, flags, deadline, length of the key, key. */
export const LONGEST_HEADER = FIXED + 8 + 2 + 1024;

/** What a file says beside its value. */
export interface Header {
  /** The deadline in milliseconds since 1970. */
  readonly expiresAt: number | undefined;
  /** The key, where the file's name is a hash. */
  readonly key: string | undefined;
  /** Where the value starts. */
  readonly start: number;
}

/** A file that starts with its value. */
export const NO_HEADER: Header = Object.freeze({ expiresAt: undefined, key: undefined, start: 0 });

/**
 * The bytes of a file. Only an entry with a deadline or a hashed name gets a header, and a value that would be taken for one.
 * @param key given where the file's name is a hash
 */
export function toFile(value: Uint8Array, expiresAt: number | undefined, key: string | undefined): Uint8Array {
  if (expiresAt === undefined && key === undefined && !startsLikeHeader(value, value.length)) return value;
  const text = key === undefined ? undefined : Buffer.from(key);
  const length = FIXED + (expiresAt === undefined ? 0 : 8) + (text === undefined ? 0 : 2 + text.length);
  const bytes = new Uint8Array(length + value.length);
  const view = new DataView(bytes.buffer);
  bytes.set(MAGIC);
  bytes[MAGIC.length] = (expiresAt === undefined ? 0 : DEADLINE) | (text === undefined ? 0 : KEY);
  let at = FIXED;
  if (expiresAt !== undefined) {
    view.setFloat64(at, expiresAt);
    at += 8;
  }
  if (text !== undefined) {
    view.setUint16(at, text.length);
    bytes.set(text, at + 2);
  }
  bytes.set(value, length);
  return bytes;
}

/**
 * Reads the header of a file.
 * @param length how many of the bytes are the file's
 * @throws Error that says what is wrong, for a header that is cut or damaged
 */
export function readHeader(bytes: Uint8Array, length: number): Header {
  if (length === 0 || bytes[0] !== 0 || !startsLikeHeader(bytes, length)) return NO_HEADER;
  const view = new DataView(bytes.buffer, bytes.byteOffset, length);
  if (length < FIXED) throw new Error('its header is cut off');
  const flags = view.getUint8(MAGIC.length);
  if ((flags & ~(DEADLINE | KEY)) !== 0) throw new Error(`its header has the unknown flags ${flags}`);
  let start = FIXED;
  let expiresAt: number | undefined;
  let key: string | undefined;
  if ((flags & DEADLINE) !== 0) {
    if (length < start + 8) throw new Error('its header is cut off in the deadline');
    expiresAt = view.getFloat64(start);
    if (!Number.isSafeInteger(expiresAt)) throw new Error(`its deadline ${expiresAt} is no time`);
    start += 8;
  }
  if ((flags & KEY) !== 0) {
    const size = length < start + 2 ? Number.POSITIVE_INFINITY : view.getUint16(start);
    start += 2;
    if (length < start + size) throw new Error('its header is cut off in the key');
    key = utf8.decode(bytes.subarray(start, start + size));
    start += size;
  }
  return { expiresAt, key, start };
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Also true for a start of the magic alone: a header may have been cut there. */
function startsLikeHeader(bytes: Uint8Array, length: number): boolean {
  if (length === 0) return false;
  const compared = Math.min(MAGIC.length, length);
  for (let index = 0; index < compared; index++) if (bytes[index] !== MAGIC[index]) return false;
  return true;
}
