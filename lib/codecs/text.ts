import { checkOptions } from '../backend/checks.js';
import { EncodeError } from '../errors.js';
import { show } from '../show.js';
import type { SynchronousCodec } from './codec.js';

/** Options of {@link text}. */
export interface TextOptions {
  /** Whether `String(value)` of anything is written, and text is read; `false` by default. */
  readonly coerce?: boolean | undefined;
}

/**
 * Text as its UTF-8. What is no text, or has a lone surrogate, is refused with an `EncodeError`; with `coerce`, any value is written as
 * `String(value)`, and comes back as that text. Counters are read as their decimal text.
 */
export function text(options?: { readonly coerce?: false | undefined }): SynchronousCodec<string>;
export function text<T = unknown>(options: TextOptions): SynchronousCodec<T | string>;
export function text(options: TextOptions = {}): SynchronousCodec<unknown> {
  checkOptions(options, ['coerce'], 'text');
  const { coerce = false } = options;
  return {
    name: 'text',
    decimalIntegers: true,
    encode: (value) => {
      if (typeof value !== 'string' && !coerce) {
        throw new EncodeError(`${show(value)} is no text; use json() for other values, or text({ coerce: true })`, {
          path: '',
        });
      }
      const written = String(value);
      if (written.isWellFormed()) return Buffer.from(written);
      throw new EncodeError(`${show(written)} holds a lone surrogate, which UTF-8 cannot carry`, { path: '' });
    },
    decode: (bytes) => utf8.decode(bytes),
  };
}

// A byte order mark is part of the text: without ignoreBOM the first one would be dropped.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
