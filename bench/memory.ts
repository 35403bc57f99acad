import { createCache } from 'cache-manager';
import { memory } from 'keepsake';
import { Keyv } from 'keyv';
import { createStorage } from 'unstorage';
import memoryDriver from 'unstorage/drivers/memory';
import { type Contestant, interleave, keep, type Measurement, of } from './support/measure.js';
import { parseOptions } from './support/options.js';
import { printTable, short } from './support/table.js';
import { report } from './support/targets.js';

const { quick } = parseOptions(process.argv.slice(2));
const KEYS = Array.from({ length: 1000 }, (_, index) => `user:${index}`);
const VALUE = 'a value that nobody has to parse';
const PASSES = quick ? 5 : 20;
const ROUNDS = quick ? 7 : 41;
const WARM_UPS = quick ? 2 : 5;

/** How each sets and gets all keys. Each has a loop of its own, or the compiler would treat what differs as one thing. */
interface Subject {
  readonly name: string;
  setAll(): Promise<void>;
  getAll(): Promise<void>;
}

function bare(): Subject {
  const map = new Map<string, unknown>();
  const get = async (key: string): Promise<unknown> => map.get(key);
  const set = async (key: string, value: unknown): Promise<boolean> => {
    map.set(key, value);
    return true;
  };
  return {
    name: 'bare async function over a Map',
    async setAll() {
      for (const key of KEYS) await set(key, VALUE);
    },
    async getAll() {
      for (const key of KEYS) keep(await get(key));
    },
  };
}

function keepsake(): Subject {
  const backend = memory();
  return {
    name: 'keepsake memory()',
    async setAll() {
      for (const key of KEYS) await backend.set(key, VALUE);
    },
    async getAll() {
      for (const key of KEYS) keep(await backend.get(key));
    },
  };
}

function keyv(name: string, settings: object): Subject {
  const store = new Keyv({ serialize: undefined, deserialize: undefined, ...settings });
  if (store.serialize !== undefined) throw new Error('keyv serialises');
  return {
    name,
    async setAll() {
      for (const key of KEYS) await store.set(key, VALUE);
    },
    async getAll() {
      for (const key of KEYS) keep(await store.get(key));
    },
  };
}

function keyvWithJson(): Subject {
  const store = new Keyv();
  return {
    name: 'keyv, as it comes (JSON)',
    async setAll() {
      for (const key of KEYS) await store.set(key, VALUE);
    },
    async getAll() {
      for (const key of KEYS) keep(await store.get(key));
    },
  };
}

function unstorage(): Subject {
  const storage = createStorage({ driver: memoryDriver() });
  return {
    name: 'unstorage, setItem and getItem',
    async setAll() {
      for (const key of KEYS) await storage.setItem(key, VALUE);
    },
    async getAll() {
      for (const key of KEYS) keep(await storage.getItem(key));
    },
  };
}

function unstorageRaw(): Subject {
  const storage = createStorage({ driver: memoryDriver() });
  return {
    name: 'unstorage, setItemRaw and getItemRaw',
    async setAll() {
      for (const key of KEYS) await storage.setItemRaw(key, VALUE);
    },
    async getAll() {
      for (const key of KEYS) keep(await storage.getItemRaw(key));
    },
  };
}

function cacheManager(): Subject {
  const cache = createCache({ stores: [new Keyv({ serialize: undefined, deserialize: undefined })] });
  return {
    name: 'cache-manager over keyv without serialisation',
    async setAll() {
      for (const key of KEYS) await cache.set(key, VALUE);
    },
    async getAll() {
      for (const key of KEYS) keep(await cache.get(key));
    },
  };
}

const subjects = [
  bare(),
  keepsake(),
  keyv('keyv without serialisation', {}),
  keyv('keyv without serialisation and prefix', { useKeyPrefix: false }),
  keyvWithJson(),
  unstorage(),
  unstorageRaw(),
  cacheManager(),
];

async function repeat(pass: () => Promise<void>): Promise<void> {
  for (let done = 0; done < PASSES; done++) await pass();
}

const contestants = (of: 'setAll' | 'getAll'): Contestant[] =>
  subjects.map((subject) => ({
    name: subject.name,
    operations: KEYS.length * PASSES,
    run: () => repeat(() => subject[of]()),
  }));

const sets = await interleave(contestants('setAll'), { rounds: ROUNDS, warmUps: WARM_UPS });
const gets = await interleave(contestants('getAll'), { rounds: ROUNDS, warmUps: WARM_UPS });

const own = 'keepsake memory()';
const speed = (measured: ReadonlyMap<string, Measurement>, other: string): number =>
  of(measured, own).speedOver(of(measured, other));

printTable(
  `Memory: ${KEYS.length.toLocaleString('en-GB')} keys, each operation awaited, nanoseconds`,
  ['', 'get', 'set', 'keepsake to it: get', 'set'],
  subjects.map(({ name }) => [
    name,
    short(of(gets, name).time),
    short(of(sets, name).time),
    short(speed(gets, name)),
    short(speed(sets, name)),
  ]),
);

await report(
  [
    { other: 'bare async function over a Map', target: 0.7 },
    { other: 'keyv without serialisation', target: 1.5 },
    { other: 'unstorage, setItem and getItem', target: 6 },
  ].flatMap(({ other, target }) => [
    { what: `memory get, to ${other}`, bound: 'at least', target, measured: speed(gets, other) } as const,
    { what: `memory set, to ${other}`, bound: 'at least', target, measured: speed(sets, other) } as const,
  ]),
);
process.exit(0);
