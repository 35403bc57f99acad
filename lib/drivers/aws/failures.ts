import { AccessDeniedError, ConnectionError, isKeepsakeError, StorageError, TimeoutError } from '../../errors.js';

/** What is known of an error of Amazon's SDK. */
export interface Failure extends Error {
  readonly code?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: number; readonly requestId?: string; readonly attempts?: number };
  readonly $response?: { readonly headers?: Readonly<Record<string, string>> };
}

/** Codes of the system and of Node's HTTP client that say that nobody answers, or not in HTTP. */
const BROKEN =
  /^(ECONN|EPIPE|ETIMEDOUT|EHOST|ENET|ENOTFOUND|EAI_|HPE_|ERR_STREAM_PREMATURE_CLOSE|ABORT_ERR|ERR_HTTP|ENOENT)/;
const TLS = /^(ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|HOSTNAME_MISMATCH|EPROTO)/;
const DENIED =
  /^(AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch|InvalidSignature|IncompleteSignature|UnrecognizedClient|MissingAuthenticationToken|ExpiredToken|InvalidToken|InvalidClientTokenId|Forbidden|AllAccessDisabled|AccountProblem|CredentialsProviderError|TokenProviderError)/;
const THROTTLED = /^(ProvisionedThroughputExceeded|Throttling|RequestLimitExceeded|SlowDown|LimitExceeded)/;
const PASSING = new Set([429, 500, 502, 503, 504]);

/** The status of an answer that says no. */
export function statusOf(error: unknown): number | undefined {
  return (error as Failure | undefined)?.$metadata?.httpStatusCode;
}

/** Whether the SDK has asked more than once, so that the first answer may be lost. */
export function wasRepeated(answer: unknown): boolean {
  return ((answer as Failure).$metadata?.attempts ?? 1) > 1;
}

/**
 * Says in keepsake's words why a request failed.
 * @param speaks what the server should speak, such as `'S3'`
 * @param special tells failures of one service; asked after those of connections and of access
 */
export function explainFailure(
  error: unknown,
  where: string,
  speaks: string,
  special: (failure: Failure, why: string) => Error | undefined,
): unknown {
  if (isKeepsakeError(error) || !(error instanceof Error)) return error;
  const failure = error as Failure;
  const code = String(failure.code ?? '');
  const status = statusOf(error);
  // An answer without a body gives no reason.
  const why =
    failure.message === 'UnknownError' && status !== undefined
      ? `it answers with status ${status}`
      : `${failure.name}: ${failure.message || code}`;
  if (TLS.test(code)) return new ConnectionError(`${where}: TLS failed: ${why}`, { cause: error });
  if (failure.name === 'TimeoutError') {
    return new TimeoutError(`${where} did not answer in time: ${why}`, { cause: error });
  }
  // Before it is looked at as an answer: what breaks in the middle of one has a status too.
  if (BROKEN.test(code) || failure.message === 'aborted' || failure.message === 'socket hang up') {
    return new ConnectionError(`${where}: the connection failed: ${why}; what was under way may still take effect`, {
      retryable: true,
      cause: error,
    });
  }
  if (DENIED.test(failure.name) || status === 401 || status === 403) {
    return new AccessDeniedError(`${where}: the server refuses: ${why}`, { cause: error });
  }
  if (failure.message === 'Region is missing') {
    return new StorageError(`${where}: no region is known: give region, or set AWS_REGION`, { cause: error });
  }
  const known = special(failure, why);
  if (known !== undefined) return known;
  const passing = PASSING.has(status ?? 0) || THROTTLED.test(failure.name);
  const answered = failure.$metadata?.requestId !== undefined;
  if (!answered && !passing && (status !== undefined || failure.$response !== undefined)) {
    return new ConnectionError(
      `${where}: what answers there does not speak ${speaks}: check the endpoint: ${why}`,
      // Something between here and there may answer for a server that is down.
      { retryable: true, cause: error },
    );
  }
  return new StorageError(`${where}: ${why}`, { retryable: passing, cause: error });
}
