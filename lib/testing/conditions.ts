import assert from 'node:assert/strict';
import type { Promises } from './promises.js';
import { INVALID_ARGUMENT, rejects } from './rejects.js';
import { version } from './versions.js';

/** `if`: the write or delete takes effect only where the condition holds. */
export function conditions(promise: Promises): void {
  promise('stores what is absent only if it is', ['conditionalSet'], async (subject) => {
    const { backend } = subject;
    assert.equal(await backend.set('key', subject.value(1), { if: 'absent' }), true);
    assert.equal(await backend.set('key', subject.value(2), { if: 'absent', ttl: subject.short }), false);
    await subject.holds('key', subject.value(1));
    // A write that is not applied leaves the deadline.
    subject.endless((await backend.getEntry('key'))?.expiresAt);
    await subject.pass(subject.short);
    await subject.holds('key', subject.value(1));
  });

  promise('replaces what is present only if it is', ['conditionalSet'], async (subject) => {
    const { backend } = subject;
    assert.equal(await backend.set('key', subject.value(1), { if: 'present' }), false);
    await subject.misses('key');
    await backend.set('key', subject.value(1));
    assert.equal(await backend.set('key', subject.value(2), { if: 'present' }), true);
    await subject.holds('key', subject.value(2));
  });

  promise('replaces a version only if it is still there', ['conditionalSet'], async (subject) => {
    const { backend } = subject;
    assert.equal(await backend.set('key', subject.value(1), { if: { version: '1' } }), false);
    await subject.misses('key');
    await backend.set('key', subject.value(1));
    const first = await version(subject, 'key');
    assert.equal(await backend.set('key', subject.value(2), { if: { version: first } }), true);
    assert.equal(await backend.set('key', subject.value(3), { if: { version: first } }), false);
    assert.equal(await backend.set('key', subject.value(3), { if: { version: 'no version' } }), false);
    assert.equal(await backend.set('key', subject.value(3), { if: { version: '' } }), false);
    await subject.holds('key', subject.value(2));
  });

  promise('does not see expired entries', ['conditionalSet'], async (subject) => {
    const { backend } = subject;
    await backend.set('version', subject.value(1), { ttl: '1h' });
    const former = await version(subject, 'version');
    await backend.set('version', subject.value(1), { expiresAt: subject.now() - 1 });
    await subject.storeExpired('absent', 'present', 'fresh');
    assert.equal(await backend.set('present', subject.value(2), { if: 'present' }), false);
    assert.equal(await backend.set('version', subject.value(2), { if: { version: former } }), false);
    assert.equal(await backend.set('absent', subject.value(2), { if: 'absent' }), true);
    await subject.misses('present');
    await subject.misses('version');
    await subject.holds('absent', subject.value(2));
  });

  promise('lets exactly one of many callers create an entry', ['conditionalSet'], async (subject) => {
    const { backend } = subject;
    for (let round = 0; round < 5; round++) {
      const key = `key ${round}`;
      if (round % 2 === 1) await subject.storeExpired(key);
      const callers = Array.from({ length: 20 }, (_, index) => index);
      const applied = await Promise.all(
        callers.map((index) => backend.set(key, subject.value(index), { if: 'absent' })),
      );
      assert.equal(applied.filter(Boolean).length, 1, `${applied}`);
      await subject.holds(key, subject.value(applied.indexOf(true)));
    }
  });

  promise('lets exactly one of many callers replace a version', ['conditionalSet'], async (subject) => {
    const { backend } = subject;
    await backend.set('key', subject.value(1000));
    for (let round = 0; round < 5; round++) {
      const former = await version(subject, 'key');
      const callers = Array.from({ length: 20 }, (_, index) => index + 20 * round);
      const applied = await Promise.all(
        callers.map((index) => backend.set('key', subject.value(index), { if: { version: former } })),
      );
      assert.equal(applied.filter(Boolean).length, 1, `${applied}`);
      await subject.holds('key', subject.value(callers[applied.indexOf(true)] as number));
    }
  });

  promise('deletes a version only if it is still there', ['conditionalSet', 'conditionalDelete'], async (subject) => {
    const { backend } = subject;
    assert.equal(await backend.delete('key', { if: { version: '1' } }), false);
    await backend.set('key', subject.value(1));
    const former = await version(subject, 'key');
    await backend.set('key', subject.value(2));
    assert.equal(await backend.delete('key', { if: { version: former } }), false);
    await subject.holds('key', subject.value(2));
    assert.equal(await backend.delete('key', { if: { version: await version(subject, 'key') } }), true);
    await subject.misses('key');
    await backend.set('key', subject.value(3));
    assert.equal(await backend.delete('key', { if: 'present' }), true);
    assert.equal(await backend.delete('key', { if: 'present' }), false);
  });

  promise('does not delete an expired version', ['conditionalSet', 'conditionalDelete'], async (subject) => {
    const { backend } = subject;
    await backend.set('key', subject.value(1), { ttl: subject.short });
    const entry = await backend.getEntry('key');
    await subject.pass(subject.short);
    assert.equal(await backend.delete('key', { if: { version: entry?.version ?? 'gone' } }), false);
  });

  promise('refuses what is no condition', ['conditionalSet', 'conditionalDelete'], async (subject) => {
    const { backend } = subject;
    for (const condition of ['missing', '', null, 1, true, {}, { version: 1 }, { version: undefined }, []]) {
      const shown = JSON.stringify(condition);
      await rejects(
        backend.set('key', subject.value(1), { if: condition as never }),
        INVALID_ARGUMENT,
        `set if ${shown}`,
      );
      await rejects(backend.delete('key', { if: condition as never }), INVALID_ARGUMENT, `delete if ${shown}`);
    }
    await rejects(backend.delete('key', { if: 'absent' as never }), INVALID_ARGUMENT, 'delete if absent');
    await subject.misses('key');
  });
}
