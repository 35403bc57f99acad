import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { MOST_KEYS } from '../rest/headers.js';
import { Refusal } from './refusal.js';
import type { Served } from './served.js';
import { type Query, takeQuery, toWhole } from './target.js';

/** How many keys are sent at a time. */
const TOGETHER = 500;

/**
 * `GET /`: the keys as `{"keys": […]}`. All, streamed; or, with `limit`, a page, with the `cursor` of the next one if there is one. With `after`, where
 * keys are ordered, those behind a key.
 */
export async function serveKeys(
  served: Served,
  query: Query,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<unknown> {
  const { prefix = '', limit: most, cursor, after } = takeQuery(query, ['prefix', 'limit', 'cursor', 'after']);
  const limit = most === undefined ? undefined : toWhole(most, 'limit');
  if (limit !== undefined && (limit < 1 || limit > MOST_KEYS)) {
    throw new Refusal(400, `limit must be a whole number from 1 to ${MOST_KEYS}`);
  }
  if (cursor !== undefined && (limit === undefined || after !== undefined)) {
    throw new Refusal(400, 'a cursor goes with a limit, and without after');
  }
  reply.type('application/json; charset=utf-8').header('cache-control', 'no-store');
  if (request.method === 'HEAD') return reply.send('');
  if (limit !== undefined && after === undefined) {
    const page = await served.backend.page({ prefix, limit, ...(cursor === undefined ? undefined : { cursor }) });
    return reply.send(JSON.stringify(page));
  }
  const keys = served.backend.keys({ prefix, ...(after === undefined ? undefined : { after }) });
  // What is wrong from the start gets a status of its own; what goes wrong later breaks the answer off.
  const first = await keys.next();
  return reply.send(Readable.from(toJson(keys, first, limit ?? Number.POSITIVE_INFINITY), { objectMode: false }));
}

async function* toJson(
  keys: AsyncGenerator<string, void, undefined>,
  first: IteratorResult<string, void>,
  limit: number,
): AsyncGenerator<string> {
  let text = '{"keys":[';
  let count = 0;
  try {
    for (let next = first; next.done !== true && count < limit; next = await keys.next()) {
      text += `${count++ === 0 ? '' : ','}${JSON.stringify(next.value)}`;
      if (count % TOGETHER !== 0) continue;
      yield text;
      text = '';
    }
    yield `${text}]}`;
  } finally {
    await keys.return();
  }
}
