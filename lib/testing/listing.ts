import assert from 'node:assert/strict';
import type { Promises } from './promises.js';
import { INVALID_ARGUMENT, OUT_OF_RANGE, rejects, UNSUPPORTED } from './rejects.js';
import { all, allPages, type Subject, sorted } from './subject.js';

/** `keys`, `entries`, `values`, `page`, `count` and `clear`. */
export function listing(promise: Promises): void {
  promise('lists nothing of an empty backend', ['enumerable'], async ({ backend }) => {
    assert.deepEqual(await all(backend.keys()), []);
    assert.deepEqual(await all(backend.entries()), []);
    assert.deepEqual(await all(backend.values()), []);
    assert.deepEqual(await all(backend), []);
    assert.equal(await backend.count(), 0);
    await backend.clear();
  });

  promise('lists, counts, pages through and clears more than one page', ['enumerable'], async (subject) => {
    const { backend } = subject;
    const stored = await fill(subject, subject.many);
    assert.deepEqual(sorted(await all(backend.keys())), stored);
    assert.equal(await backend.count(), stored.length);
    const entries = await all(backend.entries());
    assert.equal(entries.length, stored.length);
    for (const [key, value] of entries) subject.same(value, subject.value(stored.indexOf(key)), key);
    assert.equal((await all(backend.values())).length, stored.length);
    const part = stored.filter((key) => key.startsWith('key 00'));
    assert.deepEqual(sorted(await all(backend.keys({ prefix: 'key 00' }))), part);
    assert.equal(await backend.count({ prefix: 'key 00' }), part.length);
    assert.deepEqual(sorted(new Set(await allPages(subject, { limit: 999 }))), stored);
    await backend.clear({ prefix: 'key 00' });
    assert.deepEqual(
      sorted(await all(backend.keys())),
      stored.filter((key) => !part.includes(key)),
    );
    await backend.clear();
    assert.deepEqual(await all(backend.keys()), []);
    await subject.misses(stored[0] as string);
  });

  promise('pages by small limits without leaving a key out', ['enumerable'], async (subject) => {
    const stored = await fill(subject, 50);
    for (const limit of [1, 7, 49, 50, 51]) {
      const paged = await allPages(subject, { limit });
      if (subject.capabilities.ordered) assert.deepEqual(paged, stored, `limit ${limit}`);
      assert.deepEqual(sorted(new Set(paged)), stored, `limit ${limit}`);
    }
    assert.deepEqual(sorted(new Set(await allPages(subject, { limit: 3, prefix: 'key 001' }))), stored.slice(10, 20));
  });

  promise('goes on from a cursor while entries come and go', ['enumerable'], async (subject) => {
    const { backend } = subject;
    const stored = await fill(subject, 40);
    const met = new Set<string>();
    let cursor: string | undefined;
    let round = 0;
    do {
      const page = await backend.page({ limit: 5, ...(cursor === undefined ? {} : { cursor }) });
      for (const key of page.keys) met.add(key);
      cursor = page.cursor;
      const doomed = stored[39 - round];
      if (doomed !== undefined && round < 10) await backend.delete(doomed);
      await backend.set(`new ${round++}`, subject.value(round));
      assert.ok(round < 500, 'paging comes to an end though entries come and go');
    } while (cursor !== undefined && round < 200);
    for (const key of stored.slice(0, 30)) assert.ok(met.has(key), `${key} was there throughout`);
  });

  promise(
    'yields a key that is there throughout exactly once, while others come and go',
    ['enumerable'],
    async (subject) => {
      const { backend } = subject;
      const stored = await fill(subject, 300);
      const doomed = Array.from({ length: 60 }, (_, index) => `doomed ${index}`);
      await backend.setMany(doomed.map((key, index) => [key, subject.value(index)] as const));
      const met = new Map<string, number>();
      let steps = 0;
      for await (const key of backend.keys()) {
        met.set(key, (met.get(key) ?? 0) + 1);
        if (++steps > 5_000) assert.fail('listing comes to an end though entries come');
        if (steps % 10 !== 0) continue;
        await backend.delete(doomed[steps / 10] ?? 'none');
        await backend.set(stored[(steps * 7) % 300] as string, subject.value(steps));
        if (steps < 400) await backend.set(`new ${steps}`, subject.value(1));
      }
      for (const key of stored) assert.equal(met.get(key), 1, `${key} is yielded once`);
    },
  );

  promise(
    'lists in the order of UTF-8 bytes, and after a key, where it claims an order',
    ['enumerable', 'ordered'],
    async (subject) => {
      const { backend } = subject;
      const stored = sorted([
        'a',
        'B',
        'aa',
        'a:',
        'a/',
        'a\0',
        'é',
        'z',
        '\uffff',
        '\u{10000}',
        '\ue000',
        '😀',
        '~',
        '0',
        '10',
        '2',
        ' ',
        '\x01',
      ]);
      await backend.setMany(stored.map((key, index) => [key, subject.value(index)] as const));
      assert.deepEqual(await all(backend.keys()), stored);
      assert.deepEqual(
        (await all(backend.entries())).map(([key]) => key),
        stored,
      );
      assert.deepEqual(await allPages(subject, { limit: 4 }), stored);
      for (const after of [...stored, 'a!', '0\0', '\u{10fffe}']) {
        const rest = stored.filter((key) => Buffer.compare(Buffer.from(key), Buffer.from(after)) > 0);
        assert.deepEqual(await all(backend.keys({ after })), rest, `after ${JSON.stringify(after)}`);
      }
      assert.deepEqual(await all(backend.keys({ prefix: 'a', after: 'a/' })), ['a:', 'aa']);
      assert.deepEqual(await all(backend.keys({ prefix: 'a', after: 'b' })), []);
      assert.deepEqual(
        await all(backend.keys({ prefix: 'a', after: '0' })),
        stored.filter((key) => key.startsWith('a')),
      );
    },
  );

  promise('refuses after, where it claims no order', ['enumerable'], async ({ backend, capabilities }) => {
    if (capabilities.ordered) return;
    await rejects(all(backend.keys({ after: 'a' })), UNSUPPORTED, 'keys after', { operation: 'keys' });
    await rejects(all(backend.entries({ after: 'a' })), UNSUPPORTED, 'entries after', { operation: 'entries' });
  });

  promise('leaves nothing open when a loop breaks or throws', ['enumerable'], async (subject) => {
    const { backend } = subject;
    await fill(subject, 60);
    for (let round = 0; round < 60; round++) {
      for await (const key of backend.keys()) {
        assert.equal(typeof key, 'string');
        break;
      }
      const iterator = backend.entries();
      if (round % 2 === 0) await iterator.next();
      await iterator.return();
      assert.deepEqual(await iterator.next(), { value: undefined, done: true });
    }
    const mine = new Error('mine');
    const thrown = await (async () => {
      for await (const _ of backend) throw mine;
    })().catch((error: unknown) => error);
    assert.equal(thrown, mine);
    assert.equal(await backend.count(), 60);
  });

  promise('refuses limits, prefixes and cursors that are none', ['enumerable'], async ({ backend }) => {
    for (const limit of [0, -1, 1.5, 10_001, Number.NaN, Infinity, '5', null]) {
      await rejects(backend.page({ limit: limit as number }), OUT_OF_RANGE, `limit ${String(limit)}`);
    }
    for (const prefix of [1, null, {}, '\ud800']) {
      const given = { prefix: prefix as string };
      await rejects(backend.page(given), INVALID_ARGUMENT, `page with prefix ${String(prefix)}`);
      await rejects(backend.count(given), INVALID_ARGUMENT, `count with prefix ${String(prefix)}`);
      await rejects(backend.clear(given), INVALID_ARGUMENT, `clear with prefix ${String(prefix)}`);
      await rejects(all(backend.keys(given)), INVALID_ARGUMENT, `keys with prefix ${String(prefix)}`);
    }
    for (const cursor of [1, null, {}]) {
      await rejects(backend.page({ cursor: cursor as string }), INVALID_ARGUMENT, `cursor ${String(cursor)}`);
    }
  });

  promise('goes on from a foreign cursor, or refuses it as an argument', ['enumerable'], async (subject) => {
    const { backend } = subject;
    await fill(subject, 5);
    for (const cursor of [
      '',
      'nonsense',
      '-1',
      '0',
      '99999999999999999999',
      '{}',
      '../..',
      '\0',
      '😀',
      '\ud800',
      'x'.repeat(5_000),
    ]) {
      const page = await backend.page({ cursor }).catch((error: unknown) => error);
      const shown = `cursor ${JSON.stringify(cursor.slice(0, 30))}`;
      if (page instanceof Error) await rejects(Promise.reject(page), INVALID_ARGUMENT, shown);
      else assert.ok(Array.isArray((page as { keys: string[] }).keys), shown);
    }
  });
}

async function fill(subject: Subject, size: number): Promise<string[]> {
  const keys = Array.from({ length: size }, (_, index) => `key ${String(index).padStart(4, '0')}`);
  await subject.backend.setMany(keys.map((key, index) => [key, subject.value(index)] as const));
  return keys;
}
