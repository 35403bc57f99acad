import { pipeline, Readable, Transform } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from 'fastify';
import type { KeepsakeApplication } from '../application.js';
import { headerList } from '../responses/headers.js';
import { bytesOf, endWith, RequestHeaders } from '../responses/node.js';
import type { RouteCache, RoutePlan } from '../responses/options.js';
import type { Recording } from '../responses/recording.js';
import type { Answer } from '../responses/response-cache.js';

/** Methods after which what is cached of a URL may be wrong. */
const SAFE = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE']);

/** Caches the responses of the routes that ask for it in their `config`. */
export function cacheResponses(app: FastifyInstance, application: KeepsakeApplication): void {
  const recordings = new WeakMap<FastifyRequest, Recording>();
  let cached = false;

  const lookup = (plan: RoutePlan) => async (request: FastifyRequest, reply: FastifyReply) => {
    const headers = new RequestHeaders(request.raw);
    const url = request.originalUrl;
    const { method } = request;
    const again = (more: { readonly [name: string]: string }) =>
      app.inject({ method: 'GET', url, headers: headers.again(more) as { [name: string]: string } });
    const answer = await application.responses.answer({ method, url, header: headers.of, again }, plan);
    if ('send' in answer) return send(reply, answer.send);
    recordings.set(request, answer.record);
    if (answer.record.state === 'miss') headers.hide();
    endWith(reply.raw, answer.record);
  };

  const record = async (request: FastifyRequest, reply: FastifyReply, payload: unknown) => {
    const recording = recordings.get(request);
    if (recording === undefined) return payload;
    reply.header('x-cache', recording.state);
    return payload instanceof Response ? tapResponse(reply, recording, payload) : tap(reply, recording, payload);
  };

  app.addHook('onRoute', (route: RouteOptions & { config?: { readonly cache?: RouteCache } }) => {
    const plan = application.plan(route.config?.cache);
    const methods = [route.method].flat();
    if (plan === undefined || !methods.some((method) => method === 'GET' || method === 'HEAD')) return;
    cached = true;
    // After all that the route, and the application, do before the handler: who may not have the response has been refused by then.
    route.preHandler = [...hooksOf(route.preHandler), lookup(plan)];
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

function hooksOf<T>(hooks: T | T[] | undefined): T[] {
  return hooks === undefined ? [] : ([hooks].flat() as T[]);
}

function send(
  reply: FastifyReply,
  { status, headers, body }: Extract<Answer, { send: unknown }>['send'],
): FastifyReply {
  for (const [name, value] of headers) {
    if (!reply.hasHeader(name)) reply.header(name, value);
  }
  return reply.code(status).send(body);
}

/** Records a payload; gives what is to be sent in its place. */
function tap(reply: FastifyReply, recording: Recording, payload: unknown): unknown {
  if (isStream(payload)) return tapStream(reply, recording, payload);
  if (payload instanceof ReadableStream) return tapStream(reply, recording, Readable.fromWeb(payload as never));
  const body = payload === undefined || payload === null ? Buffer.alloc(0) : bytesOf(payload);
  const { etag, notModified } = recording.complete(reply.statusCode, headerList(reply.getHeaders()), body);
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
      void recording.end();
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
