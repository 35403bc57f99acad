import {
  Backend,
  circuitBreaker,
  encoded,
  fallback,
  files,
  json,
  mapKeys,
  memory,
  observed,
  randomChoice,
  readOnly,
  retry,
  Statistics,
  timeout,
  volatile,
  writeOnly,
} from 'keepsake';
import { contract } from 'keepsake/testing';
import { TestClock } from '../support/clock.js';
import { BareDriver } from '../support/drivers.js';
import { Folders } from '../support/folders.js';

type Wrap = <V>(backend: Backend<V>, clock: () => number) => Backend<V>;

const backwards = (key: string): string => [...key].reverse().join('');
const toHex = (key: string): string => Buffer.from(key).toString('hex');
const fromHex = (stored: string): string => Buffer.from(stored, 'hex').toString();

/** Every wrapper that leaves the contract whole, around one backend. */
const wrappers: { readonly [name: string]: Wrap } = {
  readOnly: (backend) => readOnly(backend),
  "readOnly with writes: 'throw'": (backend) => readOnly(backend, { writes: 'throw' }),
  writeOnly: (backend) => writeOnly(backend),
  mapKeys: (backend) => mapKeys(backend, { encode: backwards, decode: backwards }),
  'mapKeys to longer ones': (backend) => mapKeys(backend, { encode: toHex, decode: fromHex, keyLimit: 512 }),
  'mapKeys without a way back': (backend) => mapKeys(backend, { encode: backwards }),
  'randomChoice of one': (backend) => randomChoice([backend]),
  'randomChoice of three': (backend) => randomChoice([backend, observed(backend), observed(backend)]),
  'fallback of two': (backend) => fallback([backend, observed(backend)]),
  retry: (backend) => retry(backend),
  timeout: (backend) => timeout(backend, '1m'),
  circuitBreaker: (backend, clock) => circuitBreaker(backend, { clock }),
  observed: (backend) => observed(backend, { statistics: new Statistics() }),
  volatile: (backend) => volatile(backend, { ttl: '1000y' }),
};

const deep: { readonly [name: string]: Wrap } = {
  'retry of timeout': (backend) => retry(timeout(backend, '1m')),
  'fallback of circuitBreaker of mapKeys': (backend) =>
    fallback([circuitBreaker(mapKeys(backend, { encode: backwards, decode: backwards }))]),
  'observed readOnly': (backend) => observed(readOnly(backend)),
  'volatile randomChoice': (backend) => volatile(randomChoice([backend]), { ttl: '1000y' }),
};

for (const [name, wrap] of Object.entries({ ...wrappers, ...deep })) {
  describe(`${name} around memory`, () => {
    const clock = new TestClock();
    const expires = name.startsWith('volatile');
    contract({ describe, it, clock, expires, open: () => wrap(memory({ clock: clock.now }), clock.now) });
  });
}

for (const [name, wrap] of Object.entries(wrappers)) {
  describe(`${name} around a driver that claims nothing`, () => {
    const clock = new TestClock();
    const expires = name.startsWith('volatile');
    contract({ describe, it, clock, expires, open: () => wrap(new Backend(new BareDriver(clock.now)), clock.now) });
  });
}

for (const [name, wrap] of Object.entries(wrappers)) {
  describe(`${name} around files`, () => {
    const clock = new TestClock();
    const folders = new Folders();
    let folder: string;
    after(() => folders.clearAway());
    const reopen = () => wrap(files(folder, { durability: 'none', clock: clock.now }), clock.now);
    const open = () => {
      folder = folders.make();
      return reopen();
    };
    const expires = name.startsWith('volatile');
    contract({ describe, it, clock, open, reopen, many: 100, expires });
  });
}

describe('encoded around wrappers', () => {
  const clock = new TestClock();
  const open = () => encoded(retry(observed(memory<Uint8Array>({ clock: clock.now }))), json());
  contract<unknown>({ describe, it, clock, open });
});
