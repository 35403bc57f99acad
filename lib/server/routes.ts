import type { IncomingMessage } from 'node:http';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Backend } from '../backend/backend.js';
import { checkOptions } from '../backend/checks.js';
import { EXPIRES_AT, FOUND, INTERFACE, INTERFACE_VERSION, TTL } from '../rest/headers.js';
import { bodyReader } from './body.js';
import { ENTRY_METHODS, sendNothing, serveEntry } from './entries.js';
import { Guard } from './guard.js';
import { serveKeys } from './listing.js';
import { OPERATIONS, type Operation } from './operations.js';
import { type Access, checkBackend, checkRestOptions, REST_OPTIONS, type RestOptions } from './options.js';
import { Refusal, toProblem } from './refusal.js';
import { Served } from './served.js';
import { readTarget, type Target, takeQuery } from './target.js';

/** Options of {@link backendRoutes}. */
export interface BackendRoutesOptions<V = unknown> extends RestOptions {
  /** What is served. It is opened by the first request, and left open. */
  readonly backend: Backend<V>;
}

/** What Fastify itself adds to the options of a plugin. */
const FASTIFY_OPTIONS = ['prefix', 'logLevel', 'logSerializers'];

/**
 * What keeps a browser from taking stored bytes for anything but bytes, and other pages from using them; on every answer.
 */
export const HEADERS: Readonly<Record<string, string>> = {
  [INTERFACE]: INTERFACE_VERSION,
  'x-content-type-options': 'nosniff',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'; sandbox",
  'cross-origin-resource-policy': 'same-origin',
};

const READS = ['GET', 'HEAD', 'OPTIONS'];
/** More headers than anybody needs. Node leaves out those beyond 2,000, which may be the ones that say what must hold. */
const MOST_HEADERS = 100;
const PLAIN_TYPE = /^[\w.+-]+\/[\w.+-]+$/;
const EXPOSED = ['etag', INTERFACE, FOUND, TTL, EXPIRES_AT].join(', ');
const SENT = ['authorization', 'content-type', 'if-match', 'if-none-match', TTL, EXPIRES_AT].join(', ');

/** What a request is about, between its hooks and its handler. */
const TARGET = Symbol('keepsake.target');
type Routed = FastifyRequest & { [TARGET]: Target | undefined };

/**
 * A Fastify plugin: the REST interface of a backend, under the prefix that it is registered with. Several in one application share nothing.
 *
 * @throws InvalidArgumentError, OutOfRangeError for wrong options
 *
 * @example
 * await app.register(backendRoutes, { prefix: '/notes', backend: files('./notes'), authorize: bearer(token) });
 */
export async function backendRoutes<V>(app: FastifyInstance, options: BackendRoutesOptions<V>): Promise<void> {
  checkOptions(options, ['backend', ...REST_OPTIONS, ...FASTIFY_OPTIONS], 'backendRoutes');
  checkBackend(options.backend, 'backendRoutes');
  const checked = checkRestOptions(options, 'backendRoutes');
  const served = new Served(options.backend as unknown as Backend<unknown>);
  const guard = new Guard(app, checked);
  const depth = app.prefix.split('/').filter((segment) => segment !== '').length;

  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', bodyReader(checked.bodyLimit));
  app.decorateRequest(TARGET, undefined);
  app.addHook('onClose', () => guard.close());

  app.addHook('onRequest', (request, reply, done) => {
    const { raw } = request;
    reply.headers(HEADERS);
    try {
      checkHead(raw);
      const target = readTarget(raw.url ?? '', depth);
      (request as Routed)[TARGET] = target;
      const { origin } = raw.headers;
      if (origin !== undefined && checked.origins.has(origin)) {
        allow(reply, origin);
        if (request.method === 'OPTIONS' && 'access-control-request-method' in raw.headers) {
          sendNothing(preflight(reply), 204);
          return;
        }
      }
      const passing = guard.check(request, accessOf(request.method, target));
      if (passing !== undefined) {
        passing.then(() => checkShape(request, target, served)).then(() => done(), done);
        return;
      }
      checkShape(request, target, served);
    } catch (error) {
      done(error as Error);
      return;
    }
    done();
  });

  app.setErrorHandler(answerProblem);

  const serve = (request: FastifyRequest, reply: FastifyReply): Promise<unknown> => {
    const target = (request as Routed)[TARGET] as Target;
    if (request.method === 'OPTIONS') {
      return Promise.resolve(sendNothing(reply.header('allow', methodsOf(target, served).join(', ')), 204));
    }
    if (target.kind === 'entry') return serveEntry(served, target.key, request, reply);
    if (target.kind === 'keys') return serveKeys(served, target.query, request, reply);
    if (target.name === 'entry') return serveEntry(served, takeQuery(target.query, ['key']).key ?? '', request, reply);
    const { run } = OPERATIONS.get(target.name) as Operation;
    return run({ served, query: target.query, request, reply });
  };
  for (const url of ['/', '/*']) {
    app.route({ method: [...app.supportedMethods], url, exposeHeadRoute: false, handler: serve });
  }
}

