import { createHash } from 'node:crypto';
import querystring from 'node:querystring';

/** Keys up to this long are stored as they are, so that they can be read; engines take some more, less their namespaces. */
const LONGEST = 200;

/**
 * The key of a response: `GET`, the path, and the query with its parameters sorted by name (as in Litestar). Parameters of one name keep their order,
 * which may mean something; `a`, `%61`, `a[]` and `a.b` are of one name, since a handler may read them so.
 * @param target path and query, as the request names them
 * @param scope what chooses the route besides
 */
export function keyOf(target: string, scope = ''): string {
  const url = originForm(target);
  const at = url.indexOf('?');
  const path = at < 0 ? url : url.slice(0, at);
  const query = at < 0 ? '' : sorted(url.slice(at + 1));
  const key = `GET ${path}${query === '' ? '' : `?${query}`}`;
  if (scope !== '') return `GET-SHA256 ${digest(JSON.stringify([scope, key]))}`;
  return key.length <= LONGEST && key.isWellFormed() ? key : `GET-SHA256 ${digest(key)}`;
}

/** Path and query of a request's target, which may be a whole URL (RFC 9112, section 3.2.2). */
function originForm(target: string): string {
  const rest = target.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i, '');
  return rest === target || rest.startsWith('/') ? rest : `/${rest}`;
}

/** The key of one of several responses of a URL, chosen by the headers of the request that they vary by. */
export function variantKey(key: string, generation: string, selected: readonly (string | undefined)[]): string {
  return `VARIANT-SHA256 ${digest(JSON.stringify([key, generation, selected.map((one) => one ?? null)]))}`;
}

function sorted(query: string): string {
  const parameters = query.split('&').filter((parameter) => parameter !== '');
  const named = parameters.map((parameter) => [nameOf(parameter), parameter] as const);
  // Sorting is stable.
  named.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return named.map(([, parameter]) => parameter).join('&');
}

/** What a handler may read a parameter as, without what follows in brackets or after a dot. */
function nameOf(parameter: string): string {
  const [name = ''] = parameter.split('=', 1);
  return querystring.unescape(name.replaceAll('+', ' ')).replace(/(?<=.)[[.].*$/s, '');
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
