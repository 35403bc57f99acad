import { pipeline, Readable, Transform } from 'node:stream';
import { inspect } from 'node:util';
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from 'fastify';
import type { KeepsakeApplication } from '../application.js';
import { requestAgain } from '../responses/again.js';
import { headerList, linesByName } from '../responses/headers.js';
import { bytesOf, confirmWhenSent, endWith, RequestHeaders } from '../responses/node.js';
import type { RouteCache, RoutePlan } from '../responses/options.js';
import type { Recording } from '../responses/recording.js';
import type { Answer } from '../responses/response-cache.js';

/** Methods after which what is cached of a URL may be wrong. */
const SAFE = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE']);

/** Caches the responses of the routes that ask for it in their `config`. */
export function cacheResponses(app: FastifyInstance, application: KeepsakeApplication): void {
  const recordings = new WeakMap<FastifyRequest, Recording>();
  let cached = false;

  /** @returns whether the request is answered */
  const lookup = async (plan: RoutePlan, request: FastifyRequest, reply: FastifyReply): Promise<boolean> => {
    const headers = new RequestHeaders(request.raw);
    const url = request.originalUrl;
    const { method } = request;
    const again = (more: { readonly [name: string]: string }) =>
      requestAgain(app.routing, request.raw, url, headers.again(more));
    const present = headerList(reply.getHeaders());
    const answer = await application.responses.answer({ method, url, header: headers.of, present, again }, plan);
    if ('send' in answer) {
      send(reply, answer.send);
      return true;
    }
    recordings.set(request, answer.record);
    if (answer.record.state === 'miss') headers.hide();
    endWith(reply.raw, answer.record);
    confirmWhenSent(reply.raw, answer.record, () => headerList(reply.getHeaders()));
    return false;
  };

  const record = async (request: FastifyRequest, reply: FastifyReply, payload: unknown) => {
    const recording = recordings.get(request);
    if (recording === undefined) return payload;
    reply.header('x-cache', recording.state);
    return payload instanceof Response ? tapResponse(reply, recording, payload) : tap(reply, recording, payload);
  };

  app.addHook('onRoute', (route: RouteOptions & { config?: { readonly cache?: RouteCache } }) => {
    const asked = application.plan(route.config?.cache);
    const methods = [route.method].flat();
    if (asked === undefined || !methods.some((method) => method === 'GET' || method === 'HEAD')) return;
    cached = true;
    // Routes of one URL are told apart by what else chooses them, such as the host.
    const plan = { ...asked, scope: application.responses.scope(scopeOf(route.constraints)) };
    const { handler } = route;
    // After all hooks, those included that other plugins add to the route later: who may not have the response has been refused by then.
    route.handler = function (request, reply) {
      const run = () => {
        const result: unknown = handler.call(this, request, reply);
        // A handler that gives nothing sends by itself, later.
        return result === undefined ? reply : result;
      };
      return lookup(plan, request, reply).then((answered) => (answered ? reply : run()));
    };
    route.onSend = [...hooksOf(route.onSend), record];
  });

  app.addHook('onSend', (request, reply, payload, done) => {
    const { settings } = application.responses;
    const changed = !SAFE.has(request.method) && reply.statusCode >= 200 && reply.statusCode < 400;
    if (!cached || !settings.invalidate || !changed) return done(null, payload);
    // Before the client hears of it, so that it does not read what was before. Never rejects.
    application.responses.invalidate(request.originalUrl).then(() => done(null, payload));
  });
}

function scopeOf(constraints: RouteOptions['constraints']): string {
  const named = Object.entries(constraints ?? {}).map(([name, value]) => `${name}=${inspect(value)}`);
  return named.sort().join();
}

function hooksOf<T>(hooks: T | T[] | undefined): T[] {
  return hooks === undefined ? [] : ([hooks].flat() as T[]);
}

function send(
  reply: FastifyReply,
  { status, headers, body }: Extract<Answer, { send: unknown }>['send'],
): FastifyReply {
  for (const [name, lines] of linesByName(headers)) reply.header(name, lines.length === 1 ? lines[0] : lines);
  // Fastify would name a type for bytes, where the response has none.
  const typeless = body !== undefined && !headers.some(([name]) => name === 'content-type');
  return reply.code(status).send(typeless ? Readable.from([body]) : body);
}

/** Records a payload; gives what is to be sent in its place. */
function tap(reply: FastifyReply, recording: Recording, payload: unknown): unknown {
  if (isStream(payload)) return tapStream(reply, recording, payload);
  if (payload instanceof ReadableStream) return tapStream(reply, recording, Readable.fromWeb(payload as never));
  const body = payload === undefined || payload === null ? Buffer.alloc(0) : bytesOf(payload);
  const { etag, notModified } = recording.complete(reply.statusCode, headerList(reply.getHeaders()), body);
  recording.end();
  if (etag !== undefined) reply.header('etag', etag);
  if (!notModified) return payload;
  reply.code(304).removeHeader('content-length').removeHeader('content-type');
  return null;
}

function tapStream(reply: FastifyReply, recording: Recording, payload: Readable): Readable {
  if (!recording.begin(reply.statusCode, headerList(reply.getHeaders()))) return payload;
  const through = new Transform({
    transform(chunk, encoding, callback) {
      recording.write(bytesOf(chunk, encoding));
      callback(null, chunk);
    },
    flush(callback) {
      recording.end();
      callback();
    },
  });
  pipeline(payload, through, (error) => {
    if (error) recording.abort();
  });
  return through;
}

/** A response of fetch; its status and headers count, as Fastify has it. */
function tapResponse(reply: FastifyReply, recording: Recording, response: Response): unknown {
  reply.code(response.status);
  for (const [name, value] of response.headers) reply.header(name, value);
  return tap(reply, recording, response.body);
}

function isStream(payload: unknown): payload is Readable {
  return typeof payload === 'object' && payload !== null && 'pipe' in payload && typeof payload.pipe === 'function';
}
