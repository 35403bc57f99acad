import { setTimeout } from 'node:timers/promises';
import { expect } from 'chai';
import { type Backend, encoded, json, memory, type Revision, readOnly } from 'keepsake';
import type { SqlOptions } from 'keepsake/sql';
import { failure } from '../../support/failure.js';
import { all, text } from '../../support/folders.js';
import { DATABASES, newTable } from '../../support/sql.js';

/** What is stored at some moment. */
type State = ReadonlyMap<string, { readonly text: string; readonly expiresAt: number | undefined }>;

for (const [engine, use] of Object.entries(DATABASES)) {
  describe(`${engine} with a history`, function () {
    this.timeout(120_000);
    const database = use();
    const opened: Backend[] = [];
    let table: string;

    const open = (options: SqlOptions = {}): Backend => {
      const backend = database.open({ table, history: true, ...options });
      opened.push(backend);
      return backend;
    };

    beforeEach(() => {
      table = newTable();
    });

    afterEach(async () => {
      for (const backend of opened.splice(0)) await backend.close();
    });

    /** The present moment; all that is written afterwards is later. */
    async function moment(): Promise<number> {
      const now = Date.now();
      while (Date.now() === now) await setTimeout(1);
      return now;
    }

    it('shows at 200 moments of 10,000 writes and deletes over 100 keys what a replay shows', async () => {
      const backend = open();
      await backend.open();
      const keys = Array.from({ length: 100 }, (_, index) => `${index % 2 ? 'odd' : 'even'}:${index}`);
      const present = new Map<string, { text: string; expiresAt: number | undefined }>();
      const moments: { readonly time: number; readonly state: State }[] = [];
      const random = randomNumbers(20_260_101);
      await moment();
      for (let written = 0; written < 10_000; written += 50) {
        const chosen = [...keys].sort(() => random() - 0.5).slice(0, 50);
        await Promise.all(
          chosen.map(async (key, index) => {
            const choice = random();
            if (choice < 0.3) {
              present.delete(key);
              await backend.delete(key);
              return;
            }
            const expiresAt = choice < 0.5 ? Date.now() + Math.floor(random() * 2_000) : undefined;
            const value = { text: `${written} ${index}`, expiresAt };
            present.set(key, value);
            await backend.set(key, value.text, { expiresAt });
          }),
        );
        moments.push({ time: await moment(), state: new Map(present) });
      }
      expect(moments).to.have.length(200);
      for (const { time, state } of moments.sort(() => random() - 0.5)) {
        const alive = [...state]
          .filter(([, { expiresAt = time + 1 }]) => expiresAt > time)
          .sort(([a], [b]) => (a < b ? -1 : 1));
        const view = backend.asOf(time);
        const entries = (await all(view.entries())).map(([key, value]) => [key, Buffer.from(value).toString()]);
        expect(entries).to.deep.equal(alive.map(([key, { text }]) => [key, text]));
        expect(await all(view.keys({ prefix: 'odd:' }))).to.deep.equal(
          alive.map(([key]) => key).filter((key) => key.startsWith('odd:')),
        );
        expect(await view.count()).to.equal(alive.length);
        const key = keys[Math.floor(random() * keys.length)] as string;
        expect(await text(view, key)).to.equal(new Map(alive).get(key)?.text);
      }
    });

    it('lists the states of a key, oldest first: writes, moved deadlines and removals', async () => {
      const backend = open();
      const before = Date.now();
      await backend.set('key', 'one');
      const one = await backend.getEntry('key');
      const deadline = Date.now() + 3_600_000;
      await backend.touch('key', '1h');
      await backend.set('key', 'two', { expiresAt: deadline });
      await backend.delete('key');
      await backend.increment('key', 5);
      await backend.set('other', 'value');
      const states = await all(backend.history('key'));
      expect(states.map(shown)).to.deep.equal(['one', 'one', 'two', undefined, '5']);
      expect(states.map(({ expiresAt }) => expiresAt !== undefined)).to.deep.equal([false, true, true, false, false]);
      expect(states[2]?.expiresAt).to.equal(deadline);
      expect(states[0]?.version).to.equal(one?.version);
      expect(states[1]?.version).to.equal(one?.version);
      for (const { time } of states) expect(time).to.be.within(before, Date.now());
      expect(await all(backend.history('missing'))).to.deep.equal([]);
    });

    it('has nothing of what changed nothing', async () => {
      const backend = open();
      await backend.set('key', 'value');
      await backend.set('key', 'other', { if: 'absent' });
      await backend.set('key', 'other', { if: { version: '1' } });
      await backend.delete('missing');
      await backend.touch('key', null);
      await backend.get('key', { renewFor: '1h' });
      await failure(() => backend.increment('key'));
      expect((await all(backend.history('key'))).map(shown)).to.deep.equal(['value']);
    });

    it('keeps what is written in many, swept and cleared, and by those who did not ask for it', async () => {
      const backend = open();
      await backend.open();
      const plain = open({ history: false });
      expect(plain.capabilities.history).to.equal(false);
      await plain.setMany(Array.from({ length: 20 }, (_, index) => [`key ${index}`, 'value']));
      await plain.set('expires', 'value', { ttl: 1 });
      const then = await moment();
      await setTimeout(5);
      await plain.deleteExpired();
      await plain.clear({ prefix: 'key 1' });
      await plain.deleteMany(['key 2', 'key 3']);
      expect(await backend.asOf(then).count()).to.be.within(20, 21);
      expect(await backend.asOf(await moment()).count()).to.equal(7);
      expect((await all(backend.history('key 1'))).map(shown)).to.deep.equal(['value', undefined]);
      expect((await all(backend.history('expires'))).map(shown)).to.deep.equal(['value', undefined]);
    });

    it('begins with what is there, and says so of times before', async () => {
      const plain = open({ history: false });
      await plain.set('before', 'value');
      const early = await moment();
      const backend = open();
      await backend.open();
      expect(await text(backend.asOf(await moment()), 'before')).to.equal('value');
      const error = await failure(() => backend.asOf(new Date(early)).get('before'));
      expect(error).to.include({ code: 'KEEPSAKE_UNSUPPORTED', operation: 'get' });
      expect(String(error)).to.include('what is known begins at');
    });

    it('shows the past of namespaces and of values', async () => {
      const backend = encoded(open(), json<{ step: number }>());
      const inner = backend.namespace('inner');
      await inner.set('key', { step: 1 });
      await backend.set('outer', { step: 0 });
      const then = await moment();
      await inner.set('key', { step: 2 });
      await inner.set('later', { step: 3 });
      expect(await inner.asOf(then).get('key')).to.deep.equal({ step: 1 });
      expect(await all(inner.asOf(then).keys())).to.deep.equal(['key']);
      expect(await all(backend.asOf(then).namespace('inner').entries())).to.deep.equal([['key', { step: 1 }]]);
      expect(await backend.asOf(then).getMany(['outer', 'inner:later'])).to.deep.equal([{ step: 0 }, undefined]);
      expect((await all(inner.history('key'))).map(({ value }) => value)).to.deep.equal([{ step: 1 }, { step: 2 }]);
    });

    it('changes nothing that has been', async () => {
      const backend = open();
      await backend.set('key', 'value');
      const view = backend.asOf(await moment());
      expect(view.capabilities).to.include({ writable: false, readable: true, history: false, update: 'none' });
      const refused: readonly (() => Promise<unknown>)[] = [
        () => view.set('key', 'other'),
        () => view.delete('key'),
        () => view.update('key', () => 'other'),
        () => view.increment('counter'),
        () => view.touch('key', '1h'),
        () => view.setMany([['key', 'other']]),
        () => view.clear(),
      ];
      for (const work of refused) expect(await failure(work)).to.include({ code: 'KEEPSAKE_UNSUPPORTED' });
      expect(await text(backend, 'key')).to.equal('value');
      await view.close();
      expect(await text(backend, 'key')).to.equal('value');
      const other = backend.asOf(Date.now());
      await backend.close();
      expect(await failure(() => other.get('key'))).to.include({ code: 'KEEPSAKE_CLOSED' });
    });

    it('forgets what only earlier times need', async () => {
      const backend = open();
      await backend.setMany([
        ['kept', 'value'],
        ['changed', 'one'],
        ['removed', 'value'],
      ]);
      await backend.set('changed', 'two');
      await backend.delete('removed');
      const early = await moment();
      await backend.set('changed', 'three');
      const before = await moment();
      await backend.set('changed', 'four');
      await backend.delete('kept');
      expect(await backend.compact({ before })).to.equal(4);
      expect(await backend.compact({ before })).to.equal(0);
      const view = backend.asOf(before);
      const entries = (await all(view.entries())).map(([key, value]) => [key, Buffer.from(value).toString()]);
      expect(entries).to.deep.equal([
        ['changed', 'three'],
        ['kept', 'value'],
      ]);
      expect((await all(backend.history('changed'))).map(shown)).to.deep.equal(['three', 'four']);
      expect((await all(backend.history('removed'))).map(shown)).to.deep.equal([]);
      expect(await failure(() => backend.asOf(early).count())).to.include({ code: 'KEEPSAKE_UNSUPPORTED' });
      expect(await text(backend, 'changed')).to.equal('four');
    });

    it('forgets in steps, however many states a key has', async () => {
      const backend = open();
      for (let index = 0; index < 25; index++) {
        await backend.setMany(
          Array.from({ length: 100 }, (_, key) => [`key ${String(key).padStart(2, '0')}`, `${index}`]),
        );
      }
      for (let index = 0; index < 1_200; index += 100) {
        await Promise.all(Array.from({ length: 100 }, () => backend.increment('many')));
      }
      const before = await moment();
      expect(await backend.compact({ before })).to.equal(24 * 100 + 1_199);
      expect(await backend.asOf(before).count()).to.equal(101);
    });

    it('is made once by many that open at once', async () => {
      const backends = Array.from({ length: 8 }, () => open());
      await Promise.all(backends.map((backend, index) => backend.set('key', `${index}`)));
      expect(await all((backends[0] as Backend).history('key'))).to.have.length(8);
    });
  });
}

describe('a history', () => {
  it('is refused by what has none, and by wrappers that would show another past', async () => {
    const backend = memory();
    expect(() => backend.asOf(new Date()))
      .to.throw('does not support history')
      .with.property('code', 'KEEPSAKE_UNSUPPORTED');
    expect(await failure(() => all(backend.history('key')))).to.include({ code: 'KEEPSAKE_UNSUPPORTED' });
    expect(await failure(() => backend.compact({ before: 0 }))).to.include({ code: 'KEEPSAKE_UNSUPPORTED' });
    const { sqlite } = await import('keepsake/sql');
    const kept = sqlite(':memory:', { history: true });
    expect(kept.capabilities.history).to.equal(true);
    expect(readOnly(kept).capabilities.history).to.equal(false);
    expect(() => kept.asOf('yesterday' as never))
      .to.throw('must be milliseconds')
      .with.property('code', 'KEEPSAKE_OUT_OF_RANGE');
    await kept.close();
  });
});

function shown({ value }: Revision<Uint8Array>): string | undefined {
  return value && Buffer.from(value).toString();
}

/** Numbers from 0 to 1, the same in each run: mulberry32, public domain, by Tommy Ettinger. */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
