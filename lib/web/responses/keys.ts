import { createHash } from 'node:crypto';

/** Keys up to this long are stored as they are, so that they can be read; engines take some more, less their namespaces. */
const LONGEST = 200;

/**
 * The key of a response: `GET`, the path, and the query with its parameters sorted by name (as in Litestar). Parameters of one name keep their order,
 * which may mean something.
 * @param url path and query, as the request names them
 */
export function keyOf(url: string): string {
  const at = url.indexOf('?');
  const path = at < 0 ? url : url.slice(0, at);
  const query = at < 0 ? '' : sorted(url.slice(at + 1));
  const key = `GET ${path}${query === '' ? '' : `?${query}`}`;
  return key.length <= LONGEST && key.isWellFormed() ? key : `GET-SHA256 ${digest(key)}`;
}

/** The key of one of several responses of a URL, chosen by the headers of the request that they vary by. */
export function variantKey(key: string, generation: string, selected: readonly (string | undefined)[]): string {
  return `VARIANT-SHA256 ${digest(JSON.stringify([key, generation, selected.map((one) => one ?? null)]))}`;
}

function sorted(query: string): string {
  const parameters = query.split('&').filter((parameter) => parameter !== '');
  const named = parameters.map((parameter) => [parameter.split('=', 1)[0] as string, parameter] as const);
  // Sorting is stable.
  named.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return named.map(([, parameter]) => parameter).join('&');
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
