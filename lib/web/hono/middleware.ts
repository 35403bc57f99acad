import type { Context, Env, Hono, MiddlewareHandler } from 'hono';
import type { ContentfulStatusCode, StatusCode } from 'hono/utils/http-status';
import type { BackendRegistry } from '../../registry/registry.js';
import { KeepsakeApplication, type KeepsakeOptions } from '../application.js';
import type { HandlerCache } from '../cache/handler-cache.js';
import { type HeaderList, NOT_AGAIN, NOT_SEEN } from '../responses/headers.js';
import type { RouteCache, RoutePlan } from '../responses/options.js';
import type { Recording } from '../responses/recording.js';
import type { Answer, CachedResponses, ResponseCache } from '../responses/response-cache.js';
import { tapped } from './tapped.js';

/** The environment of an application of Hono that has keepsake: `new Hono<KeepsakeEnv>()`. */
export interface KeepsakeEnv {
  Variables: {
    /** The application's cache, heeding the `Cache-Control` of this request. */
    cache: HandlerCache;
    /** The application's backends by name. */
    backends: BackendRegistry<unknown>;
  };
}

/** What an application of Hono has of keepsake. */
export interface HonoKeepsake extends AsyncDisposable {
  /** The application's cache, for use outside of requests. */
  readonly cache: HandlerCache;
  /** The application's backends by name. */
  readonly backends: BackendRegistry<unknown>;
  /** The application's cached responses. */
  readonly responseCache: CachedResponses;
  /**
   * Middleware that caches the responses of what comes after it: give it to a route, behind all that decides who may have them.
   * @throws InvalidArgumentError, OutOfRangeError for what is none of the choices
   */
  cached(how?: RouteCache): MiddlewareHandler;
  /** Waits for a configuration that a function promised. Rejects with a `ConfigurationError` if it is wrong. */
  ready(): Promise<void>;
  /** Closes what was opened here; call it when the server has closed. */
  close(): Promise<void>;
}

const SAFE = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE']);

/**
 * Gives an application of Hono 4 `c.var.cache` and `c.var.backends`, and middleware that caches responses. Call it before the routes are added.
 *
 * @throws ConfigurationError for a cache's configuration that is wrong, with all its mistakes. Where a function promises it, `ready` rejects, and each request fails
 *
 * @example
 * const app = new Hono<KeepsakeEnv>();
 * const { cached } = keepsake(app, { cache: { backend: 'redis', redisUrl: 'redis://localhost:6379' } });
 * app.get('/users/:id', cached('5m'), async (c) => c.json(await database.user(c.req.param('id'))));
 */
export function keepsake<E extends KeepsakeEnv>(app: Hono<E>, options: KeepsakeOptions = {}): HonoKeepsake {
  const application = new KeepsakeApplication(options);
  const { cache, backends, responses } = application;
  let usesResponses = false;
  /** What is recorded for a request, until all middleware is through with its response. */
  const recorded = new WeakMap<Context, Recording[]>();
  /** Those that middleware before has looked up: they would wait for themselves. */
  const seen = new WeakSet<Context>();

  app.use('*', async (c, next) => {
    const ready = application.ready();
    if (ready !== undefined) await ready;
    const context = c as unknown as Context<KeepsakeEnv>;
    context.set('cache', application.cacheFor(c.req.header('cache-control'), c.req.header('pragma')));
    context.set('backends', backends);
    const recordings: Recording[] = [];
    recorded.set(context, recordings);
    try {
      await next();
    } catch (error) {
      for (const recording of recordings) recording.abort();
      throw error;
    }
    for (const recording of recordings) recording.confirm(headersOf(c.res));
    if (!usesResponses || !responses.settings.invalidate || SAFE.has(c.req.method)) return;
    if (c.res.status >= 200 && c.res.status < 400) await responses.invalidate(pathOf(c.req.url));
  });

  const cached = (how: RouteCache = true): MiddlewareHandler => {
    const plan = application.plan(how);
    if (plan === undefined) return async (_c, next) => next();
    usesResponses = true;
    return async (c, next) => {
      if (seen.has(c)) return next();
      seen.add(c);
      const found = await answer(responses, plan, c, (request) => app.fetch(request, c.env as never));
      if ('send' in found) return send(c, found.send);
      if (found.record.state === 'miss') {
        const { signal } = c.req.raw;
        // Whose client may have gone away while it waited for another's response.
        if (signal.aborted) found.record.leave();
        signal.addEventListener('abort', () => found.record.leave(), { once: true });
        hide(c);
      }
      try {
        await next();
      } catch (error) {
        found.record.abort();
        throw error;
      }
      record(c, found.record);
      const recordings = recorded.get(c);
      if (recordings === undefined) found.record.confirm(headersOf(c.res));
      else recordings.push(found.record);
      return undefined;
    };
  };
  return {
    ...{ cache, backends, cached, responseCache: responses },
    ready: async () => void (await application.ready()),
    close: () => application.close(),
    [Symbol.asyncDispose]: () => application.close(),
  };
}

function answer<E extends Env>(
  responses: ResponseCache,
  plan: RoutePlan,
  c: Context<E>,
  dispatch: (request: Request) => Response | Promise<Response>,
): Promise<Answer> {
  const { url, method, raw } = c.req;
  const again = async (more: { readonly [name: string]: string }) => {
    const headers = new Headers(raw.headers);
    for (const name of NOT_AGAIN) headers.delete(name);
    for (const [name, value] of Object.entries(more)) headers.set(name, value);
    // Read to its end, since it is recorded as it is read.
    await (await dispatch(new Request(url, { headers }))).arrayBuffer();
  };
  const header = (name: string) => raw.headers.get(name) ?? undefined;
  // Not by `c.res`, which would begin a response.
  const present = headersOf(c.newResponse(null));
  return responses.answer({ method, url: pathOf(url), header, present, again }, plan);
}

function send(c: Context, { status, headers, body }: Extract<Answer, { send: unknown }>['send']): Response {
  for (const [name] of headers) c.header(name, undefined);
  for (const [name, value] of headers) c.header(name, value, { append: true });
  return body === undefined
    ? c.body(null, status as StatusCode)
    : c.body(body as Uint8Array<ArrayBuffer>, status as ContentfulStatusCode);
}

function record(c: Context, recording: Recording): void {
  const { res } = c;
  const headers = headersOf(res);
  if (res.body === null) {
    recording.complete(res.status, headers, new Uint8Array());
    recording.end();
  } else if (recording.begin(res.status, headers)) {
    c.res = new Response(
      tapped(res.body, recording, () => headersOf(c.res)),
      res,
    );
  }
  c.header('x-cache', recording.state);
}

function headersOf({ headers }: Response): HeaderList {
  return [...headers].map(([name, value]) => [name.toLowerCase(), value] as const);
}

/** Takes those headers away by which the handler would answer with less than the whole. */
function hide(c: Context): void {
  if (!NOT_SEEN.some((name) => c.req.raw.headers.has(name))) return;
  const headers = new Headers(c.req.raw.headers);
  for (const name of NOT_SEEN) headers.delete(name);
  c.req.raw = new Request(c.req.raw, { headers });
}

/** Path and query of a URL. */
function pathOf(url: string): string {
  const path = url.indexOf('/', url.indexOf('//') + 2);
  const fragment = url.indexOf('#');
  return path < 0 ? '/' : url.slice(path, fragment < 0 ? undefined : fragment);
}
