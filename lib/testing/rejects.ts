import assert from 'node:assert/strict';
import { inspect } from 'node:util';

/** What else an error must carry. */
interface Expected {
  readonly operation?: string;
  readonly key?: string;
}

/**
 * The promise, or what the function gives, rejects with the error of this code. Errors are told by their code, so that a driver may
 * come with another copy of keepsake.
 */
export async function rejects(
  work: Promise<unknown> | (() => unknown),
  code: string,
  message: string,
  expected: Expected = {},
): Promise<void> {
  let result: unknown;
  try {
    result = await (typeof work === 'function' ? work() : work);
  } catch (error) {
    assert.ok(error instanceof Error, `${message}: rejects with an Error`);
    const found = error as Error & { code?: unknown; operation?: unknown; key?: unknown };
    assert.equal(found.code, code, `${message}: rejects with ${code}; got ${error}`);
    if (code === INVALID_ARGUMENT) assert.ok(error instanceof TypeError, `${message}: ${code} is a TypeError`);
    if (code === OUT_OF_RANGE) assert.ok(error instanceof RangeError, `${message}: ${code} is a RangeError`);
    if (expected.operation !== undefined) assert.equal(found.operation, expected.operation, `${message}: operation`);
    if (expected.key !== undefined) assert.equal(found.key, expected.key, `${message}: key`);
    return;
  }
  assert.fail(`${message}: should reject with ${code}, yet gave ${inspect(result)}`);
}

export const INVALID_ARGUMENT = 'KEEPSAKE_INVALID_ARGUMENT';
export const OUT_OF_RANGE = 'KEEPSAKE_OUT_OF_RANGE';
export const INVALID_KEY = 'KEEPSAKE_INVALID_KEY';
export const INVALID_NAMESPACE = 'KEEPSAKE_INVALID_NAMESPACE';
export const UNSUPPORTED = 'KEEPSAKE_UNSUPPORTED';
export const CLOSED = 'KEEPSAKE_CLOSED';
export const NOT_AN_INTEGER = 'KEEPSAKE_NOT_AN_INTEGER';
