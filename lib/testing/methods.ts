import type { Watch } from '../backend/watch.js';
import { claims, type Need } from './promises.js';
import type { Subject } from './subject.js';

/** One call of a method. */
export interface Call {
  /** The method's name, as its errors give it. */
  readonly operation: string;
  /** Whether it takes many keys, so that its errors name none of them. */
  readonly many: boolean;
  readonly call: () => Promise<unknown>;
}

interface Options {
  readonly signal?: AbortSignal;
}

/** A call, with `key`, of every method that takes one and that the backend claims. */
export function allMethods(subject: Subject, key: string, options: Options = {}): Call[] {
  const { backend } = subject;
  const value = subject.value(1);
  const renewFor = 60_000;
  const calls: [operation: string, need: Need | undefined, call: () => Promise<unknown>][] = [
    ['get', undefined, () => backend.get(key, options)],
    ['getEntry', undefined, () => backend.getEntry(key, options)],
    ['has', undefined, () => backend.has(key, options)],
    ['set', undefined, () => backend.set(key, value, options)],
    ['set', undefined, () => backend.set(key, value, { ...options, ttl: '1m' })],
    ['delete', undefined, () => backend.delete(key, options)],
    ['getMany', undefined, () => backend.getMany(['good', key], options)],
    [
      'setMany',
      undefined,
      () =>
        backend.setMany(
          [
            ['good', value],
            [key, value],
          ],
          options,
        ),
    ],
    ['deleteMany', undefined, () => backend.deleteMany(['good', key], options)],
    ['get', 'touch', () => backend.get(key, { ...options, renewFor })],
    ['touch', 'touch', () => backend.touch(key, '1m', options)],
    ['update', 'update', () => backend.update(key, () => value, options)],
    ['increment', 'increment', () => backend.increment(key, 1, options)],
    ['set', 'conditionalSet', () => backend.set(key, value, { ...options, if: 'absent' })],
    ['delete', 'conditionalDelete', () => backend.delete(key, { ...options, if: { version: 'x' } })],
  ];
  return calls
    .filter(([, need]) => need === undefined || claims(subject.capabilities, need))
    .map(([operation, , call]) => ({ operation, many: operation.endsWith('Many'), call }));
}

/** A call of every method that needs no key and that the backend claims. */
export function keylessMethods(subject: Subject, options: Options = {}): Call[] {
  const { backend } = subject;
  const calls: [operation: string, need: Need | undefined, call: () => Promise<unknown>][] = [
    ['open', undefined, () => backend.open(options)],
    ['deleteExpired', undefined, () => backend.deleteExpired(options)],
    ['getMany', undefined, () => backend.getMany([], options)],
    ['setMany', undefined, () => backend.setMany([], options)],
    ['deleteMany', undefined, () => backend.deleteMany([], options)],
    ['keys', 'enumerable', () => backend.keys(options).next()],
    ['entries', 'enumerable', () => backend.entries(options).next()],
    ['entries', 'enumerable', () => backend.values(options).next()],
    ['page', 'enumerable', () => backend.page(options)],
    ['count', 'enumerable', () => backend.count(options)],
    ['clear', 'enumerable', () => backend.clear(options)],
    ['watch', 'watch', () => watched(backend.watch(options))],
  ];
  return calls
    .filter(([, need]) => need === undefined || claims(subject.capabilities, need))
    .map(([operation, , call]) => ({ operation, many: true, call }));
}

async function watched(changes: Watch): Promise<void> {
  try {
    await changes.ready();
  } finally {
    await changes.return();
  }
}
