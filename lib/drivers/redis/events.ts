import { isUtf8 } from 'node:buffer';
import type { WatchRequest } from '../../backend/driver.js';
import { UnsupportedError } from '../../errors.js';
import type { Connection } from './connection.js';
import { explain } from './failures.js';
import { toPattern } from './listing.js';

/** A client of the package `redis` that hears of events and does nothing else. */
export interface EventClient {
  on(event: 'error', listener: (error: unknown) => void): unknown;
  pSubscribe(pattern: string, listener: (message: Buffer, channel: Buffer) => void, asBytes: true): Promise<unknown>;
  destroy(): void;
}

/** Where events come from. */
export interface EventSource {
  /** The number of the database. */
  readonly database: number;
  /** Connects a client for one watch. */
  connect(): Promise<EventClient>;
}

/** What Redis calls that by which a key is gone. That its time is over, `expired`, is no change. */
const GONE = new Set(['del', 'evicted', 'rename_from', 'move_from']);
/** What Redis calls what leaves a key there with another value or deadline. */
const CHANGED = new Set([
  ...['set', 'setrange', 'append', 'incrby', 'incrbyfloat', 'expire', 'persist', 'restore', 'copy_to', 'rename_to'],
  ...['move_to', 'setex', 'getset'],
]);

/** Tells of the changes of keys that start with `whole` on the server, by Redis' keyspace events. */
export async function watchEvents(
  connection: Connection,
  source: EventSource,
  whole: string,
  where: string,
  { signal, changed, ended }: Omit<WatchRequest, 'prefix'>,
  length: number,
): Promise<void> {
  await checkEvents(connection, where);
  const client = await source.connect();
  const end = () => client.destroy();
  if (signal.aborted) return end();
  signal.addEventListener('abort', end, { once: true });
  client.on('error', (error) => {
    signal.removeEventListener('abort', end);
    client.destroy();
    ended(explain(error, where));
  });
  const channel = `__keyspace@${source.database}__:`;
  const listener = (message: Buffer, name: Buffer) => {
    const key = name.subarray(channel.length);
    const event = message.toString('latin1');
    const type = GONE.has(event) ? 'delete' : CHANGED.has(event) ? 'set' : undefined;
    if (type !== undefined && isUtf8(key)) changed({ type, key: key.toString().slice(length) });
  };
  try {
    await connection.bounded(client, () => client.pSubscribe(`${channel}${toPattern(whole)}`, listener, true));
  } catch (error) {
    // Nobody listens any more, so that it ended is no failure.
    if (signal.aborted) return;
    signal.removeEventListener('abort', end);
    client.destroy();
    throw error;
  }
}

/** Refuses where the server is known not to tell of strings and keys. One that keeps its settings to itself is believed. */
async function checkEvents(connection: Connection, where: string): Promise<void> {
  let flags: string;
  try {
    const answer = await connection.send(['CONFIG', 'GET', 'notify-keyspace-events'], '');
    flags = Array.isArray(answer) ? String(answer[1]) : '';
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'KEEPSAKE_ACCESS_DENIED') return;
    if (error instanceof UnsupportedError) return;
    throw error;
  }
  const all = flags.includes('A') || (flags.includes('$') && flags.includes('g'));
  if (flags.includes('K') && all) return;
  throw new UnsupportedError(
    `watch: ${where} does not tell of changes: its setting notify-keyspace-events is "${flags}"; let it be "K$ge"`,
  );
}
