import { wrap } from '@mikro-orm/core';
import { instanceToPlain, plainToInstance } from 'class-transformer';
import { memory, Service, type Store } from 'keepsake';
import { modelOf } from '#lib/model/registered.js';
import type { declareDecorated } from './models/decorated.js';
import { MappedUser, openMikroOrm, openTypeOrm } from './models/mapped.js';
import { makePerson, type Person, type PersonDict, toPersonDict } from './models/person.js';
import { PlainUser } from './models/plain.js';
import { TransformedUser } from './models/transformed.js';
import { declareUndecorated } from './models/undecorated.js';
import { type Contestant, heldBytes, interleave, keep, type Measurement, of } from './support/measure.js';
import { parseOptions } from './support/options.js';
import { printTable, short } from './support/table.js';
import { report, type Target } from './support/targets.js';

const { quick } = parseOptions(process.argv.slice(2));
const OBJECTS = quick ? 10_000 : 100_000;
const ROUNDS = quick ? 3 : 5;

const PEOPLE = Array.from({ length: 1000 }, (_, index) => makePerson(index));
const DICTS = PEOPLE.map(toPersonDict);
const TEXTS = DICTS.map((dict) => JSON.stringify(dict));
const KEYS = Array.from({ length: OBJECTS }, (_, index) => `user-${index}`);

type User = InstanceType<ReturnType<typeof declareDecorated>['User']>;
type Declared = ReturnType<typeof declareDecorated>;

const PLAIN = 'plain object, put into a Map';
const HAND = 'by hand';
const TRANSFORMER = 'class-transformer';

/** keepsake's class, as one way to declare it makes it. */
interface Kind {
  readonly name: string;
  readonly User: Declared['User'];
  readonly values: readonly Person[];
}

const kinds = [
  toKind("keepsake, TypeScript's standard decorators", await declareCompiled('standard')),
  toKind('keepsake, legacy decorators', await declareCompiled('legacy')),
  toKind('keepsake, without decorators', declareUndecorated(newService()) as unknown as Declared),
];
const STANDARD = (kinds[0] as Kind).name;

function newService(): Service {
  return new Service({ backend: memory() });
}

async function declareCompiled(mode: 'standard' | 'legacy'): Promise<Declared> {
  const compiled: { declareDecorated: typeof declareDecorated } = await import(
    new URL(`../${mode}/models/decorated.js`, import.meta.url).href
  );
  return compiled.declareDecorated(newService());
}

function toKind(name: string, { User, Address }: Declared): Kind {
  const values = PEOPLE.map((person) => ({ ...person, address: Object.assign(new Address(), person.address) }));
  return { name, User, values };
}

function person(index: number): Person {
  return PEOPLE[index % PEOPLE.length] as Person;
}

function dict(index: number): PersonDict {
  return DICTS[index % DICTS.length] as PersonDict;
}

function forget(User: Declared['User']): void {
  for (const user of [...User.active().values()]) User.manager.removeActive(user);
}

interface Settling extends Pick<Contestant, 'prepare' | 'cleanUp'> {
  readonly objects?: number;
}

/** What takes ten times as long as the others is done to fewer objects. */
const SLOW: Settling = { objects: OBJECTS / 5 };

/**
 * A contestant that does its work for each of the objects. The loop is made anew for each, or the compiler would treat all that they
 * do as one thing.
 */
function contestant(name: string, each: (index: number) => unknown, settle: Settling = {}): Contestant {
  const { objects = OBJECTS, prepare, cleanUp } = settle;
  const loop = new Function(
    'each',
    'objects',
    'keep',
    'for (let index = 0; index < objects; index++) keep(each(index));',
  ) as (each: (index: number) => unknown, objects: number, keep: (value: unknown) => void) => void;
  return { name, operations: objects, run: () => loop(each, objects, keep), prepare, cleanUp };
}

const repository = await openTypeOrm();
const mikroOrm = await openMikroOrm();

const plainMap = new Map<string, PlainUser>();
const forgetPlain = (): void => {
  for (const key of [...plainMap.keys()]) plainMap.delete(key);
};

const withDefaults: Contestant[] = [
  contestant(PLAIN, (index) => plainMap.set(KEYS[index] as string, new PlainUser(KEYS[index] as string)), {
    cleanUp: forgetPlain,
  }),
  ...kinds.map(({ name, User }) =>
    contestant(name, (index) => new User(KEYS[index] as string), { cleanUp: () => forget(User) }),
  ),
];

let manager = mikroOrm.em.fork();
const freshManager = (): void => {
  manager = mikroOrm.em.fork();
};

