import { ConnectionError, StorageError } from '../../errors.js';
import { explainFailure, wasRepeated } from '../aws/failures.js';

/** Whether an error of the SDK, or one of ours that it is the cause of, has the name. */
export function isNamed(error: unknown, name: string): boolean {
  if (!(error instanceof Error)) return false;
  return error.name === name || (error.cause instanceof Error && error.cause.name === name);
}

/** Waits for a conditional request; whether its condition was met. */
export async function decide<T>(asking: Promise<T>, where: string): Promise<T | undefined> {
  try {
    return await asking;
  } catch (error) {
    if (!isNamed(error, 'ConditionalCheckFailedException')) throw error;
    if (!wasRepeated(error)) return undefined;
    throw new ConnectionError(
      `${where}: the client that was given tried a conditional request again, so that nobody knows whether the first try took effect; give it maxAttempts: 1`,
      { retryable: true, cause: error },
    );
  }
}

/** Says in keepsake's words why a request failed. What a condition kept from happening is given back as it is. */
export function explain(error: unknown, where: string): unknown {
  return explainFailure(error, where, 'DynamoDB', (failure, why) => {
    if (failure.name === 'ConditionalCheckFailedException') return failure;
    if (failure.name === 'ResourceNotFoundException') {
      return new StorageError(`${where}: the table is not there, or not yet: ${why}`, { cause: error });
    }
    return undefined;
  });
}
