import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import type { Promises } from './promises.js';
import { INVALID_ARGUMENT, rejects } from './rejects.js';
import { all } from './subject.js';

/** `update` and `touch`: changes that nobody else's change is lost by. */
export function changes(promise: Promises): void {
  promise('creates and changes by a function of the value', ['update'], async (subject) => {
    const { backend } = subject;
    const met: unknown[] = [];
    const created = await backend.update('key', (current) => {
      met.push(current);
      return subject.value(1);
    });
    subject.same(created, subject.value(1));
    const changed = await backend.update('key', async (current) => {
      await setImmediate();
      met.push(current);
      return subject.value(2);
    });
    subject.same(changed, subject.value(2));
    assert.equal(met[0], undefined);
    subject.same(met[1], subject.value(1));
    await subject.holds('key', subject.value(2));
  });

  promise('leaves the entry as it is for undefined', ['update'], async (subject) => {
    const { backend } = subject;
    assert.equal(await backend.update('missing', () => undefined), undefined);
    await subject.misses('missing');
    await backend.set('key', subject.value(1), { ttl: '1h' });
    const before = await backend.getEntry('key');
    subject.same(await backend.update('key', async () => undefined, { ttl: '2h' }), subject.value(1));
    assert.equal((await backend.getEntry('key'))?.expiresAt, before?.expiresAt);
    await subject.holds('key', subject.value(1));
  });

  promise("passes on the function's own error and changes nothing", ['update'], async (subject) => {
    const { backend } = subject;
    await backend.set('key', subject.value(1));
    for (const thrown of [new Error('mine'), new TypeError('mine'), 'text', undefined, null]) {
      for (const key of ['key', 'missing']) {
        const result = await backend
          .update(key, () => throwIt(thrown))
          .then(
            () => assert.fail('update resolves though its function threw'),
            (error: unknown) => ({ error }),
          );
        assert.equal(result.error, thrown);
      }
    }
    const later = new Error('later');
    const result = await backend.update('key', () => Promise.reject(later)).catch((error: unknown) => error);
    assert.equal(result, later);
    await subject.holds('key', subject.value(1));
    await subject.misses('missing');
  });

  promise('loses no change of many callers', ['update'], async (subject) => {
    const { backend } = subject;
    const slowly = async (current: unknown) => {
      await setImmediate();
      return subject.next(current);
    };
    const quickly = (current: unknown) => subject.next(current);
    await Promise.all(
      Array.from({ length: 40 }, (_, index) => backend.update('key', index % 2 === 0 ? quickly : slowly)),
    );
    await subject.holds('key', subject.value(39));
  });

  promise('keeps the deadline unless another is given', ['update'], async (subject) => {
    const { backend } = subject;
    const deadline = subject.now() + 3_600_000;
    await backend.set('kept', subject.value(1), { expiresAt: deadline });
    await backend.update('kept', () => subject.value(2));
    assert.equal((await backend.getEntry('kept'))?.expiresAt, deadline);
    await backend.update('kept', () => subject.value(3), { expiresAt: deadline + 1 });
    assert.equal((await backend.getEntry('kept'))?.expiresAt, deadline + 1);
    await backend.update('kept', () => subject.value(4), { ttl: null });
    subject.endless((await backend.getEntry('kept'))?.expiresAt);
    await backend.update('new', () => subject.value(1), { expiresAt: deadline });
    assert.equal((await backend.getEntry('new'))?.expiresAt, deadline);
  });

  promise('gives the function undefined for an expired entry, and a new deadline', ['update'], async (subject) => {
    const { backend } = subject;
    await subject.storeExpired('key');
    const met: unknown[] = [];
    await backend.update('key', (current) => {
      met.push(current);
      return subject.value(2);
    });
    assert.equal(met.at(-1), undefined);
    await subject.holds('key', subject.value(2));
    subject.endless((await backend.getEntry('key'))?.expiresAt);
  });

  promise('refuses to update by what is no function', ['update'], async ({ backend }) => {
    for (const change of [undefined, null, 'text', {}]) {
      await rejects(backend.update('key', change as never), INVALID_ARGUMENT, `update by ${String(change)}`);
    }
  });

  promise('touches: moves the deadline and nothing else', ['touch'], async (subject) => {
    const { backend } = subject;
    await backend.set('key', subject.value(1));
    const before = subject.now();
    assert.equal(await backend.touch('key', '1h'), true);
    const after = subject.now();
    const told = (await backend.getEntry('key'))?.expiresAt ?? 0;
    assert.ok(told >= before + 3_600_000 && told <= after + 3_600_000, `expiresAt is ${told - before} ms away`);
    await subject.holds('key', subject.value(1));
    assert.equal(await backend.touch('key', null), true);
    subject.endless((await backend.getEntry('key'))?.expiresAt);
    assert.equal(await backend.touch('key', subject.short), true);
    await subject.pass(subject.short);
    await subject.misses('key');
  });

  promise('touches nothing that is missing or has expired', ['touch'], async (subject) => {
    const { backend } = subject;
    assert.equal(await backend.touch('missing', '1h'), false);
    await subject.storeExpired('expired');
    assert.equal(await backend.touch('expired', '1h'), false);
    assert.equal(await backend.touch('expired', null), false);
    await subject.misses('missing');
    await subject.misses('expired');
    if (subject.capabilities.enumerable) assert.deepEqual(await all(backend.keys()), []);
  });

  promise('touches without undoing a write of the same moment', ['touch'], async (subject) => {
    const { backend } = subject;
    for (let round = 0; round < 20; round++) {
      const key = `key ${round}`;
      await backend.set(key, subject.value(1));
      await Promise.all([backend.touch(key, '1h'), backend.set(key, subject.value(2)), backend.touch(key, '2h')]);
      await subject.holds(key, subject.value(2));
    }
  });
}

function throwIt(thrown: unknown): never {
  throw thrown;
}
