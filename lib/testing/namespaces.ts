import assert from 'node:assert/strict';
import type { Promises } from './promises.js';
import { INVALID_KEY, INVALID_NAMESPACE, rejects } from './rejects.js';
import { all, allPages, sorted } from './subject.js';

/** A namespace is a view on the keys that start with `name:`, and on no others. */
export function namespaces(promise: Promises): void {
  const siblings = ['foo', 'foobar', 'foo.bar', 'foo-bar', 'foo_bar', 'fo', 'FOO', '0', '__proto__'];

  promise('keeps siblings apart, and gives the whole their full keys', [], async (subject) => {
    const { backend } = subject;
    for (const [index, name] of siblings.entries()) await backend.namespace(name).set('key', subject.value(index));
    for (const [index, name] of siblings.entries()) {
      subject.same(await backend.namespace(name).get('key'), subject.value(index), name);
      await subject.holds(`${name}:key`, subject.value(index));
    }
    await subject.misses('key');
    await backend.set('foo:from outside', subject.value(1));
    subject.same(await backend.namespace('foo').get('from outside'), subject.value(1));
  });

  promise('nests', [], async (subject) => {
    const { backend } = subject;
    const inner = backend.namespace('a').namespace('b').namespace('c');
    await inner.set('key', subject.value(1));
    await subject.holds('a:b:c:key', subject.value(1));
    subject.same(await backend.namespace('a').get('b:c:key'), subject.value(1));
    subject.same(await inner.get('key'), subject.value(1));
    assert.equal(await backend.namespace('a').get('key'), undefined);
    assert.equal(await inner.delete('key'), true);
    await subject.misses('a:b:c:key');
  });

  promise('holds an entry under the name of a namespace beside it', [], async (subject) => {
    const { backend } = subject;
    await backend.namespace('foo').set('bar', subject.value(1));
    await backend.set('foo', subject.value(2));
    await backend.set('foo:', subject.value(3));
    await backend.namespace('foo').namespace('bar').set('baz', subject.value(4));
    subject.same(await backend.namespace('foo').get('bar'), subject.value(1));
    await subject.holds('foo', subject.value(2));
    await subject.holds('foo:', subject.value(3));
    await subject.holds('foo:bar:baz', subject.value(4));
  });

  promise('clears exactly its own', ['enumerable'], async (subject) => {
    const { backend } = subject;
    const foreign = ['foo', 'key', 'foo%', 'fo', 'foobar', 'xfoo:key', 'foo.:key', 'f:oo:key', ':foo:key'];
    const store = async () => {
      for (const name of siblings)
        await backend.namespace(name).setMany([
          ['key', subject.value(1)],
          ['a:b', subject.value(2)],
        ]);
      await backend.setMany(foreign.map((key) => [key, subject.value(3)] as const));
    };
    for (const cleared of siblings) {
      await store();
      await backend.namespace(cleared).clear();
      const others = siblings.filter((name) => name !== cleared).flatMap((name) => [`${name}:key`, `${name}:a:b`]);
      assert.deepEqual(sorted(await all(backend.keys())), sorted([...others, ...foreign]), `after clear of ${cleared}`);
      assert.equal(await backend.namespace(cleared).count(), 0);
    }
    await store();
    await backend.namespace('foo').clear({ prefix: 'a' });
    assert.deepEqual(await all(backend.namespace('foo').keys()), ['key']);
    await backend.clear();
    assert.equal(await backend.count(), 0);
    for (const name of siblings)
      assert.equal(await backend.namespace(name).has('key'), false, `${name} after clear of the whole`);
  });

  promise('lists and counts its own, without their prefix', ['enumerable'], async (subject) => {
    const { backend } = subject;
    const view = backend.namespace('view');
    const stored = Array.from({ length: 30 }, (_, index) => `key ${String(index).padStart(2, '0')}`);
    await view.setMany(stored.map((key, index) => [key, subject.value(index)] as const));
    await backend.set('key 00', subject.value(1));
    await backend.namespace('viewer').set('key 00', subject.value(1));
    assert.deepEqual(sorted(await all(view.keys())), stored);
    assert.deepEqual(sorted(await all(view.keys({ prefix: 'key 1' }))), stored.slice(10, 20));
    assert.equal(await view.count(), 30);
    assert.equal(await view.count({ prefix: 'key 1' }), 10);
    assert.equal(await backend.count(), 32);
    assert.equal(await backend.count({ prefix: 'view:' }), 30);
    for await (const [key, value] of view) subject.same(value, subject.value(stored.indexOf(key)), key);
    const paged = await allPages(subject.on(view), { limit: 7 });
    assert.deepEqual(sorted(new Set(paged)), stored);
  });

  promise('takes many keys in a view', [], async (subject) => {
    const { backend } = subject;
    const view = backend.namespace('view');
    await view.setMany([
      ['a', subject.value(1)],
      ['b', subject.value(2)],
    ]);
    await backend.set('a', subject.value(3));
    const read = await view.getMany(['b', 'c', 'a']);
    subject.same(read[0], subject.value(2));
    assert.equal(read[1], undefined);
    subject.same(read[2], subject.value(1));
    assert.equal(await view.deleteMany(['a', 'b', 'c']), 2);
    await subject.holds('a', subject.value(3));
    await subject.misses('view:b');
  });

  promise('counts its prefix towards the limit of a key', [], async (subject) => {
    const { backend, keyLimit } = subject;
    const view = backend.namespace('1234567');
    const longest = 'k'.repeat(keyLimit - 8);
    await view.set(longest, subject.value(1));
    subject.same(await view.get(longest), subject.value(1));
    await rejects(view.set(`${longest}k`, subject.value(1)), INVALID_KEY, 'a key past the limit', { operation: 'set' });
  });

  promise('names the key that the caller gave in errors', ['increment'], async (subject) => {
    const view = subject.backend.namespace('view');
    await view.set('key', subject.value(1));
    await rejects(view.increment('key'), 'KEEPSAKE_NOT_AN_INTEGER', 'increment', {
      operation: 'increment',
      key: 'key',
    });
  });

  promise('refuses names that are not [A-Za-z0-9_-][A-Za-z0-9_.-]*', [], async ({ backend }) => {
    for (const name of ['', '.', '..', '.a', 'a:b', ':', 'a/b', 'a b', 'a\n', 'é', '*', 'a\0', undefined, null, 1]) {
      await rejects(
        async () => backend.namespace(name as string),
        INVALID_NAMESPACE,
        `namespace ${JSON.stringify(name)}`,
      );
    }
  });
}
