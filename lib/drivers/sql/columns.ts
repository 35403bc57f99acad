/** Bytes as every client takes them. */
export function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The bytes of a column, in a buffer of their own: clients give a `Buffer`, perhaps within another, or an `ArrayBuffer`. */
export function toBytes(column: unknown): Uint8Array {
  if (column instanceof ArrayBuffer) return new Uint8Array(column);
  const bytes = column as Uint8Array;
  return bytes.byteLength === bytes.buffer.byteLength ? new Uint8Array(bytes.buffer) : new Uint8Array(bytes);
}

/** The key of a column. */
export function toKey(column: unknown): string {
  return toBuffer(toBytes(column)).toString();
}

/** A column of milliseconds; clients give a number, or the text of one. */
export function toDeadline(column: unknown): number | undefined {
  return column === null || column === undefined ? undefined : Number(column);
}

/** The version that a condition names; `undefined` for what none of ours is. */
export function toVersion(version: string): number | undefined {
  return /^(0|[1-9][0-9]{0,15})$/.test(version) ? Number(version) : undefined;
}

/** The bounds of the keys that start with a prefix, and come after a key; by bytes, the upper one excluded. */
export function rangeOf(prefix: string, after?: string): { readonly from: Buffer; readonly to: Buffer } {
  const from = Buffer.from(prefix);
  // No UTF-8 holds the byte 255, so the last byte of a prefix has one that follows it.
  const to = prefix === '' ? Buffer.of(0xff) : Buffer.from(from);
  if (prefix !== '') to[to.length - 1] = (to.at(-1) as number) + 1;
  if (after === undefined) return { from, to };
  // The first of all keys that come after it.
  const next = Buffer.concat([Buffer.from(after), Buffer.of(0)]);
  return { from: Buffer.compare(next, from) > 0 ? next : from, to };
}

/** The most items that one statement carries. */
export const ITEMS = 1000;
/** The most bytes that one statement carries, unless one item alone has more. */
const BYTES = 4 * 1024 * 1024;

/** Items in groups that one statement carries. */
export function* inChunks<T>(items: readonly T[], sizeOf: (item: T) => number): Generator<T[], void, undefined> {
  let chunk: T[] = [];
  let bytes = 0;
  for (const item of items) {
    const size = sizeOf(item);
    if (chunk.length > 0 && (chunk.length === ITEMS || bytes + size > BYTES)) {
      yield chunk;
      chunk = [];
      bytes = 0;
    }
    chunk.push(item);
    bytes += size;
  }
  if (chunk.length > 0) yield chunk;
}
