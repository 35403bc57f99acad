import assert from 'node:assert/strict';
import type { Promises } from './promises.js';
import type { Subject } from './subject.js';

/** A version names a value: equal versions, equal values. */
export function versions(promise: Promises): void {
  promise('gives another version for another value, however fast they follow', ['conditionalSet'], async (subject) => {
    const { backend } = subject;
    const known = new Map<string, unknown>();
    for (let index = 0; index < 60; index++) {
      const value = subject.value(index % 7);
      await backend.set('key', value);
      learn(subject, known, await version(subject, 'key'), value);
    }
  });

  promise('never gives a version again for another value after a removal', ['conditionalSet'], async (subject) => {
    const { backend } = subject;
    const known = new Map<string, unknown>();
    for (let index = 0; index < 12; index++) {
      const value = subject.value(index);
      await backend.set('key', value, index % 3 === 0 ? { ttl: subject.short } : {});
      learn(subject, known, await version(subject, 'key'), value);
      if (index % 3 === 0) await subject.pass(subject.short);
      else if (index % 3 === 1) await backend.delete('key');
      else if (subject.capabilities.enumerable) await backend.clear();
    }
  });

  promise('keeps the version while the value stays', ['conditionalSet', 'touch'], async (subject) => {
    const { backend } = subject;
    await backend.set('key', subject.value(1), { ttl: '1h' });
    const first = await version(subject, 'key');
    assert.equal(await version(subject, 'key'), first);
    await backend.touch('key', '2h');
    assert.equal(await version(subject, 'key'), first, 'after touch');
    await backend.get('key', { renewFor: '3h' });
    assert.equal(await version(subject, 'key'), first, 'after renewFor');
    await backend.touch('key', null);
    assert.equal(await version(subject, 'key'), first, 'after touch with null');
    assert.equal(await backend.set('key', subject.value(2), { if: { version: first } }), true);
  });

  promise(
    'gives another version after update and increment',
    ['conditionalSet', 'update', 'increment'],
    async (subject) => {
      const { backend } = subject;
      await backend.set('key', subject.value(1));
      const first = await version(subject, 'key');
      await backend.update('key', () => subject.value(2));
      assert.notEqual(await version(subject, 'key'), first);
      await backend.increment('counter');
      const one = await version(subject, 'counter');
      await backend.increment('counter');
      assert.notEqual(await version(subject, 'counter'), one);
    },
  );
}

/** The version of an entry that must be there. */
export async function version({ backend }: Subject, key: string): Promise<string> {
  const entry = await backend.getEntry(key);
  assert.equal(typeof entry?.version, 'string', 'an entry has a version where conditions are claimed');
  return entry?.version as string;
}

function learn(subject: Subject, known: Map<string, unknown>, name: string, value: unknown): void {
  if (known.has(name)) subject.equal(known.get(name), value, `version ${name} names one value`);
  known.set(name, value);
}
