import type { NetConnectOpts } from 'node:net';
import { InvalidArgumentError } from '../../errors.js';
import { show, withoutPassword } from '../../show.js';

/** What a URL says. */
export interface Place {
  /** At least one, as they are written: `host`, `host:port` or the path of a unix socket. */
  readonly servers: readonly string[];
  readonly username?: string | undefined;
  readonly password?: string | undefined;
}

const PORT = 11_211;

/**
 * Reads `memcached://[user:password@]host[:port][,host[:port]…]`; the path of a unix socket stands percent-encoded in place of a host, or alone, as in
 * `memcached:///run/memcached.sock`.
 * @throws InvalidArgumentError for what is none
 */
export function parsePlace(url: string): Place {
  const match = /^memcached:(?:\/\/)?(?:([^@/]*)@)?([^/?#]*)(\/[^?#]*)?$/i.exec(url);
  if (match === null) throw invalid(url);
  const [, credentials, hosts = '', path = ''] = match;
  const [, username, password] = /^([^:]*)(?::(.*))?$/.exec(credentials ?? '') ?? [];
  const alone = path.length > 1 ? path : undefined;
  if (alone !== undefined && hosts !== '') throw invalid(url);
  try {
    return {
      servers: alone === undefined ? hosts.split(',').map(decodeURIComponent) : [decodeURIComponent(alone)],
      username: username ? decodeURIComponent(username) : undefined,
      password: password ? decodeURIComponent(password) : undefined,
    };
  } catch {
    throw invalid(url);
  }
}

/**
 * Where a server is, and what it is called: `host:port`, or the path of its socket.
 * @throws InvalidArgumentError for what is none of both
 */
export function parseServer(text: unknown): { readonly name: string; readonly place: NetConnectOpts } {
  if (typeof text !== 'string') throw unclear(text);
  if (text.startsWith('/')) return { name: text, place: { path: text } };
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s/]*))(?::([0-9]{1,5}))?$/.exec(text);
  if (match === null || Number(match[3]) > 65_535) throw unclear(text);
  const [, bracketed, plain, digits] = match;
  const port = digits === undefined ? PORT : Number(digits);
  const host = bracketed ?? (plain || 'localhost');
  return { name: bracketed === undefined ? `${host}:${port}` : `[${host}]:${port}`, place: { host, port } };
}

function unclear(text: unknown): InvalidArgumentError {
  return new InvalidArgumentError(
    `memcached: a server must be "host", "host:port", or the path of a unix socket; got ${show(text)}`,
  );
}

function invalid(url: string): InvalidArgumentError {
  return new InvalidArgumentError(
    `memcached: ${show(withoutPassword(url))} is no URL of memcached: write memcached://[user:password@]host[:port][,host[:port]…], or memcached:///path/of/socket`,
  );
}
