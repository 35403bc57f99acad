import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import { allMethods, type Call, keylessMethods } from './methods.js';
import type { Promises } from './promises.js';
import { INVALID_ARGUMENT, rejects } from './rejects.js';
import { all, type Subject } from './subject.js';

/** Every method takes a `signal`. */
export function signals(promise: Promises): void {
  promise('rejects with the reason of a signal that is aborted, and does nothing', [], async (subject) => {
    const reason = new Error('enough');
    for (const { operation, call } of everyMethod(subject, AbortSignal.abort(reason))) {
      assert.equal(await failure(call), reason, operation);
    }
    await subject.misses('key');
    await subject.misses('good');
  });

  promise('rejects with the reason as soon as the signal is aborted', [], async (subject) => {
    const reason = { any: 'reason' };
    const controller = new AbortController();
    const pending = everyMethod(subject, controller.signal).map(
      ({ operation, call }) => [operation, failure(call)] as const,
    );
    controller.abort(reason);
    for (const [operation, failed] of pending) assert.equal(await failed, reason, operation);
    // What was given up may still take effect, such as a clear; it must not disturb what follows for long.
    let found: unknown;
    for (let tries = 0; tries < 500 && found === undefined; tries++) {
      await subject.backend.set('later', subject.value(1));
      await setTimeout(1);
      found = await subject.backend.get('later');
    }
    subject.same(found, subject.value(1), 'later');
  });

  promise('stops a listing when the signal is aborted on the way', ['enumerable'], async (subject) => {
    const { backend } = subject;
    await backend.setMany(Array.from({ length: 30 }, (_, index) => [`key ${index}`, subject.value(index)] as const));
    const reason = new Error('enough');
    for (const list of [backend.keys, backend.entries, backend.values]) {
      const controller = new AbortController();
      let met = 0;
      const failed = await failure(async () => {
        for await (const _ of list.call(backend, { signal: controller.signal }))
          if (++met === 3) controller.abort(reason);
      });
      assert.equal(failed, reason);
      assert.equal(met, 3, 'nothing is yielded after the abort');
    }
  });

  promise('leaves no listener on a signal that goes on', [], async (subject) => {
    const { signal } = new AbortController();
    for (const { call } of everyMethod(subject, signal)) await call().catch(() => undefined);
    if (subject.capabilities.enumerable) {
      await all(subject.backend.keys({ signal }));
      for await (const _ of subject.backend.entries({ signal })) break;
    }
    await subject.backend.get('', { signal }).catch(() => undefined);
    assert.equal(getEventListeners(signal, 'abort').length, 0);
  });

  promise('refuses a signal that is none', [], async (subject) => {
    for (const signal of [null, {}, 'signal', { aborted: false }]) {
      for (const { operation, call } of everyMethod(subject, signal as AbortSignal)) {
        await rejects(call, INVALID_ARGUMENT, `${operation} with signal ${JSON.stringify(signal)}`);
      }
    }
  });
}

function everyMethod(subject: Subject, signal: AbortSignal): Call[] {
  return [...allMethods(subject, 'key', { signal }), ...keylessMethods(subject, { signal })];
}

async function failure(call: () => Promise<unknown>): Promise<unknown> {
  try {
    await call();
  } catch (error) {
    return error;
  }
  return assert.fail('resolves though its signal is aborted');
}
