import assert from 'node:assert/strict';
import { claims, type Promises } from './promises.js';
import { INVALID_ARGUMENT, OUT_OF_RANGE, rejects } from './rejects.js';
import { all, allPages, type Subject, sorted } from './subject.js';

/** From its deadline on, an entry is not there. */
export function expiry(promise: Promises): void {
  promise('keeps an entry until its deadline, and not from it on', [], async (subject) => {
    const { backend } = subject;
    await backend.set('short', subject.value(1), { ttl: subject.short });
    await backend.set('long', subject.value(2), { ttl: '1h' });
    await backend.set('forever', subject.value(3), { ttl: null });
    if (subject.exact) {
      await subject.pass(subject.short - 1);
      await subject.holds('short', subject.value(1), 'a millisecond before the deadline');
      await subject.pass(1);
    } else {
      await subject.pass(subject.short);
    }
    await subject.misses('short', 'at the deadline');
    await subject.holds('long', subject.value(2));
    await subject.holds('forever', subject.value(3));
  });

  promise('tells the deadline', [], async (subject) => {
    const { backend } = subject;
    const before = subject.now();
    await backend.set('ttl', subject.value(1), { ttl: '1h' });
    const after = subject.now();
    const told = (await backend.getEntry('ttl'))?.expiresAt ?? 0;
    assert.ok(told >= before + 3_600_000 && told <= after + 3_600_000, `expiresAt is ${told - before} ms away`);
    const deadline = subject.now() + 12_345_678;
    await backend.set('number', subject.value(1), { expiresAt: deadline });
    await backend.set('date', subject.value(1), { expiresAt: new Date(deadline) });
    await backend.set('never', subject.value(1));
    assert.equal((await backend.getEntry('number'))?.expiresAt, deadline);
    assert.equal((await backend.getEntry('date'))?.expiresAt, deadline);
    subject.endless((await backend.getEntry('never'))?.expiresAt);
  });

  promise('holds deadlines that are years away', [], async (subject) => {
    const { backend } = subject;
    for (const ttl of ['31d', '60d', '10y']) {
      await backend.set(ttl, subject.value(1), { ttl });
      await subject.holds(ttl, subject.value(1), ttl);
    }
  });

  promise('replaces the deadline with the value', [], async (subject) => {
    const { backend } = subject;
    for (const key of ['set', 'many', 'longer']) await backend.set(key, subject.value(1), { ttl: subject.short });
    await backend.set('set', subject.value(2));
    await backend.setMany([['many', subject.value(2)]]);
    await backend.set('longer', subject.value(2), { ttl: '1h' });
    await backend.set('shorter', subject.value(1), { ttl: '1h' });
    await backend.set('shorter', subject.value(2), { ttl: subject.short });
    await subject.pass(subject.short);
    for (const key of ['set', 'many', 'longer']) await subject.holds(key, subject.value(2));
    subject.endless((await backend.getEntry('set'))?.expiresAt);
    await subject.misses('shorter');
  });

  promise('gives many entries one deadline', [], async (subject) => {
    const { backend } = subject;
    await backend.setMany(
      [
        ['a', subject.value(1)],
        ['b', subject.value(2)],
      ],
      { ttl: subject.short },
    );
    await subject.pass(subject.short);
    await subject.misses('a');
    await subject.misses('b');
  });

  promise('takes an entry as expired whose deadline has passed when it is written', [], async (subject) => {
    const { backend } = subject;
    await backend.set('key', subject.value(1));
    assert.equal(await backend.set('key', subject.value(2), { expiresAt: subject.now() - 1000 }), true);
    await subject.misses('key');
    await backend.set('epoch', subject.value(2), { expiresAt: new Date(0) });
    await subject.misses('epoch');
    await backend.set('now', subject.value(2), { expiresAt: subject.now() });
    await subject.misses('now');
    if (subject.capabilities.enumerable) assert.equal(await backend.count(), 0);
  });

  promise('does not list, count or delete what has expired', ['enumerable'], async (subject) => {
    const { backend } = subject;
    await backend.setMany(['alive 1', 'alive 2'].map((key) => [key, subject.value(1)] as const));
    const expired = Array.from({ length: 12 }, (_, index) => `expired ${index}`);
    await backend.setMany(
      expired.map((key) => [key, subject.value(2)] as const),
      { ttl: subject.short },
    );
    await subject.pass(subject.short);
    assert.deepEqual(sorted(await all(backend.keys())), ['alive 1', 'alive 2']);
    assert.deepEqual((await all(backend.entries())).map(([key]) => key).sort(), ['alive 1', 'alive 2']);
    assert.equal((await all(backend.values())).length, 2);
    assert.deepEqual(sorted(new Set(await allPages(subject, { limit: 100 }))), ['alive 1', 'alive 2']);
    assert.deepEqual(await all(backend.keys({ prefix: 'expired' })), []);
    assert.equal(await backend.count(), 2);
    assert.equal(await backend.count({ prefix: 'expired' }), 0);
    assert.equal(await backend.delete(expired[0] as string), false);
    assert.equal(await backend.deleteMany(expired), 0);
  });

  promise('moves the deadline with renewFor, only where there is one', ['touch'], async (subject) => {
    const { backend } = subject;
    await backend.set('deadline', subject.value(1), { ttl: '1h' });
    await backend.set('forever', subject.value(2));
    const before = subject.now();
    subject.same(await backend.get('deadline', { renewFor: '2h' }), subject.value(1));
    const after = subject.now();
    const told = (await backend.getEntry('deadline'))?.expiresAt ?? 0;
    assert.ok(told >= before + 7_200_000 && told <= after + 7_200_000, 'lengthens');
    subject.same(await backend.get('forever', { renewFor: subject.short }), subject.value(2));
    subject.endless((await backend.getEntry('forever'))?.expiresAt);
    assert.equal(await backend.get('missing', { renewFor: '1h' }), undefined);
    await subject.misses('missing');
    await backend.get('deadline', { renewFor: subject.short });
    await subject.pass(subject.short);
    await subject.misses('deadline', 'shortens');
    assert.equal(await backend.get('deadline', { renewFor: '1h' }), undefined);
    await subject.misses('deadline', 'after renewFor of what has expired');
    if (!subject.expires) await subject.holds('forever', subject.value(2));
  });

  promise('never removes a fresh value in place of an expired one', [], async (subject) => {
    const { backend } = subject;
    const rounds = subject.exact ? 8 : 2;
    for (let round = 0; round < rounds; round++) {
      const keys = Array.from({ length: 40 }, (_, index) => `${round} ${index}`);
      await backend.setMany(
        keys.map((key) => [key, subject.value(1)] as const),
        { ttl: subject.short },
      );
      await subject.pass(subject.short);
      const racing: Promise<unknown>[] = [];
      for (const [index, key] of keys.entries()) {
        const write = () => racing.push(backend.set(key, subject.value(2)));
        if (index % 2 === 0) write();
        for (const read of expiredReads(subject, key, index)) racing.push(read());
        if (index % 2 === 1) write();
      }
      await Promise.all(racing);
      for (const key of keys) await subject.holds(key, subject.value(2), `${key}, written while it was found expired`);
    }
  });

  promise('removes what has expired when asked, and counts it at most once', [], async (subject) => {
    const { backend } = subject;
    await backend.set('alive', subject.value(1), { ttl: '1h' });
    await backend.set('forever', subject.value(1));
    await subject.storeExpired('a', 'b', 'c');
    const removed = await backend.deleteExpired();
    assert.ok(removed >= 0 && removed <= 3, `deleteExpired gave ${removed}`);
    assert.equal(await backend.deleteExpired(), 0);
    await subject.holds('alive', subject.value(1));
    await subject.holds('forever', subject.value(1));
    await subject.misses('a');
  });

  promise('refuses a ttl that is not positive and finite, and stores nothing then', [], async (subject) => {
    const { backend } = subject;
    const ttls = [0, -1, Number.NaN, Infinity, -Infinity, '', 'soon', '-1s', '0ms', '1 parsec', 'x'.repeat(200)];
    for (const ttl of ttls)
      for (const [name, call] of withTtl(subject, ttl)) await rejects(call, OUT_OF_RANGE, `${name} with ${ttl}`);
    for (const ttl of [true, {}, [], 5n, new Date()]) {
      for (const [name, call] of withTtl(subject, ttl as never))
        await rejects(call, INVALID_ARGUMENT, `${name} with ${String(ttl)}`);
    }
    if (claims(subject.capabilities, 'touch')) {
      await rejects(backend.get('key', { renewFor: null as never }), INVALID_ARGUMENT, 'renewFor null');
      await rejects(backend.touch('key', undefined as never), INVALID_ARGUMENT, 'touch without a ttl');
    }
    await subject.misses('key');
  });

  promise('refuses a deadline that is no time, and ttl and expiresAt together', [], async (subject) => {
    const { backend } = subject;
    for (const expiresAt of [Number.NaN, Infinity, new Date(Number.NaN), '2030-01-01', null, {}]) {
      await rejects(
        backend.set('key', subject.value(1), { expiresAt: expiresAt as never }),
        OUT_OF_RANGE,
        `expiresAt ${String(expiresAt)}`,
      );
    }
    const both = { ttl: 1000, expiresAt: subject.now() + 1000 };
    await rejects(backend.set('key', subject.value(1), both), INVALID_ARGUMENT, 'set with both');
    await rejects(
      backend.set('key', subject.value(1), { ...both, ttl: null }),
      INVALID_ARGUMENT,
      'set with null and a deadline',
    );
    await rejects(backend.setMany([['key', subject.value(1)]], both), INVALID_ARGUMENT, 'setMany with both');
    await subject.misses('key');
  });
}

