import {
  AccessDeniedError,
  ConnectionError,
  InvalidKeyError,
  isKeepsakeError,
  StorageError,
  TimeoutError,
  UnsupportedError,
} from '../../errors.js';

/** What is known of an error of the SDK. */
interface Failure extends Error {
  readonly code?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: number; readonly requestId?: string; readonly attempts?: number };
  readonly $response?: unknown;
}

/** Codes of the system and of Node's HTTP client that say that nobody answers, or not in HTTP. */
const BROKEN =
  /^(ECONN|EPIPE|ETIMEDOUT|EHOST|ENET|ENOTFOUND|EAI_|HPE_|ERR_STREAM_PREMATURE_CLOSE|ABORT_ERR|ERR_HTTP|ENOENT)/;
const TLS = /^(ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|HOSTNAME_MISMATCH|EPROTO)/;
const DENIED =
  /^(AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|InvalidToken|Forbidden|AllAccessDisabled|AccountProblem|CredentialsProviderError|TokenProviderError)/;
const PASSING = new Set([429, 500, 502, 503, 504]);

/** The status of an answer that says no. */
export function statusOf(error: unknown): number | undefined {
  return (error as Failure | undefined)?.$metadata?.httpStatusCode;
}

/** Whether an answer says that the object, or the bucket, is not there. */
export function isMissing(error: unknown): boolean {
  return statusOf(error) === 404 && (error as Failure).name !== 'NoSuchBucket';
}

/** Whether an answer says that a condition was not met, or that somebody else was writing. Nothing was stored then. */
export function isLost(error: unknown): boolean {
  const status = statusOf(error);
  const { name, $metadata } = error as Failure;
  if (status === 412 || isMissing(error)) return true;
  if (status === 409) return name === 'ConditionalRequestConflict';
  // What the gateway of Ceph says of a conditional write that it cancelled because another one came first.
  return status === 500 && name === 'UnknownError' && /^tx0/.test($metadata?.requestId ?? '');
}

/** Whether the SDK has asked more than once, so that the first answer may be lost. */
export function wasRepeated(answer: unknown): boolean {
  return ((answer as Failure).$metadata?.attempts ?? 1) > 1;
}

/** Says in keepsake's words why a request failed. */
export function explain(error: unknown, where: string): unknown {
  if (isKeepsakeError(error) || !(error instanceof Error)) return error;
  const failure = error as Failure;
  const code = String(failure.code ?? '');
  const why = `${failure.name}: ${failure.message || code}`;
  const status = statusOf(error);
  if (TLS.test(code)) return new ConnectionError(`${where}: TLS failed: ${why}`, { cause: error });
  if (failure.name === 'TimeoutError') return new TimeoutError(`${where} did not answer in time: ${why}`, { cause: error });
  if (DENIED.test(failure.name) || status === 401 || status === 403) {
    return new AccessDeniedError(`${where}: the server refuses: ${why}`, { cause: error });
  }
  // Before it is looked at as an answer: what breaks in the middle of one has a status too.
  if (BROKEN.test(code) || failure.message === 'aborted' || failure.message === 'socket hang up') {
    return new ConnectionError(`${where}: the connection failed: ${why}; what was under way may still take effect`, {
      retryable: true,
      cause: error,
    });
  }
  if (failure.name === 'NoSuchBucket') {
    return new StorageError(`${where}: there is no such bucket; create it first, keepsake does not`, { cause: error });
  }
  if (failure.name === 'KeyTooLongError' || failure.name === 'InvalidObjectName') {
    return new InvalidKeyError(`${where}: the server takes no such key: ${why}`, { cause: error });
  }
  if (status === 501) {
    return new UnsupportedError(`${where}: the server does not know how: ${why}`, { cause: error });
  }
  const speaks = failure.$metadata?.requestId !== undefined;
  if (!speaks && !PASSING.has(status ?? 0) && (status !== undefined || failure.$response !== undefined)) {
    return new ConnectionError(`${where}: what answers there does not speak S3: check the endpoint: ${why}`, {
      retryable: true,
      cause: error,
    });
  }
  return new StorageError(`${where}: ${why}`, { retryable: PASSING.has(status ?? 0), cause: error });
}