const withValues: Contestant[] = [
  contestant(
    PLAIN,
    (index) => {
      const key = KEYS[index] as string;
      return plainMap.set(key, PlainUser.create(key, person(index)));
    },
    { cleanUp: forgetPlain },
  ),
  ...kinds.map(({ name, User, values }) =>
    contestant(name, (index) => User.create(KEYS[index] as string, values[index % values.length]), {
      cleanUp: () => forget(User),
    }),
  ),
  contestant('TypeORM, repository.create', (index) => repository.create({ key: KEYS[index], ...person(index) })),
  contestant(
    'MikroORM, em.create',
    (index) => manager.create(MappedUser, { key: KEYS[index] as string, ...person(index) }, { persist: false }),
    { ...SLOW, prepare: freshManager },
  ),
];

const plainUsers = PEOPLE.map((one, index) => PlainUser.create(`plain-${index}`, one));
const users = kinds.map(({ User, values }) => values.map((one, index) => User.create(`saved-${index}`, one)));
for (const { User } of kinds) forget(User);
const transformed = DICTS.map((one) => plainToInstance(TransformedUser, one));
freshManager();
const mapped = PEOPLE.map((one, index) =>
  manager.create(MappedUser, { key: `m-${index}`, ...one }, { persist: false }),
);

function nth<T>(items: readonly T[], index: number): T {
  return items[index % items.length] as T;
}

const toDict: Contestant[] = [
  contestant(HAND, (index) => toPersonDict(nth(plainUsers, index))),
  ...kinds.map(({ name }, at) => contestant(name, (index) => nth(users[at] as User[], index).toDict())),
  contestant(TRANSFORMER, (index) => instanceToPlain(nth(transformed, index)), SLOW),
  contestant('MikroORM, toObject', (index) => wrap(nth(mapped, index)).toObject(), SLOW),
];

const toText: Contestant[] = [
  contestant(HAND, (index) => JSON.stringify(nth(plainUsers, index))),
  ...kinds.map(({ name }, at) => contestant(name, (index) => nth(users[at] as User[], index).toJson())),
  contestant(TRANSFORMER, (index) => JSON.stringify(instanceToPlain(nth(transformed, index))), SLOW),
];

const rows = DICTS.map(({ address, tags, ...rest }) => ({
  ...rest,
  tags: JSON.stringify(tags),
  address_street: address.street,
  address_city: address.city,
  address_zip: address.zip,
}));

const READ_BY_KEEPSAKE = `${STANDARD}: as load() does`;

function hydrate(User: Declared['User'], index: number): Store {
  const document = { digest: '', data: dict(index) as unknown as Record<string, unknown> };
  return modelOf(User).hydrate(KEYS[index] as string, document, undefined);
}

const fromDict: Contestant[] = [
  contestant(HAND, (index) => PlainUser.fromDict(KEYS[index] as string, dict(index))),
  ...kinds.map(({ name, User }) => contestant(`${name}: as load() does`, (index) => hydrate(User, index))),
  ...kinds.slice(0, 1).map(({ name, User }) =>
    contestant(`${name}: new User(key).fromDict(dict)`, (index) => userOf(User, index).fromDict({ ...dict(index) }), {
      cleanUp: () => forget(User),
    }),
  ),
  contestant(TRANSFORMER, (index) => plainToInstance(TransformedUser, dict(index)), SLOW),
  contestant('TypeORM, repository.create (the date stays text)', (index) =>
    repository.create({ key: KEYS[index], ...(dict(index) as unknown as Person) }),
  ),
  contestant(
    'MikroORM, em.map of a row',
    (index) => manager.map(MappedUser, { key: KEYS[index], ...nth(rows, index) } as never),
    { ...SLOW, prepare: freshManager },
  ),
];

function userOf(User: Declared['User'], index: number): User {
  return new User(KEYS[index] as string);
}

const fromText: Contestant[] = [
  contestant(HAND, (index) => PlainUser.fromDict(KEYS[index] as string, JSON.parse(nth(TEXTS, index)))),
  ...kinds.slice(0, 1).map(({ name, User }) =>
    contestant(`${name}: new User(key).fromJson(text)`, (index) => userOf(User, index).fromJson(nth(TEXTS, index)), {
      cleanUp: () => forget(User),
    }),
  ),
  contestant(TRANSFORMER, (index) => plainToInstance(TransformedUser, JSON.parse(nth(TEXTS, index))), SLOW),
];

check();

