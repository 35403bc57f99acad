/** The directives of a `Cache-Control` header: names in lower case, with `''` for those without a value. Of a repeated one the first counts. */
export type Directives = ReadonlyMap<string, string>;

const NONE: Directives = new Map();

/** Reads a `Cache-Control` header (RFC 9111, section 5.2); what is no directive is left out. */
export function parseCacheControl(header: string | undefined): Directives {
  if (header === undefined || header === '') return NONE;
  const directives = new Map<string, string>();
  for (const [, name = '', quoted, plain] of header.matchAll(
    /([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,";]*)))?/g,
  )) {
    const key = name.toLowerCase();
    if (!directives.has(key)) directives.set(key, quoted ?? plain ?? '');
  }
  return directives;
}

/** The seconds of a directive; `undefined` where it is not there, 0 where it is no whole number (then what it says of freshness is not to be trusted). */
export function secondsOf(directives: Directives, name: string): number | undefined {
  const text = directives.get(name);
  if (text === undefined) return undefined;
  return /^[0-9]{1,10}$/.test(text) ? Number(text) : 0;
}

/** The directives of a request. `Pragma: no-cache` counts as `no-cache` where there is no `Cache-Control`. */
export function requestDirectives(cacheControl: string | undefined, pragma: string | undefined): Directives {
  if (cacheControl === undefined && pragma !== undefined && /(^|,)\s*no-cache\s*($|,)/i.test(pragma)) {
    return parseCacheControl('no-cache');
  }
  return parseCacheControl(cacheControl);
}
