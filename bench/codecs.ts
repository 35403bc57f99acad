import * as zlib from 'node:zlib';
import { brotli, type Codec, encoded, encrypted, gzip, json, memory, msgpack, v8, zstd } from 'keepsake';
import * as module from 'world-countries';
import { type Contestant, interleave, keep, of } from './support/measure.js';
import { parseOptions } from './support/options.js';
import { printTable, short } from './support/table.js';
import { report } from './support/targets.js';

/** The package is of CommonJS, and its types are those of a module. */
const countries = (module as unknown as { default: readonly { readonly cca3: string }[] }).default;
const { quick } = parseOptions(process.argv.slice(2));
const ROUNDS = quick ? 5 : 31;
const WARM_UPS = quick ? 1 : 5;
// The first pass after a collection of garbage builds again what the engine knows of the objects' shapes.
const PASSES = quick ? 1 : 8;
const KEYS = countries.map(({ cca3 }) => `country:${cca3}`);

const keys = [{ id: 'bench', key: new Uint8Array(32).fill(1) }];
const codecs: readonly (readonly [name: string, codec: Codec<unknown>])[] = [
  ['json', json()],
  ['json with types', json({ types: true })],
  ['msgpack', msgpack()],
  ['v8', v8()],
  ['gzip of json', gzip(json())],
  ['gzip of msgpack', gzip(msgpack())],
  ['brotli of json', brotli(json())],
  ...('zstdCompressSync' in zlib ? [['zstd of json', zstd(json())] as const] : []),
  ['encrypted json', encrypted(json(), { keys })],
];

const text = new TextDecoder('utf-8', { fatal: true });
const bytesOf = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));

/** The bytes of each country by a codec; all of them are too small to be worth a promise. */
const encode = (codec: Codec<unknown>): Uint8Array[] =>
  countries.map((country, at) => codec.encode(country, KEYS[at] as string) as Uint8Array);

const encoders: Contestant[] = codecs.map(([name, codec]) => ({
  name,
  operations: countries.length * PASSES,
  run: () => {
    for (let pass = 0; pass < PASSES; pass++) keep(encode(codec));
  },
}));
const decoders: Contestant[] = codecs.map(([name, codec]) => {
  const stored = encode(codec);
  return {
    name,
    operations: countries.length * PASSES,
    run: () => {
      for (let pass = 0; pass < PASSES; pass++) {
        for (const [at, bytes] of stored.entries()) keep(codec.decode(bytes, KEYS[at] as string));
      }
    },
  };
});

const encoding = await interleave(encoders, { rounds: ROUNDS, warmUps: WARM_UPS });
const decoding = await interleave(decoders, { rounds: ROUNDS, warmUps: WARM_UPS });
const sizes = new Map(
  codecs.map(([name, codec]) => [name, encode(codec).reduce((sum, { length }) => sum + length, 0)]),
);
const plain = sizes.get('json') as number;

printTable(
  `Codecs: ${countries.length} countries; bytes and nanoseconds for one`,
  ['', 'bytes', 'to json', 'encode', 'decode'],
  codecs.map(([name]) => [
    name,
    short((sizes.get(name) as number) / countries.length),
    short((sizes.get(name) as number) / plain),
    short(of(encoding, name).time),
    short(of(decoding, name).time),
  ]),
);

function bare(name: string, values: readonly unknown[]): Contestant {
  const run = (): void => {
    for (let pass = 0; pass < PASSES; pass++) {
      for (const value of values) keep(JSON.parse(text.decode(bytesOf(value))));
    }
  };
  return { name, operations: values.length * PASSES, run };
}

function inMemory(name: string, values: readonly unknown[]): Contestant {
  const backend = encoded(memory<Uint8Array>(), json());
  const run = async (): Promise<void> => {
    for (let pass = 0; pass < PASSES; pass++) {
      for (const [at, value] of values.entries()) {
        await backend.set(KEYS[at] as string, value);
        keep(await backend.get(KEYS[at] as string));
      }
    }
  };
  return { name, operations: values.length * PASSES, run };
}

const BARE = 'JSON.stringify and JSON.parse';
const OWN = 'encoded(memory(), json()), set and get';
const round = await interleave([bare(BARE, countries), inMemory(OWN, countries)], {
  rounds: ROUNDS,
  warmUps: WARM_UPS,
});
const ratio = of(round, OWN).speedOver(of(round, BARE));

printTable(
  'To bytes and back, of the countries, nanoseconds',
  ['', 'one', 'to bare'],
  [
    [BARE, short(of(round, BARE).time), '1'],
    [OWN, short(of(round, OWN).time), short(ratio)],
  ],
);

await report([{ what: `${OWN}, to bare ${BARE}`, bound: 'at least', target: 0.6, measured: ratio }]);
process.exit(0);
