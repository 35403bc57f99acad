import type { Application, NextFunction, Request, RequestHandler, Response } from 'express';
import type { BackendRegistry } from '../../registry/registry.js';
import { KeepsakeApplication, type KeepsakeOptions } from '../application.js';
import type { HandlerCache } from '../cache/handler-cache.js';
import { requestAgain } from '../responses/again.js';
import { headerList, linesByName } from '../responses/headers.js';
import { endWith, RequestHeaders } from '../responses/node.js';
import type { RouteCache, RoutePlan } from '../responses/options.js';
import type { Answer, CachedResponses, ResponseCache } from '../responses/response-cache.js';
import { recordResponse } from './recorder.js';

declare global {
  namespace Express {
    interface Request {
      /** The application's cache, heeding the `Cache-Control` of this request. */
      cache: HandlerCache;
    }
  }
}

/** What an application of Express has of keepsake. */
export interface ExpressKeepsake extends AsyncDisposable {
  /** The application's cache, for use outside of requests; also `app.locals.cache`. */
  readonly cache: HandlerCache;
  /** The application's backends by name; also `app.locals.backends`. */
  readonly backends: BackendRegistry<unknown>;
  /** The application's cached responses. */
  readonly responseCache: CachedResponses;
  /**
   * Middleware that caches the responses of what comes after it: give it to a route, behind all that decides who may have them.
   * @throws InvalidArgumentError, OutOfRangeError for what is none of the choices
   */
  cached(how?: RouteCache): RequestHandler;
  /** Waits for a configuration that a function promised. Rejects with a `ConfigurationError` if it is wrong. */
  ready(): Promise<void>;
  /** Closes what was opened here; call it when the server has closed. */
  close(): Promise<void>;
}

const SAFE = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE']);

/**
 * Gives an application of Express 5 `request.cache`, its backends by name, and middleware that caches responses. Call it before the routes are added.
 *
 * @throws ConfigurationError for a cache's configuration that is wrong, with all its mistakes. Where a function promises it, `ready` rejects, and each request fails
 *
 * @example
 * const { cached, close } = keepsake(app, { cache: { backend: 'redis', redisUrl: 'redis://localhost:6379' } });
 * app.get('/users/:id', cached('5m'), async (request, response) => response.json(await database.user(request.params.id)));
 */
export function keepsake(app: Application, options: KeepsakeOptions = {}): ExpressKeepsake {
  const application = new KeepsakeApplication(options);
  const { cache, backends, responses } = application;
  Object.assign(app.locals, { cache, backends });
  let usesResponses = false;
  /** Those that middleware before has looked up: they would wait for themselves. */
  const seen = new WeakSet<Response>();

  const begin = (request: Request, response: Response, next: NextFunction): void => {
    const { headers } = request;
    request.cache = application.cacheFor(headers['cache-control'], headers.pragma);
    if (usesResponses && responses.settings.invalidate && !SAFE.has(request.method)) {
      invalidateWith(response, () => responses.invalidate(request.originalUrl));
    }
    next();
  };

  app.use((request, response, next) => {
    const ready = application.ready();
    if (ready === undefined) begin(request, response, next);
    else ready.then(() => begin(request, response, next), next);
  });

  const cached = (how: RouteCache = true): RequestHandler => {
    const plan = application.plan(how);
    if (plan === undefined) return (_request, _response, next) => next();
    usesResponses = true;
    return (request, response, next) => {
      if (seen.has(response)) return next();
      seen.add(response);
      answer(responses, plan, request, response).then((sent) => (sent ? undefined : next()), next);
    };
  };
  return {
    ...{ cache, backends, cached, responseCache: responses },
    ready: async () => void (await application.ready()),
    close: () => application.close(),
    [Symbol.asyncDispose]: () => application.close(),
  };
}

/** @returns whether the request is answered */
async function answer(
  responses: ResponseCache,
  plan: RoutePlan,
  request: Request,
  response: Response,
): Promise<boolean> {
  const headers = new RequestHeaders(request);
  const { method, originalUrl: url } = request;
  const again = (more: { readonly [name: string]: string }) =>
    requestAgain(outermost(request.app), request, url, headers.again(more));
  const present = headerList(response.getHeaders());
  const found = await responses.answer({ method, url, header: headers.of, present, again }, plan);
  if ('send' in found) {
    send(response, found.send);
    return true;
  }
  if (found.record.state === 'miss') headers.hide();
  endWith(response, found.record);
  recordResponse(response, found.record);
  return false;
}

function send(response: Response, { status, headers, body }: Extract<Answer, { send: unknown }>['send']): void {
  for (const [name, lines] of linesByName(headers)) response.setHeader(name, lines);
  response.statusCode = status;
  response.end(body);
}

/** The application that has the others in it. */
function outermost(app: Application): Application {
  const { parent } = app as Application & { readonly parent?: Application };
  return parent === undefined ? app : outermost(parent);
}

/** Voids what is cached before the response ends, so that the client does not read what was before. */
function invalidateWith(response: Response, invalidate: () => Promise<void>): void {
  const end = response.end.bind(response) as (...parameters: unknown[]) => Response;
  response.end = ((...parameters: unknown[]) => {
    if (response.statusCode < 200 || response.statusCode >= 400) return end(...parameters);
    // Never rejects.
    void invalidate().then(() => end(...parameters));
    return response;
  }) as typeof response.end;
}
