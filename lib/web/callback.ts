/** What a framework is told by: an error, or else the answer. */
export type Callback<T> = (error: Error | null, answer?: T) => void;

/**
 * Tells a callback how a promise ended, outside of the promise: what the callback throws is an exception of its own, and no rejection that
 * would be taken for the store's. Without a callback, a failure becomes a process warning.
 */
export function answer<T>(promise: Promise<T>, callback: Callback<T> | undefined): void {
  promise.then(
    (value) => {
      if (callback !== undefined) process.nextTick(callback, null, value);
    },
    (error: unknown) => {
      if (callback !== undefined) process.nextTick(callback, toError(error));
      else warn(error);
    },
  );
}

/** Says by a process warning what nobody else would be told. */
export function warn(error: unknown): void {
  const { message, code } = toError(error);
  process.emitWarning(message, { type: 'KeepsakeWarning', ...(typeof code === 'string' ? { code } : {}) });
}

function toError(error: unknown): Error & { readonly code?: unknown } {
  return error instanceof Error ? error : new Error(String(error), { cause: error });
}
