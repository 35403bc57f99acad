import {
  AccessDeniedError,
  ConnectionError,
  CorruptDataError,
  isKeepsakeError,
  StorageError,
  UnsupportedError,
} from '../../errors.js';

/** Codes of the system that say that nobody answers where we knock, or that the line was cut. */
const BROKEN = new Set([
  ...['ECONNREFUSED', 'ECONNRESET', 'ECONNABORTED', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'EHOSTDOWN', 'ENETUNREACH'],
  ...['ENOTFOUND', 'EAI_AGAIN', 'ENOENT', 'ENETDOWN'],
]);

/** Errors of the package `redis`, by the names of their classes, that say the same. */
const CUT = new Set([
  ...['SocketClosedUnexpectedlyError', 'SocketTimeoutError', 'ConnectionTimeoutError', 'ReconnectStrategyError'],
  ...['ClientOfflineError', 'DisconnectsClientError', 'RootNodesUnavailableError', 'TimeoutError'],
]);

/** Answers of a server that will be another one in a while. */
const PASSING = /^(LOADING|BUSY|TRYAGAIN|CLUSTERDOWN|MASTERDOWN|READONLY|NOREPLICAS|UNBLOCKED|ASK|MOVED) /;

/** Says in keepsake's words why a command failed. What is no failure of Redis is given back as it is. */
export function explain(error: unknown, where: string): unknown {
  if (isKeepsakeError(error) || !(error instanceof Error)) return error;
  const code = 'code' in error ? String(error.code) : '';
  const kind = error.constructor.name;
  const why = error.message || code;
  if (BROKEN.has(code) || CUT.has(kind)) {
    return new ConnectionError(`${where}: the connection failed: ${why}; what was under way may still take effect`, {
      retryable: true,
      cause: error,
    });
  }
  if (kind === 'ClientClosedError') {
    return new ConnectionError(`${where}: the client that was given has been closed: open it, or give another`, {
      cause: error,
    });
  }
  if (/^(NOAUTH|WRONGPASS|NOPERM|ERR invalid password|ERR (Client sent )?AUTH|ERR DENIED)/i.test(why)) {
    return new AccessDeniedError(`${where}: the server refuses: ${why}`, { cause: error });
  }
  if (/^WRONGTYPE/.test(why)) {
    return new CorruptDataError(
      `${where}: the key holds no string, so somebody else has stored it; it is left as it is`,
      {
        cause: error,
      },
    );
  }
  if (/unknown command|unknown redis command|^ERR syntax error/i.test(why)) {
    return new UnsupportedError(`${where}: Redis 7.0 or newer, or Valkey, is needed; this server says: ${why}`, {
      cause: error,
    });
  }
  if (/Unknown RESP type|Protocol error/i.test(why)) return notRedis(where, error);
  if (/^(ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|HOSTNAME_MISMATCH)/.test(code)) {
    return new ConnectionError(`${where}: TLS failed: ${why}`, { cause: error });
  }
  return new StorageError(`${where}: ${why}`, { retryable: PASSING.test(why), cause: error });
}

/** What answers does not speak the protocol of Redis. */
export function notRedis(where: string, cause: unknown): ConnectionError {
  return new ConnectionError(`${where}: what answers there does not speak the protocol of Redis: check host and port`, {
    cause,
  });
}
