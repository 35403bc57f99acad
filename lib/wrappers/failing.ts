import { isKeepsakeError } from '../errors.js';

/** What says that the call was wrong, or met data or others in its way; another backend, or another try, would answer the same. */
const ANSWERS: ReadonlySet<string> = new Set([
  'KEEPSAKE_INVALID_ARGUMENT',
  'KEEPSAKE_OUT_OF_RANGE',
  'KEEPSAKE_INVALID_KEY',
  'KEEPSAKE_INVALID_NAMESPACE',
  'KEEPSAKE_UNSUPPORTED',
  'KEEPSAKE_ENCODE',
  'KEEPSAKE_NOT_AN_INTEGER',
  'KEEPSAKE_CONFLICT',
]);

/** Whether an error says that the backend failed, rather than that it was asked for something wrong. */
export function isFailure(error: unknown): boolean {
  // What a caller's own function threw within `update` arrives as something else than an error.
  return error instanceof Error && !(isKeepsakeError(error) && ANSWERS.has(error.code));
}
