import { AccessDeniedError, ConnectionError, isKeepsakeError, StorageError } from '../../errors.js';

/** Codes of the system that say that nobody answers where we knock, or that the line was cut. */
const BROKEN = new Set([
  ...['ECONNREFUSED', 'ECONNRESET', 'ECONNABORTED', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'EHOSTDOWN', 'ENETUNREACH'],
  ...['ENOTFOUND', 'EAI_AGAIN', 'ENOENT', 'ENETDOWN'],
]);

/** What a failure means, beside its message. */
export type Meaning = 'connection' | 'denied' | 'passing' | 'other';

/** The code of an error, of the system or of a database; `''` where it has none. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

/** Whether the system says that the connection cannot be made, or is cut. */
export function isCut(error: unknown): boolean {
  return BROKEN.has(codeOf(error));
}

/** Says in keepsake's words why something failed. What is no failure of a database is given back as it is. */
export function explain(error: unknown, where: string, meaning: Meaning): unknown {
  if (isKeepsakeError(error) || !(error instanceof Error)) return error;
  // An error of all addresses of a name has no message of its own.
  const why = error.message || codeOf(error);
  switch (meaning) {
    case 'connection':
      return new ConnectionError(`${where}: the connection failed: ${why}; what was under way may still take effect`, {
        retryable: true,
        cause: error,
      });
    case 'denied':
      return new AccessDeniedError(`${where}: the server refuses: ${why}`, { cause: error });
    default:
      return new StorageError(`${where}: ${why}`, { retryable: meaning === 'passing', cause: error });
  }
}
