import { setImmediate, setTimeout } from 'node:timers/promises';
import { expect } from 'chai';
import {
  Backend,
  type Change,
  type Condition,
  capabilities,
  type Driver,
  type Entry,
  type Page,
  type ScanRequest,
  UnsupportedError,
} from 'keepsake';
import { TestClock } from '../support/clock.js';
import { hold } from '../support/collect.js';
import { BareDriver, MinimalDriver } from '../support/drivers.js';

type Found = Entry<Uint8Array> | undefined;

const clock = new TestClock();

/** That the contract reports a driver which breaks this promise, held over the whole and over a namespace. */
function reports(mistake: string, promise: string, make: () => Driver, real = false): void {
  it(`reports a driver that ${mistake}`, async () => {
    const given = real ? {} : { clock };
    const { run, broken } = await hold({ ...given, many: 100, open: () => new Backend(make()) }, promise);
    expect(run, 'the promise is made, to the whole and to a namespace').to.equal(2);
    expect([...broken.keys()].join(), 'the promise is found broken').to.include(promise);
  });
}

describe('contract', () => {
  it('finds nothing wrong with drivers that keep it', async () => {
    const whole = await hold({ clock, many: 100, open: () => new Backend(new MinimalDriver(clock.now)) });
    expect([...whole.broken]).to.deep.equal([]);
    expect(whole.run).to.be.greaterThan(190);
    const bare = await hold({ clock, many: 100, open: () => new Backend(new BareDriver(clock.now)) });
    expect([...bare.broken]).to.deep.equal([]);
    expect(bare.run).to.equal(whole.run);
  });

  it('fails as a whole for a driver whose engine is gone', async () => {
    class Gone extends MinimalDriver {
      open(): void {
        throw new Error('connect ECONNREFUSED');
      }
    }
    const { run, broken } = await hold({ clock, open: () => new Backend(new Gone(clock.now)) });
    expect(broken.size).to.be.greaterThan(run * 0.7);
  });

  reports(
    'lists what has expired',
    'does not list, count or delete what has expired',
    () =>
      new (class extends MinimalDriver {
        override scan(request: ScanRequest): Page<Uint8Array> {
          const keys = [...this.stored.keys()].filter((key) => key.startsWith(request.prefix)).sort();
          return { entries: keys.map((key) => this.list(key, request.values)) };
        }
      })(clock.now),
  );

  reports('reads an entry at its deadline', 'keeps an entry until its deadline, and not from it on', () =>
    late(1, clock.now),
  );

  reports(
    'keeps the former deadline',
    'replaces the deadline with the value',
    () =>
      new (class extends MinimalDriver {
        override write(key: string, value: Uint8Array, expiresAt: number | undefined, condition?: Condition) {
          return super.write(key, value, expiresAt ?? this.find(key)?.expiresAt, condition);
        }
      })(clock.now),
  );

  reports(
    'removes a fresh value in place of an expired one',
    'never removes a fresh value in place of an expired one',
    () =>
      new (class extends MinimalDriver {
        override async read(key: string): Promise<Found> {
          const found = this.stored.get(key);
          if (found?.expiresAt === undefined || this.clock() < found.expiresAt) return super.read(key);
          await setImmediate();
          this.stored.delete(key);
          return undefined;
        }
      })(clock.now),
  );

  reports(
    'clears siblings whose names begin alike',
    'clears exactly its own',
    () =>
      new (class extends MinimalDriver {
        clear(prefix: string): void {
          const begin = prefix.replace(/:$/, '');
          for (const key of [...this.stored.keys()]) if (key.startsWith(begin)) this.stored.delete(key);
        }
      })(clock.now),
  );

  reports(
    'drops empty values',
    'keeps empty and falsy values apart from what is missing',
    () =>
      new (class extends MinimalDriver {
        override read(key: string): Found {
          const found = super.read(key) as Found;
          return found?.value.length === 0 ? undefined : found;
        }
      })(clock.now),
  );

  reports('folds the case of keys', 'keeps keys apart that look alike', () => mapping((key) => key.toLowerCase()));
  reports('normalises Unicode in keys', 'keeps keys apart that look alike', () =>
    mapping((key) => key.normalize('NFC')),
  );
  reports('ends keys at NUL', 'takes every key as it is, all at once', () =>
    mapping((key) => key.split('\0')[0] ?? ''),
  );
  reports('cuts long keys', 'takes keys up to its limit of bytes, and tells them apart at their end', () =>
    mapping((key) => key.slice(0, 255)),
  );

  reports(
    'loses concurrent updates',
    'loses no change of many callers',
    () =>
      new (class extends MinimalDriver {
        async update(key: string, change: (current: Found) => Change<Uint8Array> | undefined): Promise<Found> {
          const changed = await change((await this.read(key)) as Found);
          await setImmediate();
          if (changed !== undefined) await this.write(key, changed.value, changed.expiresAt, undefined);
          return changed;
        }
      })(clock.now),
  );

  reports(
    'loses concurrent steps of a counter',
    'loses no step of many callers',
    () =>
      new (class extends MinimalDriver {
        async increment(key: string, by: number) {
          const found = (await this.read(key)) as Found;
          const value = Number(Buffer.from(found?.value ?? '0').toString()) + by;
          await setImmediate();
          await this.write(key, Buffer.from(String(value)), undefined, undefined);
          return { value };
        }
      })(clock.now),
  );

  reports(
    'ignores conditions',
    'lets exactly one of many callers create an entry',
    () =>
      new (class extends MinimalDriver {
        protected override meets(): boolean {
          return true;
        }
      })(clock.now),
  );

  reports(
    'counts versions afresh after a removal',
    'never gives a version again for another value after a removal',
    () =>
      new (class extends MinimalDriver {
        override read(key: string): Found {
          const found = super.read(key) as Found;
          return found && { ...found, version: '1' };
        }
      })(clock.now),
  );

  reports(
    'lists the first page alone',
    'lists, counts, pages through and clears more than one page',
    () =>
      new (class extends MinimalDriver {
        override scan(request: ScanRequest): Page<Uint8Array> {
          const { entries } = super.scan({ ...request, limit: Math.min(request.limit, 50) }) as Page<Uint8Array>;
          return { entries };
        }
      })(clock.now),
  );

  reports(
    'orders keys by UTF-16',
    'lists in the order of UTF-8 bytes, and after a key, where it claims an order',
    () =>
      new (class extends MinimalDriver {
        override scan(request: ScanRequest): Page<Uint8Array> {
          const page = super.scan({ ...request, limit: 10_000 }) as Page<Uint8Array>;
          return { entries: [...page.entries].sort((a, b) => (a.key < b.key ? -1 : 1)) };
        }
      })(clock.now),
  );

  reports(
    'yields keys again',
    'yields a key that is there throughout exactly once, while others come and go',
    () =>
      new (class extends MinimalDriver {
        override scan(request: ScanRequest): Page<Uint8Array> {
          const page = super.scan(request) as Page<Uint8Array>;
          return { entries: [...page.entries, ...page.entries.slice(-1)], cursor: page.cursor };
        }
      })(clock.now),
  );

  reports(
    'takes a prefix as a pattern',
    'takes a prefix as it is, whatever it means to others',
    () =>
      new (class extends MinimalDriver {
        override scan(request: ScanRequest): Page<Uint8Array> {
          const page = super.scan({ ...request, prefix: '', limit: 10_000 }) as Page<Uint8Array>;
          const like = request.prefix
            .replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
            .replaceAll('_', '.')
            .replaceAll('%', '.*');
          const pattern = new RegExp(`^${like}`, 's');
          return { entries: page.entries.filter(({ key }) => pattern.test(key)) };
        }
      })(clock.now),
  );

  reports(
    "keeps the caller's buffer",
    "is isolated from the caller's bytes, where it holds bytes",
    () =>
      new (class extends MinimalDriver {
        override write(key: string, value: Uint8Array, expiresAt: number | undefined, condition?: Condition) {
          if (!this.meets(key, condition)) return false;
          this.stored.set(key, { bytes: value, expiresAt });
          return true;
        }
      })(clock.now),
  );

  reports(
    'says that it touched what is not there',
    'touches nothing that is missing or has expired',
    () =>
      new (class extends MinimalDriver {
        touch(): boolean {
          return true;
        }
      })(clock.now),
  );

  reports(
    'changes the version when it touches',
    'keeps the version while the value stays',
    () =>
      new (class extends MinimalDriver {
        override read(key: string): Found {
          const found = super.read(key) as Found;
          return found && { ...found, version: `${found.version} ${found.expiresAt}` };
        }
      })(clock.now),
  );

  reports(
    'refuses what it claims',
    'counts from 0, by any safe integer',
    () =>
      new (class extends MinimalDriver {
        increment(): never {
          throw new UnsupportedError('this engine cannot count');
        }
      })(clock.now),
  );

  reports(
    'swallows a failed removal',
    'counts what it removes, once each',
    () =>
      new (class extends MinimalDriver {
        override remove(): boolean {
          return true;
        }
      })(clock.now),
  );

  reports(
    'claims to persist, without a way to tell',
    'finds what another backend stored and closed',
    () =>
      new (class extends MinimalDriver {
        override readonly capabilities = capabilities({ persistent: true });
      })(clock.now),
  );

  const timers: NodeJS.Timeout[] = [];
  afterEach(() => {
    for (const timer of timers.splice(0)) clearInterval(timer);
  });
  reports(
    'leaves a timer behind',
    'leaves no timer, socket or handle behind',
    () =>
      new (class extends MinimalDriver {
        open(): void {
          timers.push(setInterval(() => undefined, 60_000));
        }
      })(clock.now),
  );

  reports(
    'expires entries late, in real time too',
    'keeps an entry until its deadline, and not from it on',
    () => late(1000, Date.now),
    true,
  );

  it('waits for what it promises: a slow driver is not a broken one', async () => {
    class Slow extends MinimalDriver {
      override async read(key: string): Promise<Found> {
        await setTimeout(1);
        return super.read(key);
      }
    }
    const { broken } = await hold(
      { clock, open: () => new Backend(new Slow(clock.now)) },
      'loses no step of many callers',
    );
    expect([...broken]).to.deep.equal([]);
  });
});

/** A driver that shows entries so long after their deadline. */
function late(milliseconds: number, now: () => number): Driver {
  return new (class extends MinimalDriver {
    protected override find(key: string) {
      const found = this.stored.get(key);
      return now() < (found?.expiresAt ?? Number.POSITIVE_INFINITY) + milliseconds ? found : undefined;
    }
  })(now);
}

/** A driver that takes keys for the same where `map` gives the same. */
function mapping(map: (key: string) => string): Driver {
  return new (class extends MinimalDriver {
    override read(key: string): Found {
      return super.read(map(key)) as Found;
    }
    override write(key: string, value: Uint8Array, expiresAt: number | undefined, condition?: Condition) {
      return super.write(map(key), value, expiresAt, condition);
    }
    override remove(key: string, condition?: Condition) {
      return super.remove(map(key), condition);
    }
  })(clock.now);
}
