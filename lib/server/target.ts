import { OPERATIONS_SEGMENT } from '../rest/headers.js';
import { Refusal } from './refusal.js';

/** What the path of a request names. */
export type Target =
  | { readonly kind: 'keys'; readonly query: Query }
  | { readonly kind: 'entry'; readonly key: string }
  | { readonly kind: 'operation'; readonly name: string; readonly query: Query };

/** The parameters of a query, each once. */
export type Query = ReadonlyMap<string, string>;

const NOTHING: Query = new Map();
const LIST: Target = { kind: 'keys', query: NOTHING };

/**
 * Reads the target of a request as it came over the line: what a router makes of it has lost the difference between `a/b` and `a%2Fb`.
 * @param depth how many segments come before those of the interface
 * @throws Refusal with 400 for what is malformed, and 404 for a path that nothing is at
 */
export function readTarget(url: string, depth: number): Target {
  // An absolute target names a host of its own choice; percent-encoded, it is a key like any other.
  if (url.charCodeAt(0) !== 0x2f) throw new Refusal(400, 'the target of a request must be a path that starts with /');
  if (!/^[\x21\x22\x24-\x7e]*$/.test(url)) {
    throw new Refusal(400, 'a path holds ASCII alone: write other characters, # and spaces percent-encoded');
  }
  const question = url.indexOf('?');
  const path = question < 0 ? url : url.slice(0, question);
  let start = 1;
  for (let level = 0; level < depth; level++) {
    const slash = path.indexOf('/', start);
    start = slash < 0 ? path.length : slash + 1;
  }
  const rest = path.slice(start);
  if (rest === '') return question < 0 ? LIST : { kind: 'keys', query: readQuery(url.slice(question + 1)) };
  const slash = rest.indexOf('/');
  if (slash < 0) {
    if (question >= 0) throw new Refusal(400, 'a key goes without a query: write a ? in it as %3F');
    return { kind: 'entry', key: decode(rest) };
  }
  const name = rest.slice(slash + 1);
  if (rest.slice(0, slash) !== OPERATIONS_SEGMENT || name === '' || name.includes('/')) {
    throw new Refusal(404, 'there is nothing here: a key is one segment of the path, so write a / in it as %2F');
  }
  return { kind: 'operation', name, query: question < 0 ? NOTHING : readQuery(url.slice(question + 1)) };
}

function readQuery(text: string): Query {
  if (text === '') return NOTHING;
  const query = new Map<string, string>();
  for (const part of text.split('&')) {
    const equals = part.indexOf('=');
    const name = decode((equals < 0 ? part : part.slice(0, equals)).replaceAll('+', ' '));
    if (query.has(name)) throw new Refusal(400, `the parameter ${JSON.stringify(name)} is there twice`);
    query.set(name, equals < 0 ? '' : decode(part.slice(equals + 1).replaceAll('+', ' ')));
  }
  return query;
}

function decode(text: string): string {
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    throw new Refusal(400, 'the percent-encoding is malformed, or not that of UTF-8');
  }
}

/**
 * The parameters that an operation takes.
 * @throws Refusal with 400 for one that it does not
 */
export function takeQuery<Name extends string>(
  query: Query,
  known: readonly Name[],
): { readonly [name in Name]?: string } {
  if (query.size === 0) return {};
  const taken: { [name in Name]?: string } = {};
  for (const [name, value] of query) {
    const found = known.find((one) => one === name);
    if (found === undefined) {
      const there = known.length === 0 ? 'there is none' : `there are ${known.join(', ')}`;
      throw new Refusal(400, `there is no parameter ${JSON.stringify(name)} here; ${there}`);
    }
    taken[found] = value;
  }
  return taken;
}

/**
 * A whole number in a parameter or header.
 * @throws Refusal with 400 for what is none
 */
export function toWhole(text: string, name: string): number {
  const number = /^-?[0-9]{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(number)) return number;
  throw new Refusal(400, `${name} must be a whole number; got ${JSON.stringify(text.slice(0, 40))}`);
}
