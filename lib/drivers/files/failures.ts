import { InvalidKeyError, KeepsakeError, StorageError } from '../../errors.js';
import { show } from '../../show.js';

/** The `code` of a system error, such as `'ENOENT'`. */
export function codeOf(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : undefined;
}

const reasons: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the quota of the disk is used up',
  EFBIG: 'the value is larger than the file system allows',
  EROFS: 'the file system is read-only',
  EACCES: 'permission is denied',
  EPERM: 'permission is denied',
  ELOOP: 'a symbolic link stands there, and is not followed; put the file itself there',
  EISDIR: 'a folder stands there, where a file should be',
  ENOTDIR: 'a file stands where a folder on the way should be',
  ENAMETOOLONG: 'the path is longer than the file system allows; move the folder up',
  EMFILE: 'this process has too many files open',
  ENFILE: 'the system has too many files open',
  ESPIPE: 'it is no regular file',
  ENXIO: 'it is no regular file',
  ENOENT: 'it vanished, or a folder on the way',
};

const passing = new Set(['EMFILE', 'ENFILE', 'EBUSY', 'EAGAIN', 'EINTR', 'ETIMEDOUT']);

/** The error for a caller: what could not be done, where, and why. One of keepsake's own is handed on. */
export function failure(error: unknown, what: string, path: string, key?: string): KeepsakeError {
  if (error instanceof KeepsakeError) return error;
  const code = codeOf(error);
  const message = error instanceof Error ? error.message : String(error);
  const reason = (code && reasons[code]) ?? message;
  return new StorageError(`cannot ${what} ${path}: ${reason}${code === undefined ? '' : ` (${code})`}`, {
    path,
    key,
    cause: error,
    retryable: code !== undefined && passing.has(code),
  });
}

/** A key of the tree layout that would make one name both file and folder. */
export function clash(path: string, key: string, cause?: unknown): InvalidKeyError {
  return new InvalidKeyError(
    `key ${show(key)} would make one name both file and folder at ${path}; delete what is there, or choose another key`,
    { key, path, cause },
  );
}
