import { InvalidArgumentError, TimeoutError } from '../errors.js';
import { show } from '../show.js';
import type { Awaitable } from './driver.js';

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
    const ignoreSignal = onAbort(signal, () => settle(() => reject(signal?.reason)));
    const timer =
      timeout === undefined
        ? undefined
        : setTimeout(() => {
            const message = `${operation} took longer than ${timeout} ms; it may still take effect`;
            settle(() => reject(new TimeoutError(message, { operation })));
          }, timeout);
    const settle = (how: () => void) => {
      clearTimeout(timer);
      ignoreSignal();
      how();
    };
    pending.then(
      (value) => settle(() => resolve(value)),
      (error) => settle(() => reject(error)),
    );
  });
}

interface Listeners {
  readonly callbacks: Set<() => void>;
  readonly listener: () => void;
}

const listeners = new WeakMap<AbortSignal, Listeners>();

/**
 * Calls back when the signal is aborted, until the function it returns is called. All that wait for one signal share a listener: Node warns of a leak when
 * there are more than ten.
 */
export function onAbort(signal: AbortSignal | undefined, callback: () => void): () => void {
  if (signal === undefined) return () => undefined;
  const { callbacks, listener } = listeners.get(signal) ?? listen(signal);
  callbacks.add(callback);
  return () => {
    // Called again when work that was given up ends after all, when the signal may have another listener.
    if (!callbacks.delete(callback) || callbacks.size > 0) return;
    signal.removeEventListener('abort', listener);
    listeners.delete(signal);
  };
}

function listen(signal: AbortSignal): Listeners {
  const callbacks = new Set<() => void>();
  const listener = () => {
    for (const callback of [...callbacks]) callback();
  };
  const added = { callbacks, listener };
  signal.addEventListener('abort', listener, { once: true });
  listeners.set(signal, added);
  return added;
}

/** Checks that `signal` is an `AbortSignal`, if it is there. */
export function checkSignal(signal: unknown, operation: string): asserts signal is AbortSignal | undefined {
  if (signal === undefined || signal instanceof AbortSignal) return;
  throw new InvalidArgumentError(`${operation}: signal must be an AbortSignal; got ${show(signal)}`);
}
