import { InvalidArgumentError } from '../../errors.js';
import { show, withoutPassword } from '../../show.js';

/** What a URL says. */
export interface Place {
  /** One server, or those by which a cluster is found. */
  readonly hosts: readonly { readonly host: string; readonly port: number }[];
  /** The path of a unix socket, in place of hosts. */
  readonly socket?: string | undefined;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly database?: number | undefined;
  readonly tls: boolean;
}

const PORT = 6379;

/** The schemes, without the colon, and whether they mean TLS. */
export const SCHEMES: Readonly<Record<string, boolean>> = {
  redis: false,
  rediss: true,
  valkey: false,
  valkeys: true,
  'redis+unix': false,
};

/**
 * Reads `redis://[user[:password]@]host[:port][,host[:port]…][/database]`, also with `rediss:`, `valkey:` and `valkeys:`, and
 * `redis+unix:///path/of/socket`.
 * @throws InvalidArgumentError for what is none
 */
export function parsePlace(url: string): Place {
  const match = /^([a-z+]+):(?:\/\/)?(?:([^@/]*)@)?([^/?#]*)(\/[^?#]*)?$/i.exec(url);
  const scheme = match?.[1]?.toLowerCase() ?? '';
  if (match === null || !Object.hasOwn(SCHEMES, scheme)) throw invalid(url);
  const [, , credentials, hosts = '', path = ''] = match;
  const [, username, password] = /^([^:]*)(?::(.*))?$/.exec(credentials ?? '') ?? [];
  const known = {
    username: decode(username || undefined, url),
    password: decode(password || undefined, url),
    tls: SCHEMES[scheme] === true,
  };
  if (scheme === 'redis+unix') {
    if (hosts !== '' || path.length < 2) throw invalid(url);
    return { ...known, hosts: [], socket: decode(path, url) };
  }
  if (!/^(\/[0-9]*)?$/.test(path)) throw invalid(url);
  const database = path.length > 1 ? Number(path.slice(1)) : undefined;
  return { ...known, hosts: hosts.split(',').map((host) => parseHost(host, url)), database };
}

function parseHost(text: string, url: string): { host: string; port: number } {
  const [, bracketed, plain = '', port] = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]*))(?::([0-9]{1,5}))?$/.exec(text) ?? [];
  if (bracketed === undefined && plain === '' && text !== '' && port === undefined) throw invalid(url);
  if (Number(port) > 65_535) throw invalid(url);
  return { host: bracketed ?? (plain || 'localhost'), port: port === undefined ? PORT : Number(port) };
}

function decode(text: string | undefined, url: string): string | undefined {
  try {
    return text === undefined ? undefined : decodeURIComponent(text);
  } catch {
    throw invalid(url);
  }
}

function invalid(url: string): InvalidArgumentError {
  return new InvalidArgumentError(
    `redis: ${show(withoutPassword(url))} is no URL of Redis: write redis://[user:password@]host[:port][/database], rediss: for TLS, or redis+unix:///path`,
  );
}
