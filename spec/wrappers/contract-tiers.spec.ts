import { Backend, encoded, files, json, lru, memory, readOnly, sharded, tiered, writeOnly } from 'keepsake';
import { contract } from 'keepsake/testing';
import { TestClock } from '../support/clock.js';
import { BareDriver, MinimalDriver, ScatteredDriver } from '../support/drivers.js';
import { Folders } from '../support/folders.js';

/** Holds a backend over memory to the contract. */
function holds(name: string, make: (clock: () => number) => Backend<unknown>): void {
  describe(name, () => {
    const clock = new TestClock();
    contract<unknown>({ describe, it, clock, many: 100, open: () => make(clock.now) });
  });
}

/** Holds a backend over folders to the contract. */
function persists<V>(name: string, make: (folder: (name: string) => Backend, clock: () => number) => Backend<V>): void {
  describe(name, () => {
    const clock = new TestClock();
    const folders = new Folders();
    let root: string;
    after(() => folders.clearAway());
    const reopen = () => make((name) => files(`${root}/${name}`, { durability: 'none', clock: clock.now }), clock.now);
    const open = () => {
      root = folders.make();
      return reopen();
    };
    contract({ describe, it, clock, open, reopen, many: 100 });
  });
}

const held = (clock: () => number): Backend<unknown> => memory({ clock });
const few = (clock: () => number): Backend<unknown> => memory({ clock, max: 20 });
const bytes = (clock: () => number): Backend => new Backend(new MinimalDriver(clock));
const scattered = (clock: () => number): Backend => new Backend(new ScatteredDriver(clock));

holds('tiered around memory', (clock) => tiered([held(clock), held(clock)]));
holds('tiered around three, the first of which forgets', (clock) => tiered([few(clock), held(clock), held(clock)]));
holds('tiered around one', (clock) => tiered([held(clock)]));
holds('tiered that bounds its copies', (clock) => tiered([{ backend: held(clock), maxTtl: '1s' }, held(clock)]));
holds('tiered before an archive that is only read', (clock) =>
  tiered([held(clock), held(clock), readOnly(held(clock))]),
);
holds('tiered before a mirror', (clock) => tiered([held(clock), held(clock), writeOnly(held(clock))]));
holds('tiered with a mirror', (clock) => tiered([held(clock), writeOnly(held(clock)), held(clock)]));
holds('tiered around two ways to one, to read and to write', (clock) => {
  const one = held(clock);
  return tiered([readOnly(one), writeOnly(one)]);
});
holds('tiered around what cannot be written', (clock) => tiered([readOnly(held(clock)), readOnly(held(clock))]));
holds('tiered around an order of bytes', (clock) => tiered([bytes(clock), bytes(clock)]) as Backend<unknown>);
holds('tiered around what answers late', (clock) => tiered([scattered(clock), scattered(clock)]) as Backend<unknown>);
holds(
  'tiered with a tier that claims nothing',
  (clock) => tiered([new Backend(new BareDriver(clock)), bytes(clock)]) as Backend<unknown>,
);
persists('tiered around files', (folder) => tiered([folder('near'), folder('far')]));
persists('tiered of memory before files', (folder, clock) =>
  tiered([memory({ clock }), encoded(folder('far'), json())]),
);

holds('lru around memory', (clock) => lru(held(clock), { max: 100_000 }));
holds('lru that keeps its order elsewhere', (clock) => lru(held(clock), { max: 100_000, order: memory() }));
holds('lru around an order of bytes', (clock) => lru(bytes(clock), { max: 100_000 }) as Backend<unknown>);
holds('lru around what answers late', (clock) => lru(scattered(clock), { max: 100_000 }) as Backend<unknown>);
persists('lru around files', (folder) => lru(folder('lru'), { max: 100_000 }));

holds('sharded around memory', (clock) => sharded({ a: held(clock), b: held(clock), c: held(clock) }));
holds('sharded around one', (clock) => sharded({ a: held(clock) }));
holds(
  'sharded around what answers late',
  (clock) => sharded({ a: scattered(clock), b: scattered(clock) }) as Backend<unknown>,
);
persists('sharded around files', (folder) => sharded({ one: folder('1'), two: folder('2'), three: folder('3') }));

holds('tiered of memory before shards', (clock) => tiered([few(clock), sharded({ a: held(clock), b: held(clock) })]));
holds('lru around tiered', (clock) => lru(tiered([few(clock), held(clock)]), { max: 100_000 }));
holds('shards of tiered', (clock) =>
  sharded({ a: tiered([held(clock), held(clock)]), b: lru(held(clock), { max: 100_000 }) }),
);
holds('tiered before tiered', (clock) => tiered([few(clock), tiered([few(clock), held(clock)])]));
persists('files before shards of files', (folder) =>
  tiered([folder('near'), sharded({ a: folder('a'), b: folder('b') })]),
);
persists('lru around tiered files', (folder) => lru(tiered([folder('near'), folder('far')]), { max: 100_000 }));
