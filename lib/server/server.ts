import type { ServerOptions as TlsOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest, FastifyServerOptions } from 'fastify';
import type { Backend } from '../backend/backend.js';
import { checkOptions } from '../backend/checks.js';
import { type Duration, toMilliseconds } from '../backend/duration.js';
import { ClosedError, InvalidArgumentError, UnsupportedError } from '../errors.js';
import { show } from '../show.js';
import { ENTRY_METHODS } from './entries.js';
import { isLoopback } from './guard.js';
import { checkBackend, checkRestOptions, REST_OPTIONS, type RestOptions } from './options.js';
import { Refusal } from './refusal.js';
import { answerProblem, backendRoutes, HEADERS } from './routes.js';

/** Options of {@link createServer}. */
export interface ServerOptions extends RestOptions {
  /** The log of requests, as Fastify takes it: `true`, or options of pino. It names methods, paths and addresses; off by default. */
  readonly logger?: FastifyServerOptions['logger'] | undefined;
  /** Certificate and key, and what else `https.createServer` of Node takes, to speak HTTPS; plain HTTP by default. */
  readonly tls?: TlsOptions | undefined;
  /** How long a request may take to come in whole; 30 seconds by default. Then it is answered with 408, and the connection closed. */
  readonly requestTimeout?: Duration | undefined;
  /** How long a connection without a request stays open; 72 seconds by default. */
  readonly keepAliveTimeout?: Duration | undefined;
  /**
   * How long a connection may stand still while a request is answered; 2 minutes by default. Then it is closed: the client does not read, or the backend
   * does not answer.
   */
  readonly idleTimeout?: Duration | undefined;
  /** How long `close` waits for requests that are under way, before it ends their connections; 10 seconds by default. */
  readonly closeTimeout?: Duration | undefined;
  /** How many bytes the headers of a request may have; 16 KiB by default. What is longer is answered with 431. */
  readonly headerLimit?: number | undefined;
}

/** Where to listen. */
export interface ListenOptions {
  /** The port; 0 for any free one, which is the default. */
  readonly port?: number | undefined;
  /** The address or name; `'127.0.0.1'` by default, and for `'localhost'`. Others than loopback ones need `authorize`. */
  readonly host?: string | undefined;
  /** The path of a unix socket, in place of host and port. Who may use it is up to the permissions of its folder. */
  readonly path?: string | undefined;
}

const OPTIONS = [
  ...REST_OPTIONS,
  ...['logger', 'tls', 'requestTimeout', 'keepAliveTimeout', 'idleTimeout', 'closeTimeout', 'headerLimit'],
] as const;
const REQUEST_TIMEOUT = 30_000;
const KEEP_ALIVE_TIMEOUT = 72_000;
const IDLE_TIMEOUT = 120_000;
const CLOSE_TIMEOUT = 10_000;
const HEADER_LIMIT = 16 * 1024;
/** How often connections that have become idle are looked for while the server closes, in milliseconds. */
const SWEEP_EVERY = 20;
const LONGEST = 2 ** 31 - 1;

/**
 * A server that gives others a backend over HTTP; by the package `fastify`, which must be installed. The interface and its client, `http`, are
 * described in docs/http.md.
 *
 * Without `authorize` it serves this machine alone. The backend is opened by the first request, and left open when the server is closed.
 *
 * @throws InvalidArgumentError, OutOfRangeError for wrong options
 *
 * @example
 * const server = createServer(files('./notes'), { authorize: bearer(process.env.NOTES_TOKEN ?? '') });
 * console.log(await server.listen({ host: '0.0.0.0', port: 8080 }));
 */
export function createServer<V>(backend: Backend<V>, options: ServerOptions = {}): RestServer {
  checkBackend(backend, 'createServer');
  return new RestServer(backend as unknown as Backend<unknown>, options);
}

