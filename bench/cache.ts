import { BentoCache, bentostore } from 'bentocache';
import { memoryDriver } from 'bentocache/drivers/memory';
import { Cacheable } from 'cacheable';
import { Cache, memory } from 'keepsake';
import { type Contestant, interleave, keep, type Measurement, of } from './support/measure.js';
import { parseOptions } from './support/options.js';
import { printTable, short } from './support/table.js';
import { report } from './support/targets.js';

const { quick } = parseOptions(process.argv.slice(2));
const KEYS = Array.from({ length: 1000 }, (_, index) => `user:${index}`);
const VALUE = 'a value that nobody has to parse';
const HOUR = 3_600_000;
const PASSES = quick ? 2 : 5;
const ROUNDS = quick ? 7 : 41;
const WARM_UPS = quick ? 2 : 5;

const compute = async (): Promise<string> => VALUE;

/** What each does with all keys. Each has loops of its own, or the compiler would treat what differs as one thing. */
interface Subject {
  readonly name: string;
  clear(): Promise<unknown>;
  /** Of keys that are there, or not. */
  getOrSetAll(): Promise<void>;
  fetchAll(): Promise<void>;
  putAll(): Promise<void>;
}

function keepsake(): Subject {
  const cache = new Cache<string>(memory(), { ttl: HOUR });
  return {
    name: 'keepsake Cache over memory()',
    clear: () => cache.clearAll(),
    async getOrSetAll() {
      for (const key of KEYS) keep(await cache.getOrSet(key, compute, { ttl: HOUR }));
    },
    async fetchAll() {
      for (const key of KEYS) keep(await cache.fetch(key));
    },
    async putAll() {
      for (const key of KEYS) await cache.put(key, VALUE, HOUR);
    },
  };
}

function bentocache(serialize: boolean, name: string): Subject {
  const layer = memoryDriver({ maxItems: 100_000, serialize });
  const cache = new BentoCache({ default: 'memory', stores: { memory: bentostore().useL1Layer(layer) } });
  return {
    name,
    clear: () => cache.clear(),
    async getOrSetAll() {
      for (const key of KEYS) keep(await cache.getOrSet({ key, factory: compute, ttl: HOUR }));
    },
    async fetchAll() {
      for (const key of KEYS) keep(await cache.get({ key }));
    },
    async putAll() {
      for (const key of KEYS) await cache.set({ key, value: VALUE, ttl: HOUR });
    },
  };
}

function cacheable(): Subject {
  const cache = new Cacheable();
  return {
    name: 'cacheable, primary in memory',
    clear: () => cache.clear(),
    async getOrSetAll() {
      for (const key of KEYS) keep(await cache.getOrSet(key, compute, { ttl: HOUR }));
    },
    async fetchAll() {
      for (const key of KEYS) keep(await cache.get(key));
    },
    async putAll() {
      for (const key of KEYS) await cache.set(key, VALUE, HOUR);
    },
  };
}

const own = 'keepsake Cache over memory()';
const subjects = [
  keepsake(),
  bentocache(true, 'bentocache, as it comes (JSON)'),
  bentocache(false, 'bentocache without serialisation'),
  cacheable(),
];

async function repeat(pass: () => Promise<void>): Promise<void> {
  for (let done = 0; done < PASSES; done++) await pass();
}

function contestants(what: 'getOrSetAll' | 'fetchAll' | 'putAll'): Contestant[] {
  return subjects.map((subject) => ({
    name: subject.name,
    operations: KEYS.length * PASSES,
    prepare: () => subject.putAll(),
    run: () => repeat(() => subject[what]()),
  }));
}

const cold = subjects.map((subject) => ({
  name: subject.name,
  operations: KEYS.length,
  prepare: async () => {
    await subject.clear();
  },
  run: () => subject.getOrSetAll(),
}));

const settings = { rounds: ROUNDS, warmUps: WARM_UPS };
const hits = await interleave(contestants('getOrSetAll'), settings);
const misses = await interleave(cold, settings);
const fetches = await interleave(contestants('fetchAll'), settings);
const puts = await interleave(contestants('putAll'), settings);
const all = [hits, misses, fetches, puts];

const speed = (measured: ReadonlyMap<string, Measurement>, other: string): number =>
  of(measured, own).speedOver(of(measured, other));

printTable(
  `Cache: ${KEYS.length.toLocaleString('en-GB')} keys in memory, each operation awaited, nanoseconds`,
  ['', 'hit', 'miss', 'fetch', 'put', 'keepsake to it: hit', 'miss', 'fetch', 'put'],
  subjects.map(({ name }) => [
    name,
    ...all.map((measured) => short(of(measured, name).time)),
    ...all.map((measured) => short(speed(measured, name))),
  ]),
);

await report(
  [
    { other: 'bentocache, as it comes (JSON)', target: 5 },
    { other: 'bentocache without serialisation', target: 5 },
    { other: 'cacheable, primary in memory', target: 2 },
  ].map(({ other, target }) => ({
    what: `cache getOrSet hit, to ${other}`,
    bound: 'at least' as const,
    target,
    measured: speed(hits, other),
  })),
);
process.exit(0);
