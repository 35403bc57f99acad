import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Entry } from '../backend/driver.js';
import { EXPIRES_AT, FOUND, TTL } from '../rest/headers.js';
import { differs, matches } from './conditions.js';
import { Refusal } from './refusal.js';
import type { Served } from './served.js';

/** What can be done with an entry. */
export const ENTRY_METHODS = ['GET', 'HEAD', 'PUT', 'POST', 'PATCH', 'DELETE', 'OPTIONS'] as const;

const EMPTY = new Uint8Array();

/** `GET`, `HEAD`, `PUT`, `POST`, `PATCH` or `DELETE` of an entry. */
export function serveEntry(
  served: Served,
  key: string,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<unknown> {
  const { method } = request;
  if (method === 'GET' || method === 'HEAD') return read(served, key, request, reply);
  return method === 'DELETE' ? remove(served, key, request, reply) : write(served, key, request, reply);
}

async function read(served: Served, key: string, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  const preconditions = served.preconditions(request.raw.headers);
  const entry = await served.backend.getEntry(key);
  if (preconditions !== undefined) {
    if (!matches(preconditions, entry)) throw unmet();
    if (!differs(preconditions, entry)) {
      return sendNothing(describe(served, entry as Entry<unknown>, reply), 304);
    }
  }
  return sendEntry(served, key, entry, reply);
}

/** Answers with an entry, or with 404. */
export function sendEntry(
  served: Served,
  key: string,
  entry: Entry<unknown> | undefined,
  reply: FastifyReply,
): FastifyReply {
  if (entry === undefined) {
    throw new Refusal(404, 'there is no entry of this key', { [FOUND]: 'false' });
  }
  const value = served.toBytes(entry.value, key);
  // A Buffer, which is no copy: what sends it takes other bytes for text of another encoding.
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  return describe(served, entry, reply)
    .header(FOUND, 'true')
    .header('content-type', 'application/octet-stream')
    .send(bytes);
}

function describe(served: Served, entry: Entry<unknown>, reply: FastifyReply): FastifyReply {
  const tag = served.tagOf(entry);
  if (tag !== undefined) reply.header('etag', tag);
  const { expiresAt } = entry;
  if (expiresAt !== undefined) reply.header(EXPIRES_AT, expiresAt).header(TTL, Math.max(0, expiresAt - served.now()));
  // May be kept, but must be asked for again: anybody may change it at any time.
  return reply.header('cache-control', 'private, no-cache');
}

async function write(served: Served, key: string, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  const { headers } = request.raw;
  const value = request.body instanceof Uint8Array ? request.body : EMPTY;
  const result = await served.write(key, value, served.expiry(headers), served.preconditions(headers));
  if (result === 'unmet') throw unmet();
  if (result === 'discarded') throw new Refusal(409, 'it was not stored: this store discards what is written');
  return sendNothing(reply, 204);
}

async function remove(served: Served, key: string, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  const removed = await served.remove(key, served.preconditions(request.raw.headers));
  if (removed === 'unmet') throw unmet();
  return sendNothing(reply.header(FOUND, String(removed)), 204);
}

/** Answers with a status and no body. */
export function sendNothing(reply: FastifyReply, statusCode: number): FastifyReply {
  return reply.code(statusCode).send();
}

function unmet(): Refusal {
  return new Refusal(412, 'the entry is not as If-Match or If-None-Match says');
}
