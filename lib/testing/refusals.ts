import assert from 'node:assert/strict';
import type { Capabilities } from '../backend/capabilities.js';
import { claims, type Need, type Promises } from './promises.js';
import { rejects, UNSUPPORTED } from './rejects.js';
import type { Subject } from './subject.js';

/** What is not claimed is refused, and nothing has happened then. */
export function refusals(promise: Promises): void {
  const refuses = (
    need: Need,
    calls: (subject: Subject, value: unknown) => [string, () => Promise<unknown>][],
  ): void => {
    promise(`refuses what needs ${need}, unless it claims it`, [], async (subject) => {
      if (claims(subject.capabilities, need)) return;
      for (const [operation, call] of calls(subject, subject.value(2))) {
        await rejects(call, UNSUPPORTED, `${operation} without ${need}`, { operation });
      }
      if (subject.capabilities.readable) await subject.misses('key');
    });
  };

  refuses('conditionalSet', ({ backend }, value) => [
    ['set', () => backend.set('key', value, { if: 'absent' })],
    ['set', () => backend.set('key', value, { if: 'present' })],
    ['set', () => backend.set('key', value, { if: { version: '1' } })],
  ]);
  refuses('conditionalDelete', ({ backend }) => [['delete', () => backend.delete('key', { if: { version: '1' } })]]);
  refuses('update', ({ backend }, value) => [['update', () => backend.update('key', () => value)]]);
  refuses('increment', ({ backend }) => [['increment', () => backend.increment('key')]]);
  refuses('touch', ({ backend }) => [
    ['touch', () => backend.touch('key', '1m')],
    ['touch', () => backend.touch('key', null)],
    ['get', () => backend.get('key', { renewFor: '1m' })],
  ]);
  refuses('enumerable', ({ backend }) => [
    ['keys', () => backend.keys().next()],
    ['entries', () => backend.entries().next()],
    ['entries', () => backend.values().next()],
    ['page', () => backend.page()],
    ['count', () => backend.count()],
    ['clear', () => backend.clear()],
  ]);
  refuses('watch', ({ backend }) => [
    ['watch', async () => backend.watch().next()],
    ['watch', async () => backend.watch({ prefix: 'k' }).ready()],
    ['watch', async () => backend.namespace('inner').watch().next()],
  ]);

  promise('states its capabilities in the words of Capabilities', [], async ({ capabilities }) => {
    const levels = ['storage', 'process', 'none'];
    for (const need of ['conditionalSet', 'conditionalDelete', 'update', 'increment', 'touch'] as const) {
      assert.ok(levels.includes(capabilities[need]), `${need} is ${capabilities[need]}`);
    }
    const flags: (keyof Capabilities)[] = [
      'persistent',
      'enumerable',
      'ordered',
      'watch',
      'history',
      'readable',
      'writable',
    ];
    for (const flag of flags) assert.equal(typeof capabilities[flag], 'boolean', flag);
    assert.ok(capabilities.values === 'bytes' || capabilities.values === 'objects');
    assert.ok(capabilities.enumerable || !capabilities.ordered, 'an order needs a listing');
  });

  promise('answers every read with a miss, where it claims not to be readable', ['writable'], async (subject) => {
    if (subject.capabilities.readable) return;
    const { backend } = subject;
    await backend.set('key', subject.value(1));
    await backend.setMany([['other', subject.value(1)]]);
    await subject.misses('key');
    await subject.misses('other');
    if (subject.capabilities.enumerable) assert.equal(await backend.count(), 0);
  });

  promise('refuses or discards every write, where it claims not to be writable', [], async (subject) => {
    if (subject.capabilities.writable) return;
    const { backend } = subject;
    const applied = await backend.set('key', subject.value(1)).catch((error: unknown) => error);
    if (applied instanceof Error) await rejects(Promise.reject(applied), UNSUPPORTED, 'set');
    else assert.equal(applied, false, 'set tells that it was not applied');
    await subject.misses('key');
  });
}
