import { getEventListeners } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import { expect } from 'chai';
import {
  Backend,
  CorruptDataError,
  type Entry,
  InvalidArgumentError,
  type KeepsakeError,
  type ListedEntry,
  memory,
  OutOfRangeError,
  type Page,
  type ScanRequest,
  StorageError,
  TimeoutError,
  UnsupportedError,
} from 'keepsake';
import { TestClock } from '../support/clock.js';
import { MinimalDriver } from '../support/drivers.js';
import { failure } from '../support/failure.js';

describe('Backend', () => {
  describe('options', () => {
    it('refuses a ttl and a timeout that are no durations', () => {
      for (const wrong of [0, -1, Number.NaN, Infinity, '', 'soon']) {
        expect(() => memory({ ttl: wrong }), `ttl ${wrong}`).to.throw(OutOfRangeError, /ttl must be positive/);
        expect(() => memory({ timeout: wrong }), `timeout ${wrong}`).to.throw(
          OutOfRangeError,
          /timeout must be positive/,
        );
      }
      expect(() => memory({ ttl: {} as never })).to.throw(InvalidArgumentError, /got an object/);
    });

    it('refuses an onCorrupt that is none', () => {
      expect(() => memory({ onCorrupt: 'ignore' as never })).to.throw(InvalidArgumentError, /got "ignore"/);
    });

    it('refuses quarantine where there is no place for it', () => {
      expect(() => memory({ onCorrupt: 'quarantine' })).to.throw(UnsupportedError, /no place/);
    });
  });

  describe('ttl', () => {
    const clock = new TestClock();
    const deadline = async (backend: Backend<unknown>, key: string) => (await backend.getEntry(key))?.expiresAt;

    it('holds where a call does not say', async () => {
      const backend = memory({ ttl: '1h', clock: clock.now });
      const expected = clock.now() + 3_600_000;
      await backend.set('set', 1);
      await backend.setMany([['setMany', 1]]);
      await backend.update('update', () => 1);
      await backend.increment('increment');
      for (const key of ['set', 'setMany', 'update', 'increment'])
        expect(await deadline(backend, key), key).to.equal(expected);
      await backend.namespace('view').set('key', 1);
      expect(await deadline(backend, 'view:key')).to.equal(expected);
    });

    it('gives way to null, to another ttl and to a deadline', async () => {
      const backend = memory({ ttl: '1h', clock: clock.now });
      await backend.set('null', 1, { ttl: null });
      await backend.setMany([['many', 1]], { ttl: null });
      await backend.increment('counter', 1, { ttl: null });
      for (const key of ['null', 'many', 'counter']) expect(await deadline(backend, key), key).to.equal(undefined);
      await backend.set('other', 1, { ttl: '2h' });
      expect(await deadline(backend, 'other')).to.equal(clock.now() + 7_200_000);
      await backend.set('date', 1, { expiresAt: clock.now() + 5 });
      expect(await deadline(backend, 'date')).to.equal(clock.now() + 5);
    });

    it('does not touch the deadline of an entry that update or increment changes', async () => {
      const backend = memory({ ttl: '1h', clock: clock.now });
      await backend.set('key', 1, { ttl: null });
      await backend.update('key', () => 2);
      await backend.increment('key');
      expect(await deadline(backend, 'key')).to.equal(undefined);
    });

    it('refuses a deadline past what a Date holds', async () => {
      const backend = memory({ clock: clock.now });
      await backend.set('key', 1);
      const ttl = Number.MAX_SAFE_INTEGER;
      for (const call of [
        () => backend.set('key', 2, { ttl }),
        () => backend.touch('key', ttl),
        () => backend.get('key', { renewFor: ttl }),
        () => backend.set('key', 2, { expiresAt: 8.64e15 + 1 }),
      ]) {
        expect(await failure(call)).to.be.instanceOf(OutOfRangeError);
      }
      expect(await backend.get('key')).to.equal(1);
    });
  });

  describe('errors', () => {
    class Failing extends MinimalDriver {
      constructor(readonly error: unknown) {
        super();
      }
      override read(): never {
        throw this.error;
      }
      override async write(): Promise<never> {
        throw this.error;
      }
      override scan(): never {
        throw this.error;
      }
    }

    it('turns an error of the engine into a StorageError with its cause', async () => {
      const cause = Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
      const backend = new Backend(new Failing(cause));
      const calls: [string, string | undefined, () => Promise<unknown>][] = [
        ['get', 'key', () => backend.get('key')],
        ['get', 'key', () => backend.get('key', { renewFor: 1 })],
        ['has', 'key', () => backend.has('key')],
        ['set', 'key', () => backend.set('key', 'value')],
        ['set', 'key', () => backend.set('key', 'value', { ttl: 1 })],
        ['getMany', undefined, () => backend.getMany(['key'])],
        ['setMany', undefined, () => backend.setMany([['key', 'value']])],
        ['keys', undefined, () => backend.keys().next()],
        ['count', undefined, () => backend.count()],
      ];
      for (const [operation, key, call] of calls) {
        const error = (await failure(call)) as StorageError;
        expect(error).to.be.instanceOf(StorageError);
        expect({ ...error }).to.include({ code: 'KEEPSAKE_STORAGE', operation, key, retryable: false });
        expect(error.cause).to.equal(cause);
        expect(error.message).to.include('no space left on device').and.include('minimal').and.include(operation);
      }
    });

    it('says what was thrown that is no error', async () => {
      const error = (await failure(() => new Backend(new Failing('out of order')).get('key'))) as StorageError;
      expect(error.message).to.equal('get of "key" failed in minimal: out of order');
      expect(error.cause).to.equal('out of order');
    });

    it("fills in the caller's operation and key in an error of keepsake", async () => {
      const thrown = new CorruptDataError('cut short', { path: '/data/key.json' });
      const backend = new Backend(new Failing(thrown));
      expect(await failure(() => backend.get('key'))).to.equal(thrown);
      expect({ ...thrown }).to.include({ operation: 'get', key: 'key', path: '/data/key.json' });
      await failure(() => backend.namespace('view').has('key'));
      expect({ ...thrown }).to.include({ operation: 'has', key: 'key' });
    });

    it('leaves errors in arguments as they are', async () => {
      const thrown = new OutOfRangeError('too large');
      expect(await failure(() => new Backend(new Failing(thrown)).set('key', ''))).to.equal(thrown);
    });
  });

  describe('timeout', () => {
    class Hanging extends MinimalDriver {
      override read(): Promise<undefined> {
        return new Promise(() => undefined);
      }
      override scan(): Promise<Page<Uint8Array>> {
        return new Promise(() => undefined);
      }
    }

    it('rejects with a retryable TimeoutError', async () => {
      const backend = new Backend(new Hanging(), { timeout: 20 });
      for (const call of [
        () => backend.get('key'),
        () => backend.getMany(['key']),
        () => backend.update('key', () => 'a'),
      ]) {
        const error = (await failure(call)) as TimeoutError;
        expect(error).to.be.instanceOf(TimeoutError);
        expect(error.retryable).to.equal(true);
        expect(error.message).to.include('20 ms');
      }
      const error = (await failure(() => backend.get('key'))) as TimeoutError;
      expect({ ...error }).to.include({ operation: 'get', key: 'key' });
    });

    it('ends a listing whose page never comes', async () => {
      const backend = new Backend(new Hanging(), { timeout: 20 });
      expect(await failure(() => backend.keys().next())).to.be.instanceOf(TimeoutError);
      expect(await failure(() => backend.count())).to.be.instanceOf(TimeoutError);
      const controller = new AbortController();
      const listing = failure(() => new Backend(new Hanging()).keys({ signal: controller.signal }).next());
      controller.abort('enough');
      expect(await listing).to.equal('enough');
    });

    it('covers opening', async () => {
      class Unreachable extends MinimalDriver {
        open(): Promise<void> {
          return new Promise(() => undefined);
        }
      }
      const backend = new Backend(new Unreachable(), { timeout: 20 });
      expect(await failure(() => backend.open())).to.be.instanceOf(TimeoutError);
      expect(await failure(() => backend.set('key', 'value'))).to.be.instanceOf(TimeoutError);
    });

    it('leaves no timer behind, nor a rejection that nobody handles', async () => {
      class Late extends MinimalDriver {
        override async read(): Promise<Entry<Uint8Array>> {
          await setTimeout(30);
          throw new Error('late');
        }
      }
      const backend = new Backend(new Late(), { timeout: 10 });
      expect(await failure(() => backend.get('key'))).to.be.instanceOf(TimeoutError);
      await setTimeout(40);
    });
  });

  describe('signal', () => {
    it('may be shared by many operations at once without a warning', async () => {
      const warnings: Error[] = [];
      const warned = (warning: Error) => void warnings.push(warning);
      process.on('warning', warned);
      const { signal } = new AbortController();
      const backend = memory();
      await Promise.all(Array.from({ length: 100 }, (_, index) => backend.set(`${index}`, index, { signal })));
      await setTimeout(1);
      process.off('warning', warned);
      expect(warnings).to.deep.equal([]);
    });

    it('has one listener however many wait for it, also after some gave up', async () => {
      class Late extends MinimalDriver {
        override async read(key: string): Promise<undefined> {
          await setTimeout(key === 'slow' ? 20 : 40);
          return undefined;
        }
      }
      const { signal } = new AbortController();
      const driver = new Late();
      await failure(() => new Backend(driver, { timeout: 5 }).get('slow', { signal }));
      const backend = new Backend(driver);
      const first = backend.get('first', { signal });
      await setTimeout(25);
      const second = backend.get('second', { signal });
      expect(getEventListeners(signal, 'abort')).to.have.length(1);
      await Promise.all([first, second]);
      expect(getEventListeners(signal, 'abort')).to.have.length(0);
    });

    it('is heeded when the work itself aborts it', async () => {
      const controller = new AbortController();
      const backend = memory();
      await backend.open();
      const change = () => {
        controller.abort('enough');
        return 1;
      };
      expect(await failure(() => backend.update('key', change, { signal: controller.signal }))).to.equal('enough');
    });
  });

  describe('opening', () => {
    it('is tried again after it failed', async () => {
      class Flaky extends MinimalDriver {
        opened = 0;
        closed = 0;
        open(): void {
          if (++this.opened < 3) throw new Error('connect ECONNREFUSED');
        }
        close(): void {
          this.closed++;
        }
      }
      const driver = new Flaky();
      const backend = new Backend(driver);
      const failures = await Promise.all([
        failure(() => backend.get('key')),
        failure(() => backend.set('key', 'value')),
      ]);
      for (const error of failures) expect(error).to.be.instanceOf(StorageError);
      expect(driver.opened, 'both callers waited for one attempt').to.equal(1);
      expect(await failure(() => backend.open())).to.be.instanceOf(StorageError);
      expect(await backend.set('key', 'value')).to.equal(true);
      await backend.get('key');
      expect(driver.opened).to.equal(3);
      await Promise.all([backend.close(), backend.close()]);
      expect(driver.closed).to.equal(1);
    });

    it('does not close what never opened', async () => {
      let closed = 0;
      class Never extends MinimalDriver {
        open(): void {
          throw new Error('connect ECONNREFUSED');
        }
        close(): void {
          closed++;
        }
      }
      const backend = new Backend(new Never());
      await failure(() => backend.open());
      await backend.close();
      expect(closed).to.equal(0);
    });

    it('waits for an opening under way before it closes', async () => {
      const events: string[] = [];
      class Slow extends MinimalDriver {
        async open(): Promise<void> {
          await setTimeout(10);
          events.push('open');
        }
        close(): void {
          events.push('close');
        }
      }
      const backend = new Backend(new Slow());
      const reading = failure(() => backend.get('key'));
      await backend.close();
      expect(events).to.deep.equal(['open', 'close']);
      expect(((await reading) as KeepsakeError).code).to.equal('KEEPSAKE_CLOSED');
    });

    it('closes by await using', async () => {
      const backend = memory();
      await backend.open();
      await backend[Symbol.asyncDispose]();
      expect(((await failure(() => backend.get('key'))) as KeepsakeError).code).to.equal('KEEPSAKE_CLOSED');
    });
  });

  describe('onCorrupt', () => {
    class Damaged extends MinimalDriver {
      override scan(request: ScanRequest): Page<Uint8Array> {
        const page = super.scan(request) as Page<Uint8Array>;
        const spoil = (entry: ListedEntry<Uint8Array>): ListedEntry<Uint8Array> =>
          entry.key.endsWith('bad')
            ? { key: entry.key, error: new CorruptDataError(`${entry.key} is damaged`) }
            : entry;
        return { entries: request.values ? page.entries.map(spoil) : page.entries, cursor: page.cursor };
      }
    }
    class Movable extends Damaged {
      async setAside(key: string): Promise<string> {
        this.stored.delete(key);
        return `/corrupt/${key}`;
      }
    }
    const stored = ['a', 'bad', 'c'].map((key) => [key, key] as const);

    it('leaves out and reports by default', async () => {
      const reported: KeepsakeError[] = [];
      const backend = new Backend(new Damaged(), { report: (error) => reported.push(error) });
      await backend.setMany(stored);
      const met: string[] = [];
      for await (const [key] of backend.entries()) met.push(key);
      expect(met).to.deep.equal(['a', 'c']);
      expect(reported.map((error) => [error.code, error.key, error.operation])).to.deep.equal([
        ['KEEPSAKE_CORRUPT_DATA', 'bad', 'entries'],
      ]);
      expect(await backend.count(), 'it is still a key').to.equal(3);
    });

    it('emits a process warning where nobody is told', async () => {
      const backend = new Backend(new Damaged());
      await backend.setMany(stored);
      const warned = new Promise<Error>((resolve) => process.once('warning', resolve));
      for await (const _ of backend.values());
      expect(await warned).to.include({
        name: 'KeepsakeWarning',
        code: 'KEEPSAKE_CORRUPT_DATA',
        message: 'bad is damaged',
      });
    });

    it("throws with 'throw'", async () => {
      const backend = new Backend(new Damaged(), { onCorrupt: 'throw' });
      await backend.setMany(stored);
      const error = (await failure(async () => {
        for await (const _ of backend.values());
      })) as KeepsakeError;
      expect(error).to.be.instanceOf(CorruptDataError);
      expect(error.key).to.equal('bad');
    });

    it("moves aside with 'quarantine', in a namespace too", async () => {
      const reported: KeepsakeError[] = [];
      const backend = new Backend(new Movable(), { onCorrupt: 'quarantine', report: (error) => reported.push(error) });
      const view = backend.namespace('view');
      await view.setMany(stored);
      for await (const _ of view.entries());
      expect(reported.map((error) => [error.key, error.path])).to.deep.equal([['bad', '/corrupt/view:bad']]);
      expect(await view.count()).to.equal(2);
    });
  });

  describe('namespace', () => {
    it('refuses a name that leaves no room for a key', () => {
      expect(() => memory().namespace('n'.repeat(1023))).to.throw(OutOfRangeError, /no room/);
    });
  });
});
