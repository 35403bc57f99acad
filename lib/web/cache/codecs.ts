import type { Codec } from '../../codecs/codec.js';
import { json } from '../../codecs/json.js';
import { msgpack } from '../../codecs/msgpack.js';
import { text } from '../../codecs/text.js';
import { v8 } from '../../codecs/v8.js';

type AnyCodec = Codec<unknown>;

type Columnar = typeof import('../../columnar/index.js');

/** A codec whose packages are loaded only where it is used. */
async function columnar(make: (codecs: Columnar) => unknown): Promise<AnyCodec> {
  return make(await import('../../columnar/index.js')) as AnyCodec;
}

const vanilla = () => text<unknown>({ coerce: true });

/** Codecs by the names of the configuration. */
const CODECS: Readonly<Record<string, () => AnyCodec | Promise<AnyCodec>>> = {
  text: vanilla,
  vanilla,
  json: () => json(),
  orjson: () => json(),
  msgpack: () => msgpack(),
  pickle: () => v8(),
  v8: () => v8(),
  csv: () => columnar((codecs) => codecs.csv()),
  feather: () => columnar((codecs) => codecs.arrow()),
  arrow: () => columnar((codecs) => codecs.arrow()),
  parquet: () => columnar((codecs) => codecs.parquet()),
};

/** The names there are. */
export const CODEC_NAMES: readonly string[] = Object.keys(CODECS);

/** Whether something is a codec of its own. */
export function isCodec(value: unknown): value is AnyCodec {
  const codec = value as Partial<AnyCodec> | null;
  return typeof codec === 'object' && typeof codec?.encode === 'function' && typeof codec.decode === 'function';
}

/** The codec of a checked configuration. */
export async function openCodec(codec: string | AnyCodec): Promise<AnyCodec> {
  if (typeof codec !== 'string') return codec;
  return (CODECS[codec] ?? vanilla)();
}
