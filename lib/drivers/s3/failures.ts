import { InvalidKeyError, StorageError, UnsupportedError } from '../../errors.js';
import { explainFailure, type Failure, statusOf } from '../aws/failures.js';

/** Whether an answer says that the object is not there: what stands between here and the server says "not found" of itself. */
export function isMissing(error: unknown): boolean {
  if (statusOf(error) !== 404) return false;
  const { name, $metadata } = error as Failure;
  return name === 'NoSuchKey' || (name !== 'NoSuchBucket' && $metadata?.requestId !== undefined);
}

/** The same of an answer without a body, in which not every server gives a reason, or the request a name. */
export function isMissingHead(error: unknown): boolean {
  if (statusOf(error) !== 404) return false;
  return isMissing(error) || !/^text\/|json/.test(headerOf(error, 'content-type') ?? '');
}

function headerOf(error: unknown, name: string): string | undefined {
  return (error as Failure).$response?.headers?.[name];
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

/** Says in keepsake's words why a request failed. */
export function explain(error: unknown, where: string): unknown {
  return explainFailure(error, where, 'S3', (failure, why) => {
    if (failure.name === 'NoSuchBucket') {
      return new StorageError(`${where}: there is no such bucket; create it first, keepsake does not`, {
        cause: error,
      });
    }
    const region = headerOf(error, 'x-amz-bucket-region');
    if (region !== undefined && [301, 307, 400].includes(statusOf(error) ?? 0)) {
      return new StorageError(`${where}: the bucket is in the region ${region}: give that as region: ${why}`, {
        cause: error,
      });
    }
    if (failure.name === 'KeyTooLongError' || failure.name === 'InvalidObjectName') {
      return new InvalidKeyError(`${where}: the server takes no such key: ${why}`, { cause: error });
    }
    if (statusOf(error) === 501) {
      return new UnsupportedError(`${where}: the server does not know how: ${why}`, { cause: error });
    }
    return undefined;
  });
}
