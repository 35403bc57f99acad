import { createHash } from 'node:crypto';

/** Headers as they stand in a response: names in lower case, one pair for each line. */
export type HeaderList = readonly (readonly [name: string, value: string])[];

/** The header of a request, by its name in lower case. */
export type HeaderOf = (name: string) => string | undefined;

/** Headers of one connection (RFC 9110, section 7.6.1), and those that each answer gets anew. */
const NOT_STORED = new Set([
  ...['connection', 'keep-alive', 'proxy-authenticate', 'proxy-authentication-info', 'proxy-authorization'],
  ...['te', 'trailer', 'transfer-encoding', 'upgrade', 'age', 'date', 'content-length', 'x-cache', 'set-cookie'],
]);

/** Headers of a `304` (RFC 9110, section 15.4.5), and those of ours. */
const OF_304 = new Set([
  ...['cache-control', 'content-location', 'date', 'etag', 'expires', 'last-modified', 'vary', 'age', 'x-cache'],
]);

/** The header by which a request is known that was made to renew a stale response. */
export const REFRESH = 'x-keepsake-refresh';

/** The headers that a request is made again without: it is to be answered in full, and from the handler. */
export const NOT_AGAIN: readonly string[] = [
  ...['if-none-match', 'if-modified-since', 'if-match', 'if-unmodified-since', 'if-range', 'range'],
  ...['cache-control', 'pragma', 'connection', 'content-length', 'transfer-encoding', 'upgrade', 'expect'],
];

/** The headers that a handler does not see where its response is recorded: it would answer with less than the whole, or show what is ours alone. */
export const NOT_SEEN: readonly string[] = ['if-none-match', 'if-modified-since', REFRESH];

/** The value of a header; of one that stands there several times, all of them. */
export function headerIn(headers: HeaderList, name: string): string | undefined {
  const values = headers.filter(([one]) => one === name).map(([, value]) => value);
  return values.length === 0 ? undefined : values.join(', ');
}

/**
 * The headers that are stored.
 * @param present those that the response had before the handler ran, which each request has of its own; stored are those that it added or changed
 */
export function storedHeaders(headers: HeaderList, present: HeaderList = []): HeaderList {
  const named =
    headerIn(headers, 'connection')
      ?.toLowerCase()
      .split(/\s*,\s*/) ?? [];
  const left = headers.filter(([name]) => !NOT_STORED.has(name) && !named.includes(name));
  if (present.length === 0) return left;
  return left.filter(([name]) => headerIn(headers, name) !== headerIn(present, name));
}

/** Headers by name, with the lines of each. */
export function linesByName(headers: HeaderList): ReadonlyMap<string, string[]> {
  const lines = new Map<string, string[]>();
  for (const [name, value] of headers) {
    const known = lines.get(name);
    if (known === undefined) lines.set(name, [value]);
    else known.push(value);
  }
  return lines;
}

/** Those of the headers that a `304` has. */
export function headersOf304(headers: HeaderList): HeaderList {
  return headers.filter(([name]) => OF_304.has(name));
}

/** A validator of a body. */
export function entityTag(body: Uint8Array): string {
  return `"${createHash('sha256').update(body).digest('base64url').slice(0, 27)}"`;
}

/** Whether a client has the response already (RFC 9110, section 13.2.2). */
export function isNotModified(request: HeaderOf, response: HeaderList): boolean {
  const known = request('if-none-match');
  if (known !== undefined) {
    const tag = headerIn(response, 'etag');
    if (known.trim() === '*') return true;
    const opaque = tag?.replace(/^W\//, '');
    return opaque !== undefined && [...known.matchAll(/(?:W\/)?("[^"]*")/g)].some(([, one]) => one === opaque);
  }
  const since = Date.parse(request('if-modified-since') ?? '');
  const modified = Date.parse(headerIn(response, 'last-modified') ?? '');
  return modified <= since;
}

/** Headers as Node knows them. */
export function headerList(headers: {
  readonly [name: string]: number | string | readonly string[] | undefined;
}): HeaderList {
  return Object.entries(headers).flatMap(([name, value]) => {
    if (value === undefined) return [];
    const lines: readonly (string | number)[] = typeof value === 'object' ? value : [value];
    return lines.map((line) => [name.toLowerCase(), String(line)] as const);
  });
}
