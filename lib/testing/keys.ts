import assert from 'node:assert/strict';
import { lookAlikes, peculiar } from './look-alikes.js';
import { allMethods } from './methods.js';
import type { Promises } from './promises.js';
import { INVALID_ARGUMENT, INVALID_KEY, rejects } from './rejects.js';
import { all, type Subject, sorted } from './subject.js';

/** Keys are opaque: any text of 1 to 1,024 bytes, and never taken for another. */
export function keys(promise: Promises): void {
  promise('keeps keys apart that look alike', [], async (subject) => {
    for (const [one, other] of lookAlikes) {
      if (!fits(subject, one) || !fits(subject, other)) continue;
      const { backend } = subject;
      const pair = `${JSON.stringify(one)} and ${JSON.stringify(other)}`;
      await backend.set(one, subject.value(1));
      await backend.delete(other);
      await subject.misses(other, pair);
      await backend.set(other, subject.value(2));
      await subject.holds(one, subject.value(1), pair);
      await subject.holds(other, subject.value(2), pair);
      assert.equal(await backend.delete(one), true, pair);
      await subject.holds(other, subject.value(2), pair);
      await backend.delete(other);
    }
  });

  promise('takes every key as it is, all at once', [], async (subject) => {
    const { backend } = subject;
    const stored = everyKey(subject);
    await Promise.all(stored.map((key, index) => backend.set(key, subject.value(index))));
    for (const [index, key] of stored.entries()) {
      subject.same(await backend.get(key), subject.value(index), JSON.stringify(key));
    }
    const read = await backend.getMany(stored);
    for (const [index, key] of stored.entries()) subject.same(read[index], subject.value(index), JSON.stringify(key));
    for (const key of stored) assert.equal(await backend.delete(key), true, JSON.stringify(key));
    for (const key of stored) assert.equal(await backend.has(key), false, JSON.stringify(key));
  });

  promise('lists every key exactly as it was given', ['enumerable'], async (subject) => {
    const { backend } = subject;
    const stored = everyKey(subject);
    await backend.setMany(stored.map((key, index) => [key, subject.value(index)] as const));
    assert.deepEqual(sorted(await all(backend.keys())), sorted(stored));
    for await (const [key, value] of backend.entries()) {
      subject.same(value, subject.value(stored.indexOf(key)), JSON.stringify(key));
    }
    assert.equal(await backend.count(), stored.length);
  });

  promise('takes a prefix as it is, whatever it means to others', ['enumerable'], async (subject) => {
    const { backend } = subject;
    const stored = everyKey(subject);
    await backend.setMany(stored.map((key, index) => [key, subject.value(index)] as const));
    for (const prefix of [
      '',
      'f',
      'foo',
      'foo%',
      'foo_',
      '%',
      '_',
      '*',
      '?',
      '[',
      '.',
      '..',
      '/',
      'a/',
      '\\',
      "'",
      'é',
      '😀',
      '\0',
      'X',
    ]) {
      const matching = sorted(stored.filter((key) => key.startsWith(prefix)));
      const shown = JSON.stringify(prefix);
      assert.deepEqual(sorted(await all(backend.keys({ prefix }))), matching, `keys with prefix ${shown}`);
      assert.equal(await backend.count({ prefix }), matching.length, `count with prefix ${shown}`);
    }
    for (const prefix of ['%', '_', '*', '?', '[', '.', "'"]) {
      await backend.clear({ prefix });
      const left = sorted(stored.filter((key) => !key.startsWith(prefix)));
      assert.deepEqual(
        sorted(await all(backend.keys())),
        left,
        `what is left by clear with prefix ${JSON.stringify(prefix)}`,
      );
      await backend.setMany(stored.map((key, index) => [key, subject.value(index)] as const));
    }
  });

  promise('takes keys up to its limit of bytes, and tells them apart at their end', [], async (subject) => {
    const { backend, keyLimit } = subject;
    const longest = longestKeys(keyLimit);
    for (const [index, key] of longest.entries()) await backend.set(key, subject.value(index));
    for (const [index, key] of longest.entries())
      await subject.holds(key, subject.value(index), `${key.slice(0, 2)}… ${index}`);
    if (subject.capabilities.enumerable) assert.deepEqual(sorted(await all(backend.keys())), sorted(longest));
  });

  promise('rejects keys that are empty, too long or not well-formed', [], async (subject) => {
    const { keyLimit } = subject;
    const wrong = [
      '',
      'k'.repeat(keyLimit + 1),
      'é'.repeat(Math.floor(keyLimit / 2) + 1),
      '\ud800',
      'a\udc00b',
      '\udc00\ud800',
    ];
    for (const key of wrong) {
      for (const { operation, many, call } of allMethods(subject, key)) {
        const named = many ? { operation } : { operation, key };
        await rejects(call, INVALID_KEY, `${operation} of ${JSON.stringify(key.slice(0, 20))}`, named);
      }
    }
  });

  promise('rejects keys that are no text with a TypeError', [], async (subject) => {
    for (const key of [undefined, null, 1, true, {}, ['a'], Symbol('a'), Buffer.from('a')]) {
      for (const { operation, call } of allMethods(subject, key as string)) {
        await rejects(call, INVALID_ARGUMENT, `${operation} of ${String(key)}`);
      }
    }
  });
}

function fits(subject: Subject, key: string): boolean {
  return Buffer.byteLength(key) <= subject.keyLimit;
}

function everyKey(subject: Subject): string[] {
  return [...new Set([...lookAlikes.flat(), ...peculiar])].filter((key) => fits(subject, key));
}

function longestKeys(limit: number): string[] {
  const fill = (unit: string, end: string) =>
    unit.repeat(Math.floor((limit - Buffer.byteLength(end)) / Buffer.byteLength(unit))) + end;
  return ['k', 'K', 'é', '日', '😀', '/', '%', '.', '\0', ' ', '_'].flatMap((unit) => [
    fill(unit, 'a'),
    fill(unit, 'b'),
  ]);
}
