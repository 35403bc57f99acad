import { isKeepsakeError, KeepsakeError } from '../errors.js';

/** A request that is answered with a status other than success, and why. */
export class Refusal extends Error {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(statusCode: number, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.statusCode = statusCode;
    this.headers = headers;
  }
}

/** The body of an answer that is no success. */
export interface Problem {
  readonly statusCode: number;
  /** The code of keepsake's error, where it is one. */
  readonly code?: string | undefined;
  readonly message: string;
  /** Whether the same request may succeed when made again. */
  readonly retryable?: true | undefined;
}

/** The statuses of errors that the caller can do something about, or that pass. */
const STATUSES: ReadonlyMap<string, number> = new Map([
  ['KEEPSAKE_INVALID_KEY', 400],
  ['KEEPSAKE_INVALID_ARGUMENT', 400],
  ['KEEPSAKE_OUT_OF_RANGE', 400],
  ['KEEPSAKE_ENCODE', 400],
  ['KEEPSAKE_NOT_AN_INTEGER', 409],
  ['KEEPSAKE_CONFLICT', 409],
  ['KEEPSAKE_UNSUPPORTED', 501],
  ['KEEPSAKE_CLOSED', 503],
  ['KEEPSAKE_CONNECTION', 503],
  ['KEEPSAKE_CIRCUIT_OPEN', 503],
  ['KEEPSAKE_LOCKED', 503],
  ['KEEPSAKE_TIMEOUT', 504],
]);

/** What is answered where work rejects. What is wrong inside is not told: messages may name files, hosts and users. */
export function toProblem(error: unknown): Problem {
  if (isKeepsakeError(error)) {
    const retryable = error instanceof KeepsakeError && error.retryable;
    const statusCode = STATUSES.get(error.code) ?? (retryable ? 503 : 500);
    const message =
      statusCode < 500 || statusCode === 501 ? error.message : 'the store failed; the log of the server says why';
    return { statusCode, code: error.code, message, ...(retryable ? { retryable } : undefined) };
  }
  const statusCode = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : 500;
  if (statusCode >= 400 && statusCode < 500) return { statusCode, message: (error as Error).message };
  return { statusCode: 500, message: 'the server failed; its log says why' };
}
