/** The key of the entry that holds the order. */
export const RESERVED = '_keepsake-lru';
const ESCAPE = `${RESERVED}-`;

/** How many bytes a key may grow by when it is stored. */
export const ESCAPE_BYTES = ESCAPE.length;

/**
 * The key under which an entry is stored: another one for every key, and never the reserved one. It keeps the order of keys; and what starts with a prefix is
 * stored under what starts with the stored prefix.
 */
export function toStored(key: string): string {
  return key.startsWith(RESERVED) ? ESCAPE + key : key;
}

/** The key of what is stored; `undefined` where that is no entry. */
export function fromStored(stored: string): string | undefined {
  const key = stored.startsWith(ESCAPE) ? stored.slice(ESCAPE.length) : stored;
  return toStored(key) === stored ? key : undefined;
}
