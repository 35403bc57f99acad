import { codeOf, isCut, type Meaning } from '../failures.js';

/** Messages of the package `pg` that say that there is no connection. */
const CUT =
  /^(Connection terminated|Client has encountered a connection error|Client was closed|timeout exceeded when trying to connect|The server does not support SSL|Received unexpected|received invalid response|There was an error establishing an SSL)/i;

/** Conditions in which PostgreSQL ends or refuses a connection, for a while: appendix A of its manual. */
const ENDED = /^(08...|57P0[123])$/;
/** A serialization failure, a deadlock; what racing processes meet that make one table: the server undid it. */
const UNDONE = new Set(['40001', '40P01']);
/** Resources that are short, a server that only reads (a replica, for a while), a lock not to be had. */
const PASSING = /^(53[03]00|25006|55P03|57014|57P04|40...)$/;
const DENIED = /^(28...|42501)$/;

/** What is to be done about a failure. */
export function judge(error: unknown): 'failed' | 'again' | 'broken' {
  if (UNDONE.has(codeOf(error))) return 'again';
  return meaningOf(error) === 'connection' || !isAnswer(error) ? 'broken' : 'failed';
}

/** What a failure means. */
export function meaningOf(error: unknown): Meaning {
  const code = codeOf(error);
  if (isCut(error) || ENDED.test(code)) return 'connection';
  if (DENIED.test(code)) return 'denied';
  if (PASSING.test(code)) return 'passing';
  if (error instanceof Error && CUT.test(error.message)) return 'connection';
  return 'other';
}

/** Whether the server itself said so, after which the connection is as good as before. */
function isAnswer(error: unknown): boolean {
  return /^[0-9A-Z]{5}$/.test(codeOf(error));
}
