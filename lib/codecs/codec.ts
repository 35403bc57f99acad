import type { Awaitable } from '../backend/driver.js';

/**
 * Turns values into bytes, or another stored form `S`, and back. Written by hand or composed, such as `gzip(json())`; see `encoded`.
 *
 * `encode` refuses, with an `EncodeError` that leads to the place, what would not come back as it was. Either may answer a promise;
 * only promises are waited for.
 */
export interface Codec<T, S = Uint8Array> {
  /** What the codec is, for messages, such as `'json'`. */
  readonly name: string;
  /** Whether a safe integer is encoded as its decimal text, so that counters can be incremented by the engine itself. */
  readonly decimalIntegers?: boolean;
  /** @param key the entry's key, as the encoded backend knows it */
  encode(value: T, key: string): Awaitable<S>;
  /**
   * Throws any error for what is not its own; `encoded` makes a `CorruptDataError` of it. A `DecryptError` and an `UnsupportedError`, of
   * which the stored form is not to blame, stay what they are.
   * @param key the entry's key, as the encoded backend knows it
   */
  decode(stored: S, key: string): Awaitable<T>;
}

/** A codec that never answers a promise and does without the key. */
export interface SynchronousCodec<T, S = Uint8Array> extends Codec<T, S> {
  encode(value: T, key?: string): S;
  decode(stored: S, key?: string): T;
}

/** Goes on with a value, at once where it is there already. */
export function chain<A, B>(value: Awaitable<A>, next: (value: A) => Awaitable<B>): Awaitable<B> {
  return value instanceof Promise ? value.then(next) : next(value);
}
