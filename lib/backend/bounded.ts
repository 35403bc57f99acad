import { defaultMaxListeners, getMaxListeners, setMaxListeners } from 'node:events';
import { InvalidArgumentError, TimeoutError } from '../errors.js';
import { show } from '../show.js';
import type { Awaitable } from './driver.js';

const MANY_LISTENERS = 10_000;

/**
 * Waits for `work` no longer than the signal and the timeout allow. The work itself goes on: it may still take effect.
 * @throws the signal's reason, once it is aborted
 * @throws TimeoutError once `timeout` milliseconds are over
 */
export async function bounded<T>(
  work: () => Awaitable<T>,
  operation: string,
  signal: AbortSignal | undefined,
  timeout: number | undefined,
): Promise<T> {
  checkSignal(signal, operation);
  signal?.throwIfAborted();
  const pending = work();
  if (!(pending instanceof Promise) || (signal === undefined && timeout === undefined)) return pending;
  if (signal?.aborted) {
    // The work itself may abort it, before anybody can listen.
    pending.catch(() => undefined);
    throw signal.reason;
  }
  return new Promise<T>((resolve, reject) => {
    const abort = () => settle(() => reject(signal?.reason));
    const timer =
      timeout === undefined
        ? undefined
        : setTimeout(() => {
            const message = `${operation} took longer than ${timeout} ms; it may still take effect`;
            settle(() => reject(new TimeoutError(message, { operation })));
          }, timeout);
    const settle = (how: () => void) => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
      how();
    };
    if (signal !== undefined) {
      // Many operations may share a signal, each with a listener while it is under way; that is no leak to be warned of.
      if (getMaxListeners(signal) === defaultMaxListeners) setMaxListeners(MANY_LISTENERS, signal);
      signal.addEventListener('abort', abort, { once: true });
    }
    pending.then(
      (value) => settle(() => resolve(value)),
      (error) => settle(() => reject(error)),
    );
  });
}

/** Checks that `signal` is an `AbortSignal`, if it is there. */
export function checkSignal(signal: unknown, operation: string): asserts signal is AbortSignal | undefined {
  if (signal === undefined || signal instanceof AbortSignal) return;
  throw new InvalidArgumentError(`${operation}: signal must be an AbortSignal; got ${show(signal)}`);
}