/** That all make what they should of the same data. */
function check(): void {
  const expected = JSON.stringify(dict(7));
  const sameText = (name: string, text: string): void => {
    if (text !== expected) throw new Error(`${name} made ${text} of ${expected}`);
  };
  for (const [at, { name, User }] of kinds.entries()) {
    sameText(name, nth(users[at] as User[], 7).toJson());
    sameText(name, (hydrate(User, 7) as User).toJson());
  }
  sameText(TRANSFORMER, JSON.stringify(instanceToPlain(plainToInstance(TransformedUser, dict(7)))));
  const row = manager.map(MappedUser, { key: 'check', ...nth(rows, 7) } as never);
  if (!(row.joined instanceof Date) || row.address.city !== 'Ulm') throw new Error('MikroORM made something else');
  const made = repository.create({ key: 'check', ...person(7) });
  if (!(made.joined instanceof Date) || made.address.city !== 'Ulm') throw new Error('TypeORM made something else');
}

/** What one object holds of the heap, with its place in the Map where it has one. */
async function bytes(make: (index: number) => unknown, cleanUp?: () => void): Promise<number> {
  const held = await heldBytes(() => Array.from({ length: OBJECTS }, (_, index) => make(index)));
  cleanUp?.();
  // The array that holds them is not theirs.
  return held / OBJECTS - 8;
}

const targets: Target[] = [];

async function measure(
  title: string,
  contestants: readonly Contestant[],
  baseline: string,
  sizes: ReadonlyMap<string, number> = new Map(),
): Promise<ReadonlyMap<string, Measurement>> {
  const measured = await interleave(contestants, { rounds: ROUNDS, warmUps: 2 });
  const base = of(measured, baseline);
  const heads = ['', 'ns', 'times'];
  if (sizes.size > 0) heads.push('bytes');
  printTable(
    `Models: ${title}; each of ${OBJECTS.toLocaleString('en-GB')} objects, of the slow ones a fifth`,
    heads,
    contestants.map(({ name }) => {
      const one = of(measured, name);
      const size = sizes.get(name);
      return [name, short(one.time), short(base.speedOver(one)), size === undefined ? '' : short(size)];
    }),
  );
  return measured;
}

async function sizesOf(
  makers: readonly (readonly [name: string, make: (index: number) => unknown, cleanUp?: () => void])[],
): Promise<ReadonlyMap<string, number>> {
  const sizes = new Map<string, number>();
  for (const [name, make, cleanUp] of makers) sizes.set(name, await bytes(make, cleanUp));
  return sizes;
}

const keyOf = (index: number): string => KEYS[index] as string;
const emptyPlain = (): void => plainMap.clear();

const created = await measure(
  'new with defaults, and active',
  withDefaults,
  PLAIN,
  await sizesOf([
    [PLAIN, (index) => plainMap.set(keyOf(index), new PlainUser(keyOf(index))), emptyPlain],
    ...kinds.map(({ name, User }) => [name, (index: number) => new User(keyOf(index)), () => forget(User)] as const),
  ]),
);
const filled = await measure(
  'created with values, and active (with TypeORM and MikroORM, in no map)',
  withValues,
  PLAIN,
  await sizesOf([
    [PLAIN, (index) => plainMap.set(keyOf(index), PlainUser.create(keyOf(index), person(index))), emptyPlain],
    ...kinds.map(
      ({ name, User, values }) =>
        [name, (index: number) => User.create(keyOf(index), nth(values, index)), () => forget(User)] as const,
    ),
    ['TypeORM, repository.create', (index) => repository.create({ key: keyOf(index), ...person(index) })],
    [
      'MikroORM, em.create',
      (index) => manager.create(MappedUser, { key: keyOf(index), ...person(index) }, { persist: false }),
      freshManager,
    ],
  ]),
);
await measure('to a dict', toDict, HAND);
await measure('to JSON text', toText, HAND);
const hydrated = await measure(
  'from a dict',
  fromDict,
  HAND,
  await sizesOf([
    [HAND, (index) => PlainUser.fromDict(keyOf(index), dict(index))],
    ...kinds.map(({ name, User }) => [`${name}: as load() does`, (index: number) => hydrate(User, index)] as const),
    [TRANSFORMER, (index) => plainToInstance(TransformedUser, dict(index))],
    [
      'MikroORM, em.map of a row',
      (index) => manager.map(MappedUser, { key: keyOf(index), ...nth(rows, index) } as never),
      freshManager,
    ],
  ]),
);
await measure('from JSON text', fromText, HAND);

for (const { name } of kinds) {
  for (const [what, measured] of [
    ['new with defaults', created],
    ['created with values', filled],
  ] as const) {
    const times = of(measured, PLAIN).speedOver(of(measured, name));
    targets.push({ what: `models, ${what}: time of ${name} to plain`, bound: 'at most', target: 3, measured: times });
  }
}
targets.push({
  what: 'models, from a dict: keepsake to class-transformer',
  bound: 'at least',
  target: 5,
  measured: of(hydrated, READ_BY_KEEPSAKE).speedOver(of(hydrated, TRANSFORMER)),
});
await report(targets);
await mikroOrm.close();
process.exit(0);
