import {
  AccessDeniedError,
  ConnectionError,
  isKeepsakeError,
  StorageError,
  TimeoutError,
  UnsupportedError,
} from '../../errors.js';

/** The code of a server that has the key already. */
const DUPLICATE = 11000;
/** Codes of a server that knows the user or the password not, or does not let that user do it. */
const DENIED = new Set([13, 18, 31, 8000]);
/** Codes of a server that will be another one in a while, or has too much to do: as the package tries again by itself. */
const PASSING = new Set([6, 7, 89, 91, 112, 134, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436]);

/** Classes of the package that say that nobody answers, or not as MongoDB does. */
const BROKEN = /ServerSelection|Network|PoolCleared|PoolClosed|Topology|NotConnected|Parse|DecompressedSize/;

/** Codes of the system and of Node's streams that say the same; and what stands in messages, for those who hand only these on. */
const BROKEN_CODE = /^(ECONN|EPIPE|ETIMEDOUT|EHOST|ENET|ENOTFOUND|EAI_|ERR_STREAM)/;
const BROKEN_WORDS =
  /\b(ECONN[A-Z]+|EPIPE|ETIMEDOUT)\b|^connection .* closed|connection pool .* cleared|socket has been ended|write after|stream was destroyed/i;

/** Whether a write found the key there that it was to create. */
export function isDuplicate(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === DUPLICATE;
}

/** Says in keepsake's words why a request failed. */
export function explain(error: unknown, where: string): unknown {
  if (isKeepsakeError(error) || !(error instanceof Error)) return error;
  // The classes may be of another copy of the package.
  const kind = error.name;
  const code = 'code' in error ? Number(error.code) : Number.NaN;
  const why = error.message;
  if (DENIED.has(code) || /auth(entication|orization)? failed|not authorized|requires authentication/i.test(why)) {
    return new AccessDeniedError(`${where}: the server refuses: ${why}`, { cause: error });
  }
  // What failed while many were written is known by its words alone.
  if (/NetworkTimeout|OperationTimeout|WaitQueueTimeout/.test(kind) || /^Timed out while|timed out$/.test(why)) {
    return new TimeoutError(`${where} did not answer in time: ${why}`, { cause: error });
  }
  // A connection that broke before it was secure is one that broke.
  if (/certificate|self-signed|SSL routines|TLS/i.test(why) && !/disconnected before/.test(why)) {
    return new ConnectionError(`${where}: TLS failed: ${why}`, { cause: error });
  }
  const system = 'code' in error ? String(error.code) : '';
  if (BROKEN.test(kind) || BROKEN_CODE.test(system) || BROKEN_WORDS.test(why)) {
    return new ConnectionError(`${where}: the connection failed: ${why}; what was under way may still take effect`, {
      retryable: true,
      cause: error,
    });
  }
  if (/ClientClosed/.test(kind)) {
    return new ConnectionError(`${where}: the client that was given has been closed: open it, or give another`, {
      cause: error,
    });
  }
  if (code === 59 || code === 115) {
    return new UnsupportedError(`${where}: the server does not know how: ${why}`, { cause: error });
  }
  return new StorageError(`${where}: ${why}`, { retryable: PASSING.has(code), cause: error });
}
