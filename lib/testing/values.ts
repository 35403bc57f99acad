import assert from 'node:assert/strict';
import type { Promises } from './promises.js';
import { INVALID_ARGUMENT, rejects } from './rejects.js';

/** What goes in comes out; what is not there is `undefined`. */
export function values(promise: Promises): void {
  promise('gives undefined and false for what was never stored', [], async ({ backend }) => {
    assert.equal(await backend.get('missing'), undefined);
    assert.equal(await backend.getEntry('missing'), undefined);
    assert.equal(await backend.has('missing'), false);
    assert.equal(await backend.delete('missing'), false);
  });

  promise('stores a value, replaces it, and removes it', [], async (subject) => {
    const { backend } = subject;
    assert.equal(await backend.set('key', subject.value(1)), true);
    await subject.holds('key', subject.value(1));
    assert.equal(await backend.set('key', subject.value(2)), true);
    await subject.holds('key', subject.value(2));
    assert.equal(await backend.delete('key'), true);
    await subject.misses('key');
    assert.equal(await backend.delete('key'), false);
  });

  promise('keeps empty and falsy values apart from what is missing', [], async (subject) => {
    const { backend } = subject;
    for (const [index, sample] of subject.samples.entries()) {
      const name = `sample ${index}`;
      assert.equal(await backend.set(name, sample), true);
      await subject.holds(name, sample, name);
      subject.same((await backend.getMany([name]))[0], sample, name);
      assert.equal(await backend.delete(name), true, name);
      await subject.misses(name);
    }
  });

  promise('lists and counts entries with empty and falsy values', ['enumerable'], async (subject) => {
    const { backend, samples } = subject;
    await backend.setMany(samples.map((sample, index) => [`sample ${index}`, sample] as const));
    const met = new Map<string, unknown>();
    for await (const [key, value] of backend.entries()) met.set(key, value);
    assert.equal(met.size, samples.length);
    for (const [index, sample] of samples.entries())
      subject.same(met.get(`sample ${index}`), sample, `sample ${index}`);
    assert.equal(await backend.count(), samples.length);
  });

  promise('refuses to store undefined', [], async (subject) => {
    const { backend } = subject;
    await backend.set('key', subject.value(1));
    await rejects(backend.set('key', undefined), INVALID_ARGUMENT, 'set');
    await rejects(backend.setMany([['key', undefined]]), INVALID_ARGUMENT, 'setMany');
    await subject.holds('key', subject.value(1));
  });

  promise('takes text as its UTF-8 and gives Uint8Array, where it holds bytes', [], async (subject) => {
    if (!subject.bytes) return;
    const { backend } = subject;
    await backend.set('text', 'é 😀 \0\n');
    const given = await backend.get('text');
    assert.ok(given instanceof Uint8Array);
    assert.equal(Buffer.from(given).toString(), 'é 😀 \0\n');
    for (const wrong of [1, null, {}, [1], new ArrayBuffer(1)]) {
      await rejects(backend.set('text', wrong), INVALID_ARGUMENT, `set of ${String(wrong)}`);
    }
    await rejects(backend.set('text', '\ud800'), 'KEEPSAKE_ENCODE', 'set of a lone surrogate');
    await subject.holds('text', 'é 😀 \0\n');
  });

  promise("is isolated from the caller's bytes, where it holds bytes", [], async (subject) => {
    if (!subject.bytes) return;
    const { backend } = subject;
    const whole = Buffer.from('[bytes]');
    const bytes = whole.subarray(1, 6);
    await backend.set('one', bytes);
    await backend.setMany([['many', bytes]]);
    whole.fill(0);
    await subject.holds('one', 'bytes', 'after the buffer that was given has changed');
    await subject.holds('many', 'bytes', 'after the buffer that was given has changed');
    const read: unknown[] = [
      await backend.get('one'),
      (await backend.getEntry('one'))?.value,
      ...(await backend.getMany(['one'])),
    ];
    if (subject.capabilities.enumerable) for await (const value of backend.values()) read.push(value);
    for (const value of read) (value as Uint8Array).fill(0);
    await subject.holds('one', 'bytes', 'after a buffer that was read has changed');
  });

  promise('holds a value of a megabyte', [], async (subject) => {
    if (!subject.bytes) return;
    const { backend } = subject;
    const large = Buffer.alloc(2 ** 20, 'keepsake');
    await backend.set('large', large);
    await subject.holds('large', large);
  });

  promise('keeps the last of many writes to a key, and every one to many keys', [], async (subject) => {
    const { backend } = subject;
    const written = Array.from({ length: 50 }, (_, index) => index);
    await Promise.all(written.map((index) => backend.set(`key ${index}`, subject.value(index))));
    for (const index of written) await backend.set('same', subject.value(index));
    for (const index of written) await subject.holds(`key ${index}`, subject.value(index));
    await subject.holds('same', subject.value(49));
  });
}