/** What {@link createServer} gives. */
export class RestServer implements AsyncDisposable {
  readonly #backend: Backend<unknown>;
  readonly #options: ServerOptions;
  readonly #timeouts: {
    readonly request: number;
    readonly keepAlive: number;
    readonly idle: number;
    readonly close: number;
  };
  /** Connections on which nothing has been asked yet: Node takes them for busy ones. */
  readonly #silent = new Set<Duplex>();
  #app: FastifyInstance | undefined;
  #listening: Promise<string> | undefined;
  #address: string | undefined;
  #closing: Promise<void> | undefined;

  /** For `createServer`. */
  constructor(backend: Backend<unknown>, options: ServerOptions) {
    checkOptions(options, OPTIONS, 'createServer');
    checkRestOptions(options, 'createServer');
    const { requestTimeout, keepAliveTimeout, idleTimeout, closeTimeout, headerLimit = HEADER_LIMIT } = options;
    this.#timeouts = {
      request: toTimeout(requestTimeout, 'requestTimeout', REQUEST_TIMEOUT),
      keepAlive: toTimeout(keepAliveTimeout, 'keepAliveTimeout', KEEP_ALIVE_TIMEOUT),
      idle: toTimeout(idleTimeout, 'idleTimeout', IDLE_TIMEOUT),
      close: toTimeout(closeTimeout, 'closeTimeout', CLOSE_TIMEOUT),
    };
    if (!Number.isSafeInteger(headerLimit) || headerLimit < 1024) {
      throw new InvalidArgumentError(`createServer: headerLimit must be bytes from 1,024; got ${show(headerLimit)}`);
    }
    this.#backend = backend;
    this.#options = options;
  }

  /** Where it listens, such as `'http://127.0.0.1:8080'`, or the path of a unix socket; `undefined` while it does not. */
  get address(): string | undefined {
    return this.#address;
  }

  /**
   * Starts to listen, once.
   * @returns its address, as `address` gives it
   * @throws InvalidArgumentError for an address that is not a loopback one, without `authorize`
   * @throws ClosedError once it is closed
   * @throws UnsupportedError where the package `fastify` is not installed
   */
  async listen(options: ListenOptions = {}): Promise<string> {
    checkOptions(options, ['port', 'host', 'path'], 'listen');
    const { port = 0, host = '127.0.0.1', path } = options;
    if (path !== undefined && (options.port !== undefined || options.host !== undefined)) {
      throw new InvalidArgumentError('listen: a path goes without host and port');
    }
    if (path === undefined && this.#options.authorize === undefined && !isLoopback(host) && host !== 'localhost') {
      throw new InvalidArgumentError(
        `listen: ${show(host)} may be reached by others, and nothing asks who they are: give authorize, such as bearer(token), or listen on 127.0.0.1`,
      );
    }
    if (this.#closing !== undefined)
      throw new ClosedError('the server is closed; create another', { operation: 'listen' });
    if (this.#listening !== undefined) throw new InvalidArgumentError('listen: the server listens already');
    this.#listening = this.#listen(
      // Fastify would open a second server, on ::1, which is closed by other rules.
      path === undefined ? { port, host: host === 'localhost' ? '127.0.0.1' : host } : { path },
    );
    try {
      return await this.#listening;
    } catch (error) {
      this.#listening = undefined;
      throw error;
    }
  }

  /**
   * Takes no more connections, lets requests under way end for `closeTimeout`, and closes those connections that nothing is asked on. New requests on the
   * others are answered with 503. The backend stays open.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** The same as `close`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #listen(where: { readonly port: number; readonly host: string } | { readonly path: string }): Promise<string> {
    const app = await this.#create();
    try {
      await app.listen(where);
    } catch (error) {
      await app.close();
      throw error;
    }
    this.#app = app;
    this.#address = this.#addressOf(app.server.address());
    return this.#address;
  }

  #addressOf(address: AddressInfo | string | null): string {
    if (address === null || typeof address === 'string') return String(address);
    const host = address.family === 'IPv6' ? `[${address.address}]` : address.address;
    return `${this.#options.tls === undefined ? 'http' : 'https'}://${host}:${address.port}`;
  }

  async #create(): Promise<FastifyInstance> {
    const { logger = false, tls, headerLimit = HEADER_LIMIT, authorize, bodyLimit, rateLimit, origins } = this.#options;
    const fastify = await loadFastify();
    const limits = {
      maxHeaderSize: headerLimit,
      headersTimeout: Math.min(this.#timeouts.request, 15_000),
      // By default requests that are too slow are looked for every half minute.
      connectionsCheckingInterval: Math.min(this.#timeouts.request, 1000),
    };
    const app = fastify({
      logger,
      requestTimeout: this.#timeouts.request,
      keepAliveTimeout: this.#timeouts.keepAlive,
      connectionTimeout: this.#timeouts.idle,
      forceCloseConnections: 'idle',
      frameworkErrors: (_error: Error, request: FastifyRequest, reply: FastifyReply) => {
        answerProblem(new Refusal(400, 'the percent-encoding is malformed'), request, reply.headers(HEADERS));
      },
      ...(tls === undefined ? { http: limits } : { https: { ...limits, ...tls } }),
    } as FastifyServerOptions) as unknown as FastifyInstance;
    // Methods that the routes know nothing of, such as those of WebDAV; and CONNECT, which Node does not even take for a request.
    const allow = ENTRY_METHODS.join(', ');
    app.setNotFoundHandler((request, reply) => {
      answerProblem(new Refusal(405, `there are ${allow}`, { allow }), request, reply.headers(HEADERS));
    });
    app.server.on(tls === undefined ? 'connection' : 'secureConnection', (socket) => {
      this.#silent.add(socket);
      socket.on('close', () => this.#silent.delete(socket));
    });
    app.server.on('request', ({ socket }) => this.#silent.delete(socket));
    app.server.on('connect', (_request, socket) => {
      socket.on('error', () => undefined);
      socket.end(
        `HTTP/1.1 405 Method Not Allowed\r\nAllow: ${allow}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`,
      );
    });
    await app.register(backendRoutes, { backend: this.#backend, authorize, bodyLimit, rateLimit, origins });
    return app;
  }

  async #close(): Promise<void> {
    await this.#listening?.catch(() => undefined);
    const app = this.#app;
    this.#address = undefined;
    if (app === undefined) return;
    const timer = setTimeout(() => app.server.closeAllConnections(), this.#timeouts.close);
    // Those that were busy at first idle later on, and would be kept alive.
    const sweeping = setInterval(() => app.server.closeIdleConnections(), SWEEP_EVERY);
    try {
      const closing = app.close();
      for (const socket of this.#silent) socket.destroy();
      await closing;
    } finally {
      clearTimeout(timer);
      clearInterval(sweeping);
    }
  }
}

function toTimeout(duration: Duration | undefined, name: string, otherwise: number): number {
  return duration === undefined ? otherwise : Math.min(Math.ceil(toMilliseconds(duration, name)), LONGEST);
}

async function loadFastify(): Promise<typeof import('fastify').fastify> {
  try {
    return (await import('fastify')).fastify;
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND')) throw error;
    throw new UnsupportedError('a server needs the package fastify: npm install fastify', { cause: error });
  }
}
