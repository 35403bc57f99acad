import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Backend } from '../backend/backend.js';
import { memory } from '../drivers/memory.js';
import type { Access, CheckedOptions } from './options.js';
import { Refusal } from './refusal.js';

/** How many clients are counted at a time, where the memory of this process counts them. */
const CLIENTS = 100_000;
/** Headers by which a proxy tells for whom it asks. */
const FORWARDED = ['forwarded', 'x-forwarded-for', 'x-real-ip', 'via'] as const;

/** Decides which requests may come in, before anything of their body is read. */
export class Guard {
  readonly #app: FastifyInstance;
  readonly #options: CheckedOptions;
  readonly #counters: Backend<unknown> | undefined;
  readonly #ownCounters: Backend<unknown> | undefined;

  constructor(app: FastifyInstance, options: CheckedOptions) {
    this.#app = app;
    this.#options = options;
    const { rateLimit } = options;
    if (rateLimit === undefined) return;
    if (rateLimit.backend === undefined) this.#ownCounters = memory({ max: CLIENTS });
    this.#counters = this.#ownCounters ?? rateLimit.backend;
  }

  /**
   * Returns, or resolves, where the request may go on.
   * @throws Refusal with 401, 403 or 429
   */
  check(request: FastifyRequest, access: Access): undefined | Promise<undefined> {
    if (this.#options.authorize === undefined) this.#checkLocal(request);
    this.#checkOrigin(request);
    if (this.#counters === undefined && this.#options.authorize === undefined) return undefined;
    return this.#ask(request, access);
  }

  /** Frees what it counts in, where that is its own. */
  async close(): Promise<void> {
    await this.#ownCounters?.close();
  }

  async #ask(request: FastifyRequest, access: Access): Promise<undefined> {
    // First, so that tokens cannot be guessed any faster.
    await this.#count(request);
    const { authorize } = this.#options;
    if (authorize === undefined) return;
    const allowed: unknown = await authorize(request, access);
    if (allowed === true) return;
    throw new Refusal(401, 'this needs authorisation, such as a bearer token that allows it', {
      'www-authenticate': 'Bearer realm="keepsake"',
    });
  }

  async #count(request: FastifyRequest): Promise<void> {
    const { rateLimit } = this.#options;
    if (this.#counters === undefined || rateLimit === undefined) return;
    const { max, window } = rateLimit;
    const { value, expiresAt = 0 } = await this.#counters.increment(clientOf(request.ip), 1, { ttl: window });
    if (value <= max) return;
    const seconds = Math.max(1, Math.ceil((expiresAt - Date.now()) / 1000));
    throw new Refusal(429, `there may be ${max} requests in ${window} ms; try again in ${seconds} s`, {
      'retry-after': String(seconds),
    });
  }

  /** Without authorisation, only this machine is asked for: by the address that it came to, and by the name that it was sent to. */
  #checkLocal({ raw }: FastifyRequest): void {
    // What Fastify's `inject` makes has no connection.
    if ('_lightMyRequest' in raw) return;
    const { headers } = raw;
    const address = raw.socket.localAddress;
    if (address === undefined) {
      // A connection that is closed by now has no address either.
      if (typeof this.#app.server.address() !== 'string') throw notLocal();
    } else {
      if (!isLoopback(address)) throw notLocal();
      const host = headers.host ?? headers[':authority'];
      // A page may give its own name our address (DNS rebinding); browsers then tell that name.
      if (host !== undefined && !isLocalName(String(host))) {
        throw new Refusal(
          403,
          'without authorisation only names of loopback addresses are answered to, such as localhost',
        );
      }
    }
    if (FORWARDED.every((name) => headers[name] === undefined)) return;
    throw new Refusal(403, 'without authorisation nobody behind a proxy is answered');
  }

  /** What a browser sends for a page of somebody else is refused: such a page may send forms, and read scripts and images. */
  #checkOrigin({ raw: { headers } }: FastifyRequest): void {
    const { origin, 'sec-fetch-site': site } = headers;
    if (origin === undefined && site === undefined) return;
    if (origin !== undefined && this.#options.origins.has(origin)) return;
    const own = origin === undefined || (URL.canParse(origin) && new URL(origin).host === headers.host?.toLowerCase());
    if (own && (site === undefined || site === 'same-origin' || site === 'none')) return;
    throw new Refusal(403, 'a web page of another origin asks; name it in origins to let it');
  }
}

function notLocal(): Refusal {
  return new Refusal(403, 'without authorisation requests to loopback addresses alone are answered');
}

/** Whether an address is of this machine alone. */
export function isLoopback(address: string): boolean {
  return /^(::ffff:)?127\.[0-9.]+$/i.test(address) || address === '::1';
}

function isLocalName(host: string): boolean {
  const [, name = ''] = /^(\[[^\]]*\]|[^:]*)(?::[0-9]*)?$/.exec(host.toLowerCase()) ?? [];
  return name === 'localhost' || name.endsWith('.localhost') || name === '[::1]' || /^127(\.[0-9]{1,3}){3}$/.test(name);
}

/** By whom requests are counted: whoever has one address of IPv6 has 2⁶⁴. */
function clientOf(address: string): string {
  if (!address.includes(':')) return address || 'unknown';
  const mapped = /^::ffff:([0-9.]+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  const [head = '', tail] = address.split('%', 1)[0]?.split('::') ?? [];
  const first = head === '' ? [] : head.split(':');
  const last = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? [] : new Array<string>(Math.max(0, 8 - first.length - last.length)).fill('0');
  return [...first, ...zeros, ...last].slice(0, 4).join(':');
}
