import assert from 'node:assert/strict';
import { setTimeout } from 'node:timers/promises';
import type { Backend } from '../backend/backend.js';
import type { KeyChange } from '../backend/driver.js';
import type { Promises } from './promises.js';
import { CLOSED, INVALID_ARGUMENT, rejects } from './rejects.js';
import type { Subject } from './subject.js';

/** The longest that a change may take to be told, in milliseconds. */
const PATIENCE = 20_000;

/** Changes that others make are told. */
export function watching(promise: Promises): void {
  promise('tells what others set and delete', ['watch'], async (subject) => {
    await beside(subject, async (other) => {
      await other.set('kept', subject.value(1));
      await other.set('changed', subject.value(1));
      await other.set('deleted', subject.value(1));
      await using changes = subject.backend.watch();
      await changes.ready();
      await other.set('new', subject.value(2));
      await other.set('changed', subject.value(2));
      await other.delete('deleted');
      const told = await takeUntil(changes, (types) => types.size === 3);
      assert.deepEqual(Object.fromEntries(told), { new: 'set', changed: 'set', deleted: 'delete' });
    });
  });

  promise('tells of a change after another of the same key', ['watch'], async (subject) => {
    await beside(subject, async (other) => {
      await using changes = subject.backend.watch();
      await changes.ready();
      for (const type of ['set', 'delete', 'set'] as const) {
        if (type === 'set') await other.set('key', subject.value(1));
        else await other.delete('key');
        await takeUntil(changes, (types) => types.get('key') === type);
      }
    });
  });

  promise('tells the latest of many changes that nobody has taken yet', ['watch'], async (subject) => {
    await beside(subject, async (other) => {
      for (let index = 0; index < 20; index++) await other.set(`key ${index}`, subject.value(99));
      await using changes = subject.backend.watch();
      await changes.ready();
      for (let round = 0; round < 5; round++) {
        for (let index = 0; index < 20; index++) await other.set(`key ${index}`, subject.value(round));
      }
      for (let index = 0; index < 20; index += 2) await other.delete(`key ${index}`);
      const latest = (types: ReadonlyMap<string, string>) =>
        Array.from({ length: 20 }, (_, index) => types.get(`key ${index}`) === (index % 2 === 0 ? 'delete' : 'set'));
      const told = await takeUntil(changes, (types) => latest(types).every(Boolean));
      assert.equal(told.size, 20);
    });
  });

  promise('tells only of keys with the prefix', ['watch'], async (subject) => {
    await beside(subject, async (other) => {
      await using changes = subject.backend.watch({ prefix: 'us' });
      await changes.ready();
      await other.set('u', subject.value(1));
      await other.set('other', subject.value(1));
      await other.set('user', subject.value(1));
      await other.set('us:deep', subject.value(1));
      const told = await takeUntil(changes, (types) => types.has('user') && types.has('us:deep'));
      assert.deepEqual([...told.keys()].sort(), ['us:deep', 'user']);
    });
  });

  promise('tells a namespace its own keys, and the whole the full ones', ['watch'], async (subject) => {
    await beside(subject, async (other) => {
      await using whole = subject.backend.watch();
      await using inner = subject.backend.namespace('inner').watch({ prefix: 'k' });
      await Promise.all([whole.ready(), inner.ready()]);
      await other.set('inner-outside', subject.value(1));
      await other.set('inner:key', subject.value(1));
      assert.deepEqual([...(await takeUntil(inner, (types) => types.size > 0))], [['key', 'set']]);
      const all = await takeUntil(whole, (types) => types.size === 2);
      assert.deepEqual([...all.keys()].sort(), ['inner-outside', 'inner:key']);
    });
  });

  promise('starts with the first change that is asked for', ['watch'], async (subject) => {
    await beside(subject, async (other) => {
      const changes = subject.backend.watch();
      await other.set('before', subject.value(1));
      const next = changes.next();
      await changes.ready();
      await other.set('after', subject.value(1));
      const first = await inTime(next);
      // An engine may tell a little of what was before.
      if (first.value?.key === 'before') await takeUntil(changes, (types) => types.has('after'));
      else assert.deepEqual(first, { done: false, value: { type: 'set', key: 'after' } });
      await changes.return();
    });
  });

  promise('ends a watch whose loop is left, and others go on', ['watch'], async (subject) => {
    await beside(subject, async (other) => {
      await using staying = subject.backend.watch();
      const left = subject.backend.watch();
      await Promise.all([staying.ready(), left.ready()]);
      await other.set('key', subject.value(1));
      for await (const { key } of left) {
        assert.equal(key, 'key');
        break;
      }
      assert.deepEqual(await left.next(), { done: true, value: undefined });
      await other.set('later', subject.value(1));
      await takeUntil(staying, (types) => types.has('later'));
      const waiting = subject.backend.watch();
      const next = waiting.next();
      await waiting.return();
      assert.deepEqual(await inTime(next), { done: true, value: undefined });
    });
  });

  promise('ends a watch when the backend, or what it is a view on, is closed', ['watch'], async (subject) => {
    const other = await subject.another();
    const view = other.backend.namespace('view');
    const waiting = [other.backend.watch(), other.backend.watch(), view.watch()].map(async (changes) => {
      await changes.ready();
      return changes.next();
    });
    const closedView = other.backend.namespace('closed');
    const changes = closedView.watch();
    await changes.ready();
    const next = changes.next();
    await closedView.close();
    assert.equal((await inTime(next)).done, true);
    await other.backend.close();
    for (const one of waiting) await inTime(one.catch((error) => rejects(Promise.reject(error), CLOSED, 'watch')));
    await other.close();
    await rejects(other.backend.watch().next(), CLOSED, 'watch after close', { operation: 'watch' });
  });

  promise('rejects with the reason of the signal', ['watch'], async (subject) => {
    const reason = new Error('enough');
    const controller = new AbortController();
    const changes = subject.backend.watch({ signal: controller.signal });
    await changes.ready();
    const next = changes.next();
    controller.abort(reason);
    await assert.rejects(inTime(next), (error) => error === reason);
    assert.equal((await changes.next()).done, true);
    await assert.rejects(subject.backend.watch({ signal: controller.signal }).next(), (error) => error === reason);
  });

  promise('refuses a prefix that is none', ['watch'], async ({ backend }) => {
    for (const prefix of [null, 5, '\ud800']) {
      await rejects(() => backend.watch({ prefix: prefix as string }), INVALID_ARGUMENT, `watch of ${prefix}`);
    }
  });
}

