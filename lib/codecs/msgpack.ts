import type { Packr, Unpackr } from 'msgpackr';
import type { SynchronousCodec } from './codec.js';
import { load } from './load.js';
import { checkMessage } from './msgpack-check.js';
import { type PlainOptions, put, toPlain } from './plain.js';

/**
 * Values as MessagePack, by the package `msgpackr`, which must be installed: smaller than JSON, and read by other languages, since only
 * plain types are written, and timestamps.
 *
 * These come back as they were: what `json()` carries, NaN and infinities, Date, `Uint8Array` (a Buffer comes back as one), and bigint of
 * 64 bits. Refused with an `EncodeError` that names the path: other bigint, Map (it would come back as an object), Set, -0, invalid dates,
 * and what `json()` refuses. Properties that are undefined are left out.
 *
 * Of what others wrote: integers of 64 bits come as bigint, whatever their value; timestamps lose what is finer than milliseconds;
 * extensions, keys that are no text, and text that is no UTF-8 are an error.
 * @throws UnsupportedError where `msgpackr` is not installed
 */
export function msgpack<T = unknown>(): SynchronousCodec<T> {
  const library = load<typeof import('msgpackr')>('msgpackr', 'msgpack()');
  // Not of plain types: records, which are msgpackr's own. 'bigint' keeps 5n apart from 5, which is never written in 64 bits.
  const options = { useRecords: false, variableMapSize: true, int64AsType: 'bigint', copyBuffers: true } as const;
  const packr: Packr = new library.Packr(options);
  const toObjects: Unpackr = new library.Unpackr({ ...options, mapsAsObjects: true });
  const toMaps: Unpackr = new library.Unpackr({ ...options, mapsAsObjects: false });
  return {
    name: 'msgpack',
    encode: (value) => new Uint8Array(packr.pack(toPlain(value, FORM))),
    decode: (bytes) => {
      const { hasPrototypeKey } = checkMessage(bytes);
      // msgpackr renames a key "__proto__" of an object.
      return (hasPrototypeKey ? toRecords(toMaps.unpack(bytes)) : toObjects.unpack(bytes)) as T;
    },
  };
}

const FORM: PlainOptions = {
  tagged: false,
  format: 'MessagePack',
  native: (value) => {
    if (value instanceof Map) return 'would come back as an object; use Object.fromEntries, or json({ types: true })';
    if (value instanceof Set) return 'would come back as an array; use an array, or json({ types: true })';
    if (typeof value !== 'bigint') return true;
    if (value >= -(2n ** 63n) && value < 2n ** 64n) return true;
    return 'is beyond the 64 bits of MessagePack';
  },
};

function toRecords(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(toRecords);
  if (!(value instanceof Map)) return value;
  const record: Record<string, unknown> = {};
  for (const [key, item] of value as Map<string, unknown>) put(record, key, toRecords(item));
  return record;
}
