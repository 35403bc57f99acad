import { isKeepsakeError, LockedError, StorageError } from '../../../errors.js';

/** What SQLite undoes the whole transaction for, or may: "Response To Errors Within A Transaction" in its manual. */
const ALL = /^SQLITE_(FULL|IOERR|NOMEM|BUSY|INTERRUPT|CORRUPT|READONLY|CANTOPEN|NOTADB|PROTOCOL|LOCKED)/;

/** The primary codes by number, as `node:sqlite` gives them. */
const NAMES: Readonly<Record<number, string>> = {
  5: 'SQLITE_BUSY',
  6: 'SQLITE_LOCKED',
  7: 'SQLITE_NOMEM',
  8: 'SQLITE_READONLY',
  9: 'SQLITE_INTERRUPT',
  10: 'SQLITE_IOERR',
  11: 'SQLITE_CORRUPT',
  13: 'SQLITE_FULL',
  14: 'SQLITE_CANTOPEN',
  15: 'SQLITE_PROTOCOL',
  26: 'SQLITE_NOTADB',
};

function codeOf(error: unknown): string {
  const { code, errcode } = error as { code?: unknown; errcode?: unknown };
  if (typeof errcode === 'number') return NAMES[errcode & 0xff] ?? '';
  return typeof code === 'string' ? code : '';
}

/** Whether another connection holds the lock that is needed. */
export function isBusy(error: unknown): boolean {
  return /^SQLITE_(BUSY|LOCKED)/.test(codeOf(error));
}

/** Whether the transaction that the statement was in is lost. */
export function undoesAll(error: unknown): boolean {
  return ALL.test(codeOf(error));
}

/** Says in keepsake's words why something failed. */
export function explain(error: unknown, where: string): unknown {
  if (isKeepsakeError(error) || !(error instanceof Error)) return error;
  if (isBusy(error)) {
    return new LockedError(`${where}: another process is writing to it: ${error.message}`, { cause: error });
  }
  return new StorageError(`${where}: ${error.message}`, { cause: error });
}

/** What is to be done about a failure that came through a Kysely. */
export function judge(error: unknown): 'failed' | 'again' {
  return isBusy(error) ? 'again' : 'failed';
}