async function beside(subject: Subject, body: (other: Backend<unknown>) => Promise<void>): Promise<void> {
  const another = await subject.reopen();
  assert.ok(another, 'give the contract `reopen`, since what is watched is what others change');
  try {
    await body(another.backend);
  } finally {
    await another.close();
  }
}

/** The latest change of each key, taken until it is enough. */
async function takeUntil(
  changes: AsyncIterator<KeyChange>,
  enough: (types: ReadonlyMap<string, KeyChange['type']>) => boolean,
): Promise<ReadonlyMap<string, KeyChange['type']>> {
  const types = new Map<string, KeyChange['type']>();
  while (!enough(types)) {
    const { done, value } = await inTime(changes.next(), () => JSON.stringify(Object.fromEntries(types)));
    if (done) assert.fail('the watch is over');
    types.set(value.key, value.type);
  }
  return types;
}

async function inTime<T>(work: Promise<T>, told: () => string = () => ''): Promise<T> {
  const ended = new AbortController();
  const late = setTimeout(PATIENCE, undefined, { signal: ended.signal }).then(
    () => assert.fail(`nothing more is told in ${PATIENCE} ms ${told()}`),
    () => assert.fail(),
  );
  late.catch(() => undefined);
  try {
    return await Promise.race([work, late]);
  } finally {
    ended.abort();
  }
}
