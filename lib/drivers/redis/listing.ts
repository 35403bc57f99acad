import { isUtf8 } from 'node:buffer';
import { MAXIMUM_KEY_BYTES } from '../../backend/checks.js';
import type { ScanRequest } from '../../backend/driver.js';
import { InvalidArgumentError } from '../../errors.js';
import { show } from '../../show.js';
import type { Connection } from './connection.js';
import type { Node, Reply } from './link.js';

/** How many empty answers in a row make one page, so that a page ends though the keys wanted are rare. */
const ROUNDS = 16;
/** The most keys that a server is asked to look at in one step, since it answers nobody else meanwhile. */
const MOST = 1000;

/** Where a listing goes on: at which server, at which place of its SCAN, and which keys the page had no room for. */
interface Cursor {
  readonly node: string;
  readonly place: string;
  readonly left: readonly string[];
}

/** What to list. */
export interface Listed {
  /** What every key of the backend starts with on the server. */
  readonly own: string;
  /** What the keys wanted start with there. */
  readonly prefix: string;
}

/** Keys as the server names them, and where to go on. */
export interface KeyPage {
  readonly keys: string[];
  readonly cursor: string | undefined;
}

/** One page of the keys that start with a prefix. It may be empty; keys may come again. */
export async function scanPage(
  connection: Connection,
  { own, prefix }: Listed,
  { limit, cursor: text }: Pick<ScanRequest, 'limit' | 'cursor'>,
): Promise<KeyPage> {
  const nodes = await connection.nodes();
  const cursor = text === undefined ? undefined : readCursor(text);
  let at = cursor === undefined ? 0 : nodes.findIndex(({ id }) => id === cursor.node);
  if (at < 0) throw foreign(text, 'or the servers of its cluster have changed since');
  let place = cursor?.place ?? '0';
  const found = new Set(await present(connection, prefix, cursor?.left ?? []));
  // Where only left over keys were missing, the last server has said all.
  let finished = cursor?.place === '';
  let count = Math.min(limit, MOST);
  for (let round = 0; !finished && found.size < limit && round < ROUNDS; round++) {
    const answer = await scanOnce(nodes[at] as Node, { own, prefix }, place, count);
    for (const key of answer.keys) found.add(key);
    place = answer.place;
    if (place === '0') finished = ++at === nodes.length;
    if (found.size > 0) break;
    // Among many foreign keys: faster, but with little to carry over should they end.
    count = Math.min(count * 2, limit * 16, MOST);
  }
  const keys = [...found];
  const left = keys.splice(limit);
  if (finished && left.length === 0) return { keys, cursor: undefined };
  const node = finished ? (nodes.at(-1) as Node) : (nodes[at] as Node);
  return { keys, cursor: writeCursor({ node: node.id, place: finished ? '' : place, left }) };
}

/** Every key that starts with a prefix, in batches by server; keys may come again. */
export async function* scanAll(
  connection: Connection,
  listed: Listed,
): AsyncGenerator<{ readonly node: Node; readonly keys: readonly string[] }> {
  for (const node of await connection.nodes()) {
    let place = '0';
    do {
      const answer = await scanOnce(node, listed, place, MOST);
      place = answer.place;
      if (answer.keys.length > 0) yield { node, keys: answer.keys };
    } while (place !== '0');
  }
}

/** What Redis takes for everything that starts with a text. */
export function toPattern(prefix: string): string {
  return `${prefix.replace(/[*?[\]\\^]/g, '\\$&')}*`;
}

async function scanOnce(
  node: Node,
  { own, prefix }: Listed,
  place: string,
  count: number,
): Promise<{ readonly keys: string[]; readonly place: string }> {
  const match = prefix === '' ? [] : ['MATCH', toPattern(prefix)];
  const [next, listed] = (await node.send(['SCAN', place, ...match, 'COUNT', String(count)])) as [Reply, Buffer[]];
  const keys: string[] = [];
  const longest = own.length + MAXIMUM_KEY_BYTES;
  // Without a namespace there may be keys of others that are none of ours.
  for (const key of listed) {
    if (isUtf8(key) && key.length > 0 && key.length <= longest) keys.push(key.toString());
  }
  return { keys, place: String(next) };
}

/** Those of some keys that are still there. */
async function present(connection: Connection, prefix: string, keys: readonly string[]): Promise<string[]> {
  const own = keys.filter((key) => key.startsWith(prefix));
  const there = await Promise.all(own.map((key) => connection.send(['EXISTS', key], key)));
  return own.filter((_, index) => there[index] === 1);
}

function writeCursor({ node, place, left }: Cursor): string {
  return JSON.stringify(left.length === 0 ? [node, place] : [node, place, left]);
}

function readCursor(text: string): Cursor {
  let read: unknown;
  try {
    read = JSON.parse(text);
  } catch {
    throw foreign(text);
  }
  if (!Array.isArray(read)) throw foreign(text);
  const [node, place, left = []] = read;
  const fits = typeof node === 'string' && typeof place === 'string' && /^[0-9]{0,19}$/.test(place);
  const whole = Array.isArray(left) && left.every((key) => typeof key === 'string' && key !== '' && key.isWellFormed());
  if (!fits || !whole) throw foreign(text);
  return { node, place, left };
}

function foreign(text: string | undefined, more = ''): InvalidArgumentError {
  return new InvalidArgumentError(`page: ${show(text)} is no cursor of this backend${more && `, ${more}`}; begin anew`);
}
