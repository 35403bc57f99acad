import assert from 'node:assert/strict';
import { setTimeout } from 'node:timers/promises';
import { allMethods, keylessMethods } from './methods.js';
import type { Promises } from './promises.js';
import { CLOSED, rejects } from './rejects.js';

/** Backends open by themselves, and close once. */
export function lifecycle(promise: Promises): void {
  promise('opens by itself, for many callers at once', [], async (subject) => {
    const { backend } = subject;
    await Promise.all(Array.from({ length: 10 }, (_, index) => backend.set(`key ${index}`, subject.value(index))));
    assert.equal(await backend.open(), backend);
    assert.equal(await backend.open(), backend);
    await subject.holds('key 9', subject.value(9));
  });

  promise('has frozen capabilities and a name', [], async ({ backend, capabilities }) => {
    assert.ok(Object.isFrozen(capabilities));
    assert.equal(backend.capabilities, capabilities);
    assert.ok(backend.name.length > 0);
    assert.equal(backend.capabilities.readable, true);
  });

  promise('closes once, however often it is asked, opened or not', [], async (subject) => {
    const unopened = await subject.another();
    await Promise.all([unopened.close(), unopened.close()]);
    await unopened.close();
    await rejects(unopened.backend.get('key'), CLOSED, 'get after close');
    const opened = await subject.another();
    await opened.backend.set('key', subject.value(1));
    await Promise.all([opened.backend.close(), opened.backend.close()]);
    await opened.backend.close();
    await opened.close();
  });

  promise('rejects every method once close is called', [], async (subject) => {
    const other = await subject.another();
    const closed = subject.on(other.backend);
    await closed.backend.set('key', subject.value(1));
    const closing = closed.backend.close();
    await rejects(closed.backend.get('key'), CLOSED, 'get while closing', { operation: 'get' });
    await rejects(closed.backend.set('key', subject.value(1)), CLOSED, 'set while closing', { operation: 'set' });
    await closing;
    for (const { operation, call } of [...allMethods(closed, 'key'), ...keylessMethods(closed)]) {
      await rejects(call, CLOSED, `${operation} after close`, { operation });
    }
    await rejects(closed.backend.namespace('view').get('key'), CLOSED, 'get of a view made after close');
    await other.close();
  });

  promise('closes a namespace without what it is a view on, and with it', [], async (subject) => {
    const other = await subject.another();
    const { backend } = other;
    const closed = backend.namespace('closed');
    const open = backend.namespace('open');
    await closed.set('key', subject.value(1));
    await open.set('key', subject.value(1));
    await closed.close();
    await rejects(closed.get('key'), CLOSED, 'get of the closed view');
    subject.same(await backend.get('closed:key'), subject.value(1));
    subject.same(await backend.namespace('closed').get('key'), subject.value(1), 'another view of that name is open');
    await backend.close();
    await rejects(open.get('key'), CLOSED, 'get of a view whose whole is closed');
    await rejects(open.namespace('deep').set('key', subject.value(1)), CLOSED, 'set of a view of a view');
    await open.close();
    await other.close();
  });

  promise('ends what is under way when it is closed', [], async (subject) => {
    for (let round = 0; round < 5; round++) {
      const other = await subject.another();
      const { backend } = other;
      if (round % 2 === 0) await backend.open();
      const pending = Array.from({ length: 20 }, (_, index) => [
        backend.set(`key ${index}`, subject.value(index)),
        backend.get(`key ${index}`),
      ]).flat();
      const closing = other.close();
      for (const result of await Promise.allSettled(pending)) {
        if (result.status === 'rejected') await rejects(Promise.reject(result.reason), CLOSED, 'what is under way');
      }
      await closing;
    }
  });

  promise('leaves no timer, socket or handle behind', [], async (subject) => {
    await subject.backend.open();
    const before = resources();
    const other = await subject.another();
    const used = subject.on(other.backend);
    for (const { call } of [...allMethods(used, 'key'), ...keylessMethods(used)]) await call().catch(() => undefined);
    await used.backend.set('expires', subject.value(1), { ttl: '1h' });
    await other.close();
    for (let waited = 0; waited < 100 && leftOver(before).length > 0; waited++) await setTimeout(10);
    assert.deepEqual(leftOver(before), [], 'what keeps the process alive after close');
  });
}

function resources(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const type of process.getActiveResourcesInfo()) counts.set(type, (counts.get(type) ?? 0) + 1);
  return counts;
}

function leftOver(before: Map<string, number>): string[] {
  const more = [...resources()].filter(([type, count]) => count > (before.get(type) ?? 0));
  return more.map(([type, count]) => `${count - (before.get(type) ?? 0)} × ${type}`);
}