/** Answers a request that came to nothing. */
export function answerProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const problem = toProblem(error);
  if (problem.statusCode >= 500) request.log.error({ err: error }, 'the request failed');
  if (error instanceof Refusal) reply.headers(error.headers);
  reply.code(problem.statusCode).removeHeader('etag');
  // What is refused before its body has come would otherwise have to be read to its end.
  const { headers } = request.raw;
  if (headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined) {
    if (!request.raw.complete) reply.header('connection', 'close');
  }
  reply.type('application/json; charset=utf-8').header('cache-control', 'no-store');
  reply.send(request.method === 'HEAD' ? '' : JSON.stringify(problem));
}

function accessOf(method: string, target: Target): Access {
  if (READS.includes(method)) return 'read';
  return (target.kind === 'operation' && OPERATIONS.get(target.name)?.access) || 'write';
}

/** What can be done there; nothing where there is nothing. */
function methodsOf(target: Target, { capabilities }: Served): readonly string[] {
  if (target.kind === 'keys') return READS;
  if (target.kind === 'entry' || target.name === 'entry') return capabilities.writable ? ENTRY_METHODS : READS;
  const operation = OPERATIONS.get(target.name);
  if (operation === undefined) throw new Refusal(404, `there is no operation ${JSON.stringify(target.name)}`);
  if (operation.method === 'GET') return READS;
  return capabilities.writable || operation.access === 'read' ? ['POST', 'OPTIONS'] : ['OPTIONS'];
}

/** Refuses requests that somebody before us may have understood otherwise. */
function checkHead({ httpVersionMajor, rawHeaders }: IncomingMessage): void {
  if (httpVersionMajor < 1) throw new Refusal(400, 'HTTP/1.1 is spoken here');
  if (rawHeaders.length > MOST_HEADERS * 2) throw new Refusal(431, `there may be ${MOST_HEADERS} headers`);
  let hosts = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] as string;
    if (name.length === 4 && name.toLowerCase() === 'host' && ++hosts > 1)
      throw new Refusal(400, 'there are two hosts');
  }
}

/** Refuses what will not be done before its body is read. */
function checkShape(request: FastifyRequest, target: Target, served: Served): void {
  const allowed = methodsOf(target, served);
  if (!allowed.includes(request.method)) {
    throw new Refusal(405, `${request.method} is not for this; there are ${allowed.join(', ')}`, {
      allow: allowed.join(', '),
    });
  }
  const { headers } = request.raw;
  const { 'content-type': type, 'content-encoding': encoding } = headers;
  if (encoding !== undefined && encoding !== 'identity') {
    throw new Refusal(415, 'bytes are stored as they are, and given back without Content-Encoding: send them without');
  }
  if ('content-range' in headers) throw new Refusal(400, 'a part of a value cannot be stored: send it whole');
  // Whatever the bytes are called, they are stored; Fastify refuses a name that it cannot read.
  if (type !== undefined && !PLAIN_TYPE.test(type)) request.headers = { 'content-type': 'application/octet-stream' };
}

function allow(reply: FastifyReply, origin: string): void {
  reply.header('access-control-allow-origin', origin).header('vary', 'Origin');
  reply.header('access-control-expose-headers', EXPOSED).header('cross-origin-resource-policy', 'cross-origin');
}

function preflight(reply: FastifyReply): FastifyReply {
  reply.header('access-control-allow-methods', ENTRY_METHODS.join(', '));
  return reply.header('access-control-allow-headers', SENT).header('access-control-max-age', '600');
}
