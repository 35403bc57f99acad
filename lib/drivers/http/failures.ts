import {
  AccessDeniedError,
  CircuitOpenError,
  ConflictError,
  ConnectionError,
  CorruptDataError,
  DecryptError,
  EncodeError,
  type ErrorDetails,
  InvalidArgumentError,
  InvalidKeyError,
  LockedError,
  NotAnIntegerError,
  OutOfRangeError,
  StorageError,
  TimeoutError,
  UnsupportedError,
} from '../../errors.js';

/** What a server of ours says in the body of an answer that is no success. */
interface Problem {
  readonly code?: unknown;
  readonly message?: unknown;
  readonly retryable?: unknown;
}

type Made = new (message: string, details?: ErrorDetails) => Error;

/** The errors of the server that are those of its client, too. Others are failures of the store. */
const SAME: ReadonlyMap<string, Made> = new Map<string, Made>([
  ['KEEPSAKE_INVALID_KEY', InvalidKeyError],
  ['KEEPSAKE_UNSUPPORTED', UnsupportedError],
  ['KEEPSAKE_CONFLICT', ConflictError],
  ['KEEPSAKE_NOT_AN_INTEGER', NotAnIntegerError],
  ['KEEPSAKE_ENCODE', EncodeError as unknown as Made],
  ['KEEPSAKE_TIMEOUT', TimeoutError],
  ['KEEPSAKE_LOCKED', LockedError],
  ['KEEPSAKE_CIRCUIT_OPEN', CircuitOpenError],
  ['KEEPSAKE_CORRUPT_DATA', CorruptDataError],
  ['KEEPSAKE_DECRYPT', DecryptError],
]);

/** The error that an answer without success stands for. */
export function toError(where: string, response: Response, text: string): Error {
  const { status } = response;
  const { code, message, retryable } = parse(text);
  const why = typeof message === 'string' ? message : `it answers with ${status}`;
  const told = `${where}: ${why}`;
  if (status === 401 || status === 403) return new AccessDeniedError(told);
  if (code === 'KEEPSAKE_INVALID_ARGUMENT') return new InvalidArgumentError(why);
  if (code === 'KEEPSAKE_OUT_OF_RANGE') return new OutOfRangeError(why);
  const Same = typeof code === 'string' ? SAME.get(code) : undefined;
  if (Same !== undefined) return new Same(told, { retryable: retryable === true });
  if (status >= 300 && status < 400) {
    return new ConnectionError(
      `${where}: it answers with a redirect (${status}), which is not followed: give the address that it leads to`,
    );
  }
  if (status === 405) return new UnsupportedError(`${where}: the store there only reads`);
  if (status === 408) return new TimeoutError(told);
  const passing = retryable === true || status === 429 || status === 502 || status === 503 || status === 504;
  return new StorageError(told, { retryable: passing });
}

/** The error of one entry among many. */
export function toEntryError(
  where: string,
  { code, message }: { readonly code?: unknown; readonly message?: unknown },
): Error {
  const Made = code === 'KEEPSAKE_DECRYPT' ? DecryptError : CorruptDataError;
  return new Made(`${where}: ${typeof message === 'string' ? message : 'the entry cannot be read'}`);
}

/** What answers is no server of ours. */
export function notOurs(where: string, response: Response): ConnectionError {
  return new ConnectionError(
    `${where}: what answers there (with ${response.status}) is no keepsake server: check host, port and path`,
  );
}

/** Codes that say that the server has not been reached, so that nothing was sent. */
const UNREACHED = new Set([
  ...['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'EHOSTDOWN', 'ENETUNREACH', 'ENETDOWN', 'ENOENT'],
  ...['UND_ERR_CONNECT_TIMEOUT', 'EADDRNOTAVAIL'],
]);

/** Why `fetch` rejected, and whether the request was surely not sent. */
export function toConnectionError(
  where: string,
  error: unknown,
): { readonly error: ConnectionError; readonly unsent: boolean } {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  const code = codeOf(cause);
  const unsent = code !== undefined && UNREACHED.has(code);
  const why = cause instanceof Error ? cause.message || code : String(cause);
  const tls =
    code !== undefined && /^(ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|HOSTNAME_MISMATCH)/.test(code);
  const after = unsent ? '' : '; what was under way may still take effect';
  return {
    unsent,
    error: new ConnectionError(`${where}: ${tls ? 'TLS failed' : 'the connection failed'}: ${why}${tls ? '' : after}`, {
      retryable: !tls,
      cause: error,
    }),
  };
}

function codeOf(cause: unknown): string | undefined {
  // A host with several addresses fails with the errors of each.
  const one = cause instanceof AggregateError ? cause.errors[0] : cause;
  return one instanceof Error && 'code' in one ? String(one.code) : undefined;
}

function parse(text: string): Problem {
  try {
    const problem: unknown = JSON.parse(text);
    return typeof problem === 'object' && problem !== null ? problem : {};
  } catch {
    return {};
  }
}
