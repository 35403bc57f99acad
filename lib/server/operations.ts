import type { FastifyReply, FastifyRequest } from 'fastify';
import * as operations from '../backend/operations.js';
import { isKeepsakeError } from '../errors.js';
import { FOUND, MOST_KEYS } from '../rest/headers.js';
import { decodeRecords, encodeRecords, type RestRecord } from '../rest/records.js';
import { sendEntry, sendNothing } from './entries.js';
import type { Access } from './options.js';
import { Refusal } from './refusal.js';
import type { Served } from './served.js';
import { type Query, takeQuery, toWhole } from './target.js';

/** What an operation is given. */
interface Call {
  readonly served: Served;
  readonly query: Query;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

/** What lies under `/-/`, and is no key. */
export interface Operation {
  readonly method: 'GET' | 'POST';
  readonly access: Access;
  readonly run: (call: Call) => Promise<unknown>;
}

/** How many entries are read at first where many are asked for; twice as many each time. */
const AT_FIRST = 64;
/** How many bytes of values an answer about many entries has, before it leaves the rest to be asked for again. */
const ENOUGH = 4 * 2 ** 20;

/** The operations by their names. `entry` is served like a key of the path. */
export const OPERATIONS: ReadonlyMap<string, Operation> = new Map<string, Operation>([
  ['health', { method: 'GET', access: 'read', run: health }],
  ['count', { method: 'GET', access: 'read', run: count }],
  ['get-many', { method: 'POST', access: 'read', run: getMany }],
  ['set-many', { method: 'POST', access: 'write', run: setMany }],
  ['delete-many', { method: 'POST', access: 'write', run: deleteMany }],
  ['increment', { method: 'POST', access: 'write', run: increment }],
  ['touch', { method: 'POST', access: 'write', run: touch }],
  ['renew', { method: 'POST', access: 'write', run: renew }],
  ['clear', { method: 'POST', access: 'write', run: clear }],
]);

/** Whether the backend can be reached, and what it can do. */
async function health({ served, query, reply }: Call): Promise<unknown> {
  takeQuery(query, []);
  await served.backend.open();
  return sendJson(reply, { status: 'ok', capabilities: served.capabilities });
}

async function count({ served, query, reply }: Call): Promise<unknown> {
  const { prefix = '' } = takeQuery(query, ['prefix']);
  return sendJson(reply, { count: await served.backend.count({ prefix }) });
}

/** Answers about the first keys, up to a size: fewer records than keys say that the rest is to be asked for again. */
async function getMany({ served, query, request, reply }: Call): Promise<unknown> {
  takeQuery(query, []);
  const keys = readKeys(request, served, 'getMany');
  const records: (RestRecord | null)[] = [];
  const values: Uint8Array[] = [];
  let bytes = 0;
  for (let together = AT_FIRST; records.length < keys.length && bytes < ENOUGH; together *= 2) {
    const group = keys.slice(records.length, records.length + together);
    for (const [index, found] of (await readGroup(served, group)).entries()) {
      if (found === undefined || !('value' in found)) {
        records.push(found === undefined ? null : { size: 0, error: found });
        continue;
      }
      const value = served.toBytes(found.value, group[index] as string);
      const tag = served.tagOf(found);
      records.push({ size: value.length, expiresAt: found.expiresAt, version: tag?.slice(1, -1) });
      values.push(value);
      bytes += value.length;
    }
  }
  return reply
    .type('application/octet-stream')
    .header('cache-control', 'no-store')
    .send(encodeRecords({ records }, values));
}

type Found =
  | { readonly value: unknown; readonly expiresAt?: number | undefined; readonly version?: string | undefined }
  | { readonly code: string; readonly message: string }
  | undefined;

/** One that cannot be read must not hide the others. */
async function readGroup(served: Served, keys: readonly string[]): Promise<readonly Found[]> {
  const { driver } = served;
  return served.run('getMany', async () => {
    try {
      return await operations.readMany(driver, keys);
    } catch (error) {
      if (!isUnreadable(error)) throw error;
    }
    const found: Found[] = new Array<Found>(keys.length);
    await operations.eachOf(keys, async (key, index) => {
      try {
        found[index] = await driver.read(key);
      } catch (error) {
        if (!isUnreadable(error)) throw error;
        found[index] = { code: error.code, message: 'what is stored cannot be read' };
      }
    });
    return found;
  });
}

function isUnreadable(error: unknown): error is Error & { readonly code: string } {
  return isKeepsakeError(error, 'KEEPSAKE_CORRUPT_DATA') || isKeepsakeError(error, 'KEEPSAKE_DECRYPT');
}

async function setMany({ served, query, request, reply }: Call): Promise<unknown> {
  takeQuery(query, []);
  const { records, values } = decodeRecords(bodyOf(request));
  if (records.length > MOST_KEYS) throw tooMany(records.length);
  const entries = records.map((record, index) => {
    if (record === null) throw new Refusal(400, 'every entry needs a value');
    // Memory holds values as they are: one must not hold the bytes of all.
    return [record.key as string, new Uint8Array(values[index] as Uint8Array)] as const;
  });
  await served.backend.setMany(entries, served.expiry(request.raw.headers));
  return sendNothing(reply, 204);
}

async function deleteMany({ served, query, request, reply }: Call): Promise<unknown> {
  takeQuery(query, []);
  const deleted = await served.backend.deleteMany(readKeys(request, served, 'deleteMany'));
  return sendJson(reply, { deleted });
}

async function increment({ served, query, request, reply }: Call): Promise<unknown> {
  const { by = '1' } = takeQuery(query, ['key', 'by']);
  const step = toWhole(by, 'by');
  const key = served.keyOf(query.get('key'), 'increment');
  served.need('increment', 'increment');
  const deadline = served.deadline(request.raw.headers, 'increment');
  return sendJson(reply, await served.run('increment', () => operations.increment(served.driver, key, step, deadline)));
}

async function touch({ served, query, request, reply }: Call): Promise<unknown> {
  takeQuery(query, ['key']);
  const key = served.keyOf(query.get('key'), 'touch');
  served.need('touch', 'touch');
  const deadline = givenDeadline(served, request, 'touch');
  const found = await served.run('touch', () => operations.touch(served.driver, key, deadline));
  if (!found) throw new Refusal(404, 'there is no entry of this key', { [FOUND]: 'false' });
  return sendNothing(reply.header(FOUND, 'true'), 204);
}

async function renew({ served, query, request, reply }: Call): Promise<unknown> {
  takeQuery(query, ['key']);
  const key = served.keyOf(query.get('key'), 'get');
  served.need('touch', 'get');
  const deadline = givenDeadline(served, request, 'get');
  if (deadline === undefined) throw new Refusal(400, 'Keepsake-TTL must be milliseconds here; touch takes never, too');
  return sendEntry(served, key, await served.run('get', () => operations.renew(served.driver, key, deadline)), reply);
}

function givenDeadline(served: Served, request: FastifyRequest, operation: string): number | undefined {
  const { headers } = request.raw;
  if (served.expiry(headers) !== undefined) return served.deadline({ ...headers }, operation);
  throw new Refusal(400, 'send Keepsake-TTL with milliseconds or never, or Keepsake-Expires-At');
}

async function clear({ served, query, reply }: Call): Promise<unknown> {
  const { prefix = '', everything = 'false' } = takeQuery(query, ['prefix', 'everything']);
  if (everything !== 'true' && everything !== 'false') throw new Refusal(400, 'everything must be true or false');
  await served.backend.clear({ prefix, everything: everything === 'true' });
  return sendNothing(reply, 204);
}

function sendJson(reply: FastifyReply, value: unknown): FastifyReply {
  return reply.type('application/json; charset=utf-8').header('cache-control', 'no-store').send(JSON.stringify(value));
}

function bodyOf(request: FastifyRequest): Uint8Array {
  return request.body instanceof Uint8Array ? request.body : new Uint8Array();
}

function readKeys(request: FastifyRequest, served: Served, operation: string): string[] {
  let body: unknown;
  try {
    body = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bodyOf(request)));
  } catch {
    body = undefined;
  }
  const keys = typeof body === 'object' && body !== null && 'keys' in body ? body.keys : undefined;
  if (!Array.isArray(keys)) throw new Refusal(400, 'the body must be JSON: {"keys": ["…", "…"]}');
  if (keys.length > MOST_KEYS) throw tooMany(keys.length);
  return keys.map((key) => served.keyOf(key, operation));
}

function tooMany(count: number): Refusal {
  return new Refusal(400, `at most ${MOST_KEYS} at a time; got ${count}`);
}
