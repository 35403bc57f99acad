import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import type { Promises } from './promises.js';
import { NOT_AN_INTEGER, OUT_OF_RANGE, rejects } from './rejects.js';

/** `increment`. */
export function counters(promise: Promises): void {
  promise('counts from 0, by any safe integer', ['increment'], async (subject) => {
    const { backend } = subject;
    assert.equal((await backend.increment('key')).value, 1);
    assert.equal((await backend.increment('key', 5)).value, 6);
    assert.equal((await backend.increment('key', -10)).value, -4);
    assert.equal((await backend.increment('key', 0)).value, -4);
    await subject.holds('key', subject.counter(-4));
    assert.equal((await backend.increment('zero', 0)).value, 0);
    await subject.holds('zero', subject.counter(0));
    assert.equal((await backend.increment('low', -1)).value, -1);
  });

  promise('goes on from a counter that was stored', ['increment'], async (subject) => {
    const { backend } = subject;
    await backend.set('key', subject.counter(41));
    assert.equal((await backend.increment('key')).value, 42);
    await subject.holds('key', subject.counter(42));
  });

  promise('loses no step of many callers', ['increment'], async (subject) => {
    const { backend } = subject;
    const results = await Promise.all(Array.from({ length: 60 }, () => backend.increment('key')));
    const values = results.map(({ value }) => value).sort((a, b) => a - b);
    assert.deepEqual(
      values,
      Array.from({ length: 60 }, (_, index) => index + 1),
    );
    await Promise.all(Array.from({ length: 30 }, (_, index) => backend.increment('key', index % 2 === 0 ? 3 : -2)));
    await subject.holds('key', subject.counter(75));
  });

  promise('sets the deadline only when it creates, and tells it', ['increment'], async (subject) => {
    const { backend } = subject;
    const before = subject.now();
    const first = await backend.increment('key', 1, { ttl: '1h' });
    const after = subject.now();
    const deadline = first.expiresAt ?? 0;
    assert.ok(
      deadline >= before + 3_600_000 && deadline <= after + 3_600_000,
      `expiresAt is ${deadline - before} ms away`,
    );
    assert.deepEqual(await backend.increment('key', 1, { ttl: '2h' }), { value: 2, expiresAt: deadline });
    assert.equal((await backend.increment('key', 1, { ttl: null })).expiresAt, deadline);
    assert.equal((await backend.getEntry('key'))?.expiresAt, deadline);
    subject.endless((await backend.increment('never')).expiresAt);
    subject.endless((await backend.increment('never', 1, { ttl: '1h' })).expiresAt);
  });

  promise('starts again at 0 once the counter has expired', ['increment'], async (subject) => {
    const { backend } = subject;
    await backend.increment('key', 7, { ttl: subject.short });
    await subject.pass(subject.short);
    await subject.misses('key');
    const again = await backend.increment('key', 1);
    assert.equal(again.value, 1);
    subject.endless(again.expiresAt);
  });

  promise('refuses what is stored and is no integer, and leaves it', ['increment'], async (subject) => {
    const { backend } = subject;
    const wrong = subject.bytes
      ? ['', ' 1', '1.5', '1e3', '0x10', '+1', '01', '-0', 'ten', '9007199254740992', Uint8Array.of(1)]
      : subject.samples.filter((sample) => typeof sample !== 'number');
    for (const value of [subject.value(1), ...wrong]) {
      await backend.set('key', value);
      await rejects(backend.increment('key'), NOT_AN_INTEGER, `increment of ${inspect(value)}`, {
        operation: 'increment',
        key: 'key',
      });
      await subject.holds('key', value);
    }
  });

  promise('refuses a sum past the safe integers, and leaves the counter', ['increment'], async (subject) => {
    const { backend } = subject;
    for (const edge of [Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]) {
      await backend.delete('key');
      assert.equal((await backend.increment('key', edge)).value, edge);
      await rejects(backend.increment('key', Math.sign(edge)), OUT_OF_RANGE, 'increment past the safe integers');
      assert.equal((await backend.increment('key', 0)).value, edge);
      assert.equal((await backend.increment('key', -edge)).value, 0);
    }
  });

  promise('refuses a step that is no safe integer', ['increment'], async (subject) => {
    const { backend } = subject;
    for (const by of [0.5, Number.NaN, Infinity, 2 ** 53, '1', null, 1n, {}]) {
      await rejects(backend.increment('key', by as number), OUT_OF_RANGE, `increment by ${String(by)}`);
    }
    await subject.misses('key');
  });
}
