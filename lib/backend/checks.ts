import {
  EncodeError,
  InvalidArgumentError,
  InvalidKeyError,
  InvalidNamespaceError,
  OutOfRangeError,
} from '../errors.js';
import { show } from '../show.js';
import type { Condition } from './driver.js';
import { ON_CORRUPT, type OnCorrupt } from './options.js';

/** The longest key of any backend, in UTF-8 bytes. */
export const MAXIMUM_KEY_BYTES = 1024;

/**
 * Checks a key: well-formed text of 1 to `limit` UTF-8 bytes.
 * @throws InvalidArgumentError for what is no string
 * @throws InvalidKeyError for an empty or too long key, or one with a lone surrogate
 */
export function checkKey(key: unknown, operation: string, limit: number): asserts key is string {
  // A UTF-16 unit is at most 3 bytes of UTF-8, so short keys need no counting.
  if (typeof key === 'string' && key.length > 0 && key.length * 3 <= limit && key.isWellFormed()) return;
  checkSlowly(key, operation, limit);
}

function checkSlowly(key: unknown, operation: string, limit: number): void {
  if (typeof key !== 'string') throw new InvalidArgumentError(`${operation}: a key must be a string; got ${show(key)}`);
  if (key === '') throw new InvalidKeyError('a key must not be empty', { operation, key });
  if (!key.isWellFormed()) {
    throw new InvalidKeyError(`key ${show(key)} holds a lone surrogate; keys are well-formed text`, { operation, key });
  }
  const bytes = Buffer.byteLength(key);
  if (bytes > limit) {
    const rule = limit === MAXIMUM_KEY_BYTES ? `${limit}` : `${limit} (${MAXIMUM_KEY_BYTES} less the namespace)`;
    throw new InvalidKeyError(`key ${show(key)} has ${bytes} bytes of UTF-8; the limit is ${rule}`, { operation, key });
  }
}

/** Checks the prefix of a listing: well-formed text, empty for all. */
export function checkPrefix(prefix: unknown, operation: string): asserts prefix is string {
  if (typeof prefix !== 'string' || !prefix.isWellFormed()) {
    throw new InvalidArgumentError(`${operation}: prefix must be well-formed text; got ${show(prefix)}`);
  }
}

/** Checks the name of a namespace: `[A-Za-z0-9_-][A-Za-z0-9_.-]*`. */
export function checkNamespace(name: unknown): asserts name is string {
  if (typeof name === 'string' && /^[A-Za-z0-9_-][A-Za-z0-9_.-]*$/.test(name)) return;
  throw new InvalidNamespaceError(
    `namespace ${show(name)} may hold only letters, digits, "_", "-" and "." (not first), and must not be empty`,
    { operation: 'namespace' },
  );
}

/** The latest time that a Date holds, so that every engine may keep a deadline as one. */
export const MAXIMUM_TIME = 8.64e15;

/** The milliseconds of a deadline. */
export function toTime(expiresAt: number | Date, operation: string): number {
  const time = Math.ceil(Number(expiresAt));
  // Written so that NaN is refused too.
  const fits = Math.abs(time) <= MAXIMUM_TIME;
  if (!fits || (typeof expiresAt !== 'number' && !(expiresAt instanceof Date))) {
    throw new OutOfRangeError(
      `${operation}: a deadline must be milliseconds since 1970, or a Date, within what a Date holds; got ${show(expiresAt)}`,
    );
  }
  return time;
}

/** Checks a condition. */
export function checkCondition(condition: unknown, operation: string): asserts condition is Condition {
  if (condition === 'absent' || condition === 'present') return;
  if (
    typeof condition === 'object' &&
    condition !== null &&
    'version' in condition &&
    typeof condition.version === 'string'
  ) {
    return;
  }
  throw new InvalidArgumentError(`${operation}: if must be 'absent', 'present' or { version }; got ${show(condition)}`);
}

/**
 * Checks that `options` is an object without names that nobody knows.
 * @throws InvalidArgumentError that says which there are
 */
export function checkOptions(options: unknown, known: readonly string[], what: string): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new InvalidArgumentError(`${what}: options must be an object; got ${show(options)}`);
  }
  const unknown = Object.keys(options).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  throw new InvalidArgumentError(`${what}: there is no option ${show(unknown)}; there are ${known.join(', ')}`);
}

/** Checks `onCorrupt`, which may be absent. */
export function checkOnCorrupt(onCorrupt: unknown): asserts onCorrupt is OnCorrupt | undefined {
  if (onCorrupt === undefined || ON_CORRUPT.includes(onCorrupt as OnCorrupt)) return;
  throw new InvalidArgumentError(`onCorrupt must be 'report', 'throw' or 'quarantine'; got ${show(onCorrupt)}`);
}

/** Checks that `items` can be iterated. */
export function checkIterable(items: unknown, operation: string, name: string): void {
  if (typeof items === 'object' && items !== null && Symbol.iterator in items) return;
  throw new InvalidArgumentError(`${operation}: ${name} must be an iterable, such as an array; got ${show(items)}`);
}

/** Checks that `entry` is a pair of key and value. */
export function checkPair(entry: unknown, operation: string): void {
  if (Array.isArray(entry) && entry.length === 2) return;
  throw new InvalidArgumentError(`${operation}: an entry must be a pair [key, value]; got ${show(entry)}`);
}

/** The bytes of a value for a driver of bytes: text as UTF-8, `Uint8Array` as it is. */
export function toBytes(value: unknown, operation: string, key: string): Uint8Array {
  if (value instanceof Uint8Array) return value;
  if (typeof value !== 'string') {
    throw new InvalidArgumentError(
      `${operation}: this backend holds bytes: a value must be a Uint8Array or text; got ${show(value)}. Wrap it in encoded(…) to hold objects`,
    );
  }
  if (!value.isWellFormed()) {
    throw new EncodeError('the text holds a lone surrogate, which UTF-8 cannot carry', { operation, key });
  }
  return Buffer.from(value);
}

/** A part of a URL without its percent-encoding; what is none is the error that `invalid` makes. */
export function decodePart(text: string, invalid: () => Error): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid();
  }
}
