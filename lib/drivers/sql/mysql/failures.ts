import { codeOf, isCut, type Meaning } from '../failures.js';

/** A deadlock; a row that was changed meanwhile: the server undid the statement. */
const UNDONE = new Set([1213, 1020]);
/** A wait for a lock that was too long, too many connections, a server that only reads. */
const PASSING = new Set([1205, 1040, 1203, 1226, 1290, 1792, 1836]);
const DENIED = new Set([1044, 1045, 1142, 1143, 1227, 1370, 1410, 1419, 1698, 3118]);
/** The server goes down, or has lost the line. */
const ENDED = new Set([1053, 1077, 1079, 1080, 1152, 1158, 1159, 1160, 1161, 1184, 1927, 3169]);

/** What is to be done about a failure. */
export function judge(error: unknown): 'failed' | 'again' | 'broken' {
  const number = numberOf(error);
  if (number !== undefined && UNDONE.has(number)) return 'again';
  return number === undefined || meaningOf(error) === 'connection' ? 'broken' : 'failed';
}

/** What a failure means. */
export function meaningOf(error: unknown): Meaning {
  const number = numberOf(error);
  if (number !== undefined && ENDED.has(number)) return 'connection';
  if (number !== undefined && DENIED.has(number)) return 'denied';
  if (number !== undefined && (PASSING.has(number) || UNDONE.has(number))) return 'passing';
  // What the client finds wrong with the line or with what is said on it has names such as PROTOCOL_CONNECTION_LOST.
  const isProtocol = /^(PROTOCOL_|HANDSHAKE_|ER_MALFORMED|POOL_CLOSED)/.test(codeOf(error));
  if (isCut(error) || isProtocol || isFatal(error) || isTruncated(error)) return 'connection';
  return 'other';
}

/** The number of an error that the server sent. */
function numberOf(error: unknown): number | undefined {
  const { errno, sqlState } = error as { errno?: unknown; sqlState?: unknown };
  return typeof errno === 'number' && errno > 0 && typeof sqlState === 'string' ? errno : undefined;
}

function isFatal(error: unknown): boolean {
  return error instanceof Error && 'fatal' in error && error.fatal === true;
}

function isTruncated(error: unknown): boolean {
  return error instanceof Error && /closed state|connection is in|packets out of order/i.test(error.message);
}
