import { hash } from 'node:crypto';
import type { Backend } from '../backend/backend.js';
import type { BackendOptions } from '../backend/options.js';
import type { Codec } from '../codecs/codec.js';
import { encoded } from '../wrappers/encoded.js';

/** The saved form of an object: what a model reads and writes. */
export interface Document {
  /** Names the text: two documents with one digest are the same. */
  readonly digest: string;
  /** The text, where it is about to be written. */
  readonly text?: string;
  /** The fields' forms, where it was read. */
  readonly data?: Record<string, unknown>;
}

/** A document to write: flat JSON, two spaces, a final newline, for people to read and edit. */
export function toDocument(data: Record<string, unknown>): Document & { readonly text: string } {
  const text = `${JSON.stringify(data, null, 2)}\n`;
  return { text, digest: digest(text) };
}

/** Documents kept in a backend: as text in one of bytes, as plain data in one of objects. */
export function documents(backend: Backend<never>, options: BackendOptions): Backend<Document> {
  return backend.capabilities.values === 'bytes'
    ? encoded(backend as unknown as Backend<Uint8Array>, inBytes, options)
    : encoded(backend as unknown as Backend<unknown>, inObjects, options);
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

const inBytes: Codec<Document> = {
  name: 'json',
  encode: ({ text }) => Buffer.from(text as string),
  decode: (bytes) => ({ digest: digest(bytes), data: checkData(JSON.parse(utf8.decode(bytes))) }),
};

const inObjects: Codec<Document, unknown> = {
  name: 'json',
  encode: ({ text }) => JSON.parse(text as string),
  // A copy, since a backend in memory gives out what it holds.
  decode: (value) => {
    const { text, digest } = toDocument(checkData(value));
    return { digest, data: JSON.parse(text) };
  },
};

function checkData(data: unknown): Record<string, unknown> {
  if (typeof data === 'object' && data !== null && !Array.isArray(data)) return data as Record<string, unknown>;
  throw new TypeError(
    `a saved object is a JSON object; this is ${data === null ? 'null' : `${JSON.stringify(data)}`.slice(0, 40)}`,
  );
}

function digest(text: string | Uint8Array): string {
  return hash('sha1', text, 'base64');
}
