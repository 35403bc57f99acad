import assert from 'node:assert/strict';
import type { Promises } from './promises.js';
import { INVALID_ARGUMENT, INVALID_KEY, rejects, UNSUPPORTED } from './rejects.js';
import { all } from './subject.js';

/** `getMany`, `setMany` and `deleteMany`. */
export function many(promise: Promises): void {
  promise('reads in the order asked, repeats and gaps included', [], async (subject) => {
    const { backend } = subject;
    await backend.setMany(
      new Map([
        ['a', subject.value(1)],
        ['b', subject.value(2)],
      ]),
    );
    const asked = ['b', 'missing', 'a', 'b', '__proto__'];
    const expected = [subject.value(2), undefined, subject.value(1), subject.value(2), undefined];
    const read = await backend.getMany(asked);
    assert.equal(read.length, asked.length);
    for (const [index, value] of expected.entries()) subject.same(read[index], value, asked[index]);
    subject.same((await backend.getMany(new Set(['a'])))[0], subject.value(1));
  });

  promise('does nothing for nothing', [], async (subject) => {
    const { backend } = subject;
    await backend.set('key', subject.value(1));
    assert.deepEqual(await backend.getMany([]), []);
    assert.equal(await backend.setMany([]), undefined);
    assert.equal(await backend.deleteMany([]), 0);
    await subject.holds('key', subject.value(1));
  });

  promise('stores the last of a key that is given twice', [], async (subject) => {
    const { backend } = subject;
    await backend.setMany([
      ['a', subject.value(1)],
      ['b', subject.value(2)],
      ['a', subject.value(3)],
    ]);
    await subject.holds('a', subject.value(3));
    await subject.holds('b', subject.value(2));
  });

  promise('stores many as one where it says so, and refuses to where not', [], async (subject) => {
    const { backend } = subject;
    const entries = ['a', 'b', 'c'].map((key, index) => [key, subject.value(index)] as const);
    if (subject.capabilities.setMany === 'none') {
      await rejects(backend.setMany(entries, { atomic: true }), UNSUPPORTED, 'setMany with atomic');
      await subject.misses('a');
    } else {
      const setting = backend.setMany(entries, { atomic: true });
      const found = await Promise.race([setting.then(() => 'done'), backend.getMany(['a', 'b', 'c'])]);
      if (found !== 'done') {
        const met = (found as unknown[]).filter((value) => value !== undefined).length;
        assert.ok(met === 0 || met === 3, `${met} of 3 were there at once`);
      }
      await setting;
      for (const [key, value] of entries) await subject.holds(key, value);
    }
    await rejects(backend.setMany(entries, { atomic: 1 as never }), INVALID_ARGUMENT, 'setMany with atomic: 1');
  });

  promise('counts what it removes, once each', [], async (subject) => {
    const { backend } = subject;
    await backend.setMany(['a', 'b', 'c'].map((key) => [key, subject.value(1)] as const));
    assert.equal(await backend.deleteMany(['a', 'missing', 'a', 'b']), 2);
    assert.equal(await backend.deleteMany(['a', 'b']), 0);
    await subject.holds('c', subject.value(1));
    await subject.misses('a');
  });

  promise('stores and removes nothing when one of many is wrong', [], async (subject) => {
    const { backend } = subject;
    const value = subject.value(1);
    await rejects(
      backend.setMany([
        ['a', value],
        ['', value],
        ['c', value],
      ]),
      INVALID_KEY,
      'setMany with a bad key',
    );
    await rejects(
      backend.setMany([
        ['a', value],
        ['b', undefined],
      ]),
      INVALID_ARGUMENT,
      'setMany with undefined',
    );
    await subject.misses('a');
    await backend.set('a', value);
    await rejects(backend.deleteMany(['a', '']), INVALID_KEY, 'deleteMany with a bad key');
    await subject.holds('a', value);
  });

  promise('refuses what is no list', [], async (subject) => {
    const { backend } = subject;
    for (const wrong of [undefined, null, 'ab', 1, {}, { a: 1 }]) {
      await rejects(backend.getMany(wrong as never), INVALID_ARGUMENT, `getMany of ${JSON.stringify(wrong)}`);
      await rejects(backend.setMany(wrong as never), INVALID_ARGUMENT, `setMany of ${JSON.stringify(wrong)}`);
      await rejects(backend.deleteMany(wrong as never), INVALID_ARGUMENT, `deleteMany of ${JSON.stringify(wrong)}`);
    }
    for (const item of [undefined, null, 'ab', 1, { a: 1 }]) {
      await rejects(backend.setMany([item as never]), INVALID_ARGUMENT, `setMany of [${JSON.stringify(item)}]`);
    }
    if (subject.capabilities.enumerable) assert.deepEqual(await all(backend.keys()), []);
  });

  promise('takes a thousand at a time', [], async (subject) => {
    const { backend } = subject;
    const size = Math.min(1000, subject.many);
    const stored = Array.from({ length: size }, (_, index) => [`key ${index}`, subject.value(index)] as const);
    await backend.setMany(stored);
    const read = await backend.getMany(stored.map(([key]) => key));
    for (const [index, [key, value]] of stored.entries()) subject.same(read[index], value, key);
    assert.equal(await backend.deleteMany(stored.map(([key]) => key)), size);
    assert.equal(await backend.has('key 0'), false);
  });
}
