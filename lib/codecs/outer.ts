import type { Awaitable } from '../backend/driver.js';
import { EncodeError, InvalidArgumentError } from '../errors.js';
import { show } from '../show.js';
import { type Codec, chain } from './codec.js';

/** What an outer codec does to bytes. */
export interface Coat {
  readonly name: string;
  encode(bytes: Uint8Array, key: string): Awaitable<Uint8Array>;
  decode(bytes: Uint8Array, key: string): Awaitable<Uint8Array>;
}

/** A codec that applies `coat` to the bytes that `inner` makes; without `inner`, to values that are bytes. */
export function coated<T>(coat: Coat, inner: Codec<T> | undefined): Codec<T> {
  if (inner === undefined) return coated(coat, bytes as unknown as Codec<T>);
  return {
    name: inner === (bytes as unknown) ? coat.name : `${coat.name} of ${inner.name}`,
    encode: (value, key) => chain(inner.encode(value, key), (encoded) => coat.encode(encoded, key)),
    decode: (stored, key) => chain(coat.decode(stored, key), (decoded) => inner.decode(decoded, key)),
  };
}

/**
 * The codec and the options of an outer codec, either of which may be left out.
 * @throws InvalidArgumentError for a first argument that is neither
 */
export function innerOf<T, O extends object>(
  first: Codec<T> | O | undefined,
  second: O | undefined,
  what: string,
): { readonly inner: Codec<T> | undefined; readonly options: O | undefined } {
  if (first === undefined) return { inner: undefined, options: second };
  if (typeof first !== 'object' || first === null) {
    throw new InvalidArgumentError(`${what}: give a codec, such as json(), or options; got ${show(first)}`);
  }
  if ('encode' in first && 'decode' in first) return { inner: first, options: second };
  if (second !== undefined)
    throw new InvalidArgumentError(`${what}: the first argument must be a codec, such as json()`);
  return { inner: undefined, options: first as O };
}

const bytes: Codec<Uint8Array> = {
  name: 'bytes',
  encode: (value) => {
    if (value instanceof Uint8Array) return value;
    throw new EncodeError(`${show(value)} is no Uint8Array; put a codec inside to carry other values`, { path: '' });
  },
  decode: (stored) => stored,
};
