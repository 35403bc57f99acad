import { InvalidKeyError, StorageError, UnsupportedError } from '../../errors.js';
import { explainFailure, type Failure, statusOf } from '../aws/failures.js';

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

/** Says in keepsake's words why a request failed. */
export function explain(error: unknown, where: string): unknown {
  return explainFailure(error, where, 'S3', (failure, why) => {
    if (failure.name === 'NoSuchBucket') {
      return new StorageError(`${where}: there is no such bucket; create it first, keepsake does not`, {
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
