import { type Backend, lru, memory, sharded, tiered } from 'keepsake';
import { type Contestant, interleave, keep, of } from './support/measure.js';
import { parseOptions } from './support/options.js';
import { printTable, short } from './support/table.js';
import { report } from './support/targets.js';

const { quick } = parseOptions(process.argv.slice(2));
const KEYS = Array.from({ length: 1000 }, (_, index) => `user:${index}`);
const VALUE = 'a value that nobody has to parse';
const PASSES = quick ? 5 : 20;
const ROUNDS = quick ? 7 : 41;
const WARM_UPS = quick ? 2 : 5;

/** How each sets and gets all keys. */
interface Subject {
  readonly name: string;
  setAll(): Promise<void>;
  getAll(): Promise<void>;
}

const LOOPS = `
  return {
    async setAll() {
      for (const key of keys) await backend.set(key, value);
    },
    async getAll() {
      for (const key of keys) keep(await backend.get(key));
    },
  };
`;

/** Loops of their own for each, or the compiler would treat what differs as one thing. */
function subject(name: string, backend: Backend): Subject {
  const make = new Function('backend', 'keys', 'value', 'keep', LOOPS) as (
    ...parts: readonly unknown[]
  ) => Omit<Subject, 'name'>;
  return { name, ...make(backend, KEYS, VALUE, keep) };
}

const alone = 'memory alone';
const hit = 'tiered, hit in the first of two in memory';
const subjects = [
  subject(alone, memory()),
  subject(hit, tiered([memory(), memory()])),
  subject('lru over memory', lru(memory(), { max: KEYS.length, saveEvery: null })),
  subject('sharded over four in memory', sharded({ a: memory(), b: memory(), c: memory(), d: memory() })),
];

function contestants(what: 'getAll' | 'setAll'): Contestant[] {
  return subjects.map((one) => ({
    name: one.name,
    operations: KEYS.length * PASSES,
    run: async () => {
      for (let pass = 0; pass < PASSES; pass++) await one[what]();
    },
  }));
}

for (const one of subjects) await one.setAll();
const settings = { rounds: ROUNDS, warmUps: WARM_UPS };
const gets = await interleave(contestants('getAll'), settings);
const sets = await interleave(contestants('setAll'), settings);

printTable(
  `Wrappers: ${KEYS.length.toLocaleString('en-GB')} keys in memory, each operation awaited, nanoseconds`,
  ['', 'get', 'set', 'to memory alone: get', 'set'],
  subjects.map(({ name }) => [
    name,
    ...[gets, sets].map((measured) => short(of(measured, name).time)),
    ...[gets, sets].map((measured) => short(of(measured, name).speedOver(of(measured, alone)))),
  ]),
);

await report([
  {
    what: 'tiered hit in the first tier, to that tier alone',
    bound: 'at least',
    target: 0.6,
    measured: of(gets, hit).speedOver(of(gets, alone)),
  },
]);
