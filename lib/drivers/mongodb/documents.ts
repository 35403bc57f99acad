import type * as Mongo from 'mongodb';
import type { Entry } from '../../backend/driver.js';
import { compareKeys } from '../../backend/order.js';
import { StorageError } from '../../errors.js';
import { show } from '../../show.js';

/** An entry as MongoDB holds it. Of `value` and `number` one is there. */
export interface Stored {
  /** The key. */
  readonly _id: string;
  readonly value?: Uint8Array;
  /** The value where it is the decimal text of a safe integer: what the server can add to. */
  readonly number?: number | Mongo.Long;
  /** Another one for every value that is stored. */
  readonly version: Mongo.ObjectId;
  /** The deadline; a `Date` of BSON holds every millisecond. Absent for an entry that never expires. */
  readonly expiresAt?: Date;
}

/** A condition on documents. */
export type Filter = Readonly<Record<string, unknown>>;

/** What a document of MongoDB may hold, less room for all but the value. */
const LIMIT = 16 * 1024 * 1024 - 8 * 1024;

/** The document of an entry. */
export function toStored(library: typeof Mongo, key: string, value: Uint8Array, expiresAt: number | undefined): Stored {
  if (value.length > LIMIT) {
    throw new StorageError(
      `the value of ${show(key)} has ${value.length} bytes; a document of MongoDB holds ${LIMIT} at most: store it in parts, or elsewhere`,
      { key },
    );
  }
  const number = toNumber(value);
  return {
    _id: key,
    ...(number === undefined ? { value } : { number: library.Long.fromNumber(number) }),
    version: new library.ObjectId(),
    ...(expiresAt === undefined ? {} : { expiresAt: new Date(expiresAt) }),
  };
}

/** The entry of a document, or `undefined` for one that is none of ours. */
export function toEntry(stored: Stored): Entry<Uint8Array> | undefined {
  const value = toValue(stored);
  if (value === undefined) return undefined;
  return { value, expiresAt: stored.expiresAt?.getTime(), version: String(stored.version) };
}

/** Bytes of their own, in place of a view on all that came with them. */
export function toValue({ value, number }: Stored): Uint8Array | undefined {
  if (number !== undefined) return new Uint8Array(Buffer.from(String(number)));
  return value instanceof Uint8Array ? new Uint8Array(value) : undefined;
}

/** The integer that a value is the only decimal text of. */
function toNumber(value: Uint8Array): number | undefined {
  if (value.length === 0 || value.length > 17) return undefined;
  const text = Buffer.from(value).toString('latin1');
  if (!/^(0|-?[1-9][0-9]*)$/.test(text)) return undefined;
  const number = Number(text);
  return Number.isSafeInteger(number) ? number : undefined;
}

/** The keys that start with a prefix, after another one. Only text is compared with text, so that no `_id` of others is met. */
export function range(prefix: string, after?: string): Filter {
  const end = successor(prefix);
  const start = after === undefined || compareKeys(after, prefix) < 0 ? { $gte: prefix } : { $gt: after };
  return { _id: { ...start, ...(end === undefined ? {} : { $lt: end }) } };
}

/** The first text, in the order of UTF-8 bytes, after all that start with `prefix`; `undefined` where there is none. */
function successor(prefix: string): string | undefined {
  const points = Array.from(prefix, (character) => character.codePointAt(0) as number);
  for (let last = points.pop(); last !== undefined; last = points.pop()) {
    // What lies between are surrogates, which are no characters.
    if (last < 0x10ffff) return String.fromCodePoint(...points, last === 0xd7ff ? 0xe000 : last + 1);
  }
  return undefined;
}