function expiredReads({ backend, capabilities }: Subject, key: string, index: number): (() => Promise<unknown>)[] {
  const reads: (() => Promise<unknown>)[] = [
    () => backend.get(key),
    () => backend.has(key),
    () => backend.getEntry(key),
    () => backend.getMany([key]),
    () => backend.deleteExpired(),
  ];
  if (capabilities.enumerable)
    reads.push(
      () => all(backend.keys({ prefix: key })),
      () => backend.count({ prefix: key }),
    );
  if (claims(capabilities, 'touch')) reads.push(() => backend.get(key, { renewFor: '1h' }));
  if (claims(capabilities, 'conditionalDelete')) reads.push(() => backend.delete(key, { if: { version: 'none' } }));
  return [reads[index % reads.length], reads[0]] as (() => Promise<unknown>)[];
}

function withTtl(subject: Subject, ttl: number | string): [string, () => Promise<unknown>][] {
  const { backend, capabilities } = subject;
  const value = subject.value(1);
  const calls: [string, () => Promise<unknown>][] = [
    ['set', () => backend.set('key', value, { ttl })],
    ['setMany', () => backend.setMany([['key', value]], { ttl })],
  ];
  if (claims(capabilities, 'touch')) {
    calls.push(['touch', () => backend.touch('key', ttl)], ['renewFor', () => backend.get('key', { renewFor: ttl })]);
  }
  if (claims(capabilities, 'update')) calls.push(['update', () => backend.update('key', () => value, { ttl })]);
  if (claims(capabilities, 'increment')) calls.push(['increment', () => backend.increment('key', 1, { ttl })]);
  return calls;
}
