import type { IncomingMessage } from 'node:http';
import type { FastifyRequest } from 'fastify';
import { Refusal } from './refusal.js';

type Done = (error: Error | null, body?: Uint8Array) => void;

/** Reads the body of a request as the bytes that it is, and gives up as soon as there are more than `limit`. */
export function bodyReader(limit: number): (request: FastifyRequest, payload: IncomingMessage, done: Done) => void {
  return (request, payload, done) => {
    const announced = Number(request.headers['content-length'] ?? 0);
    if (announced > limit) return done(tooLong(limit));
    const chunks: Uint8Array[] = [];
    let length = 0;
    const onData = (chunk: Uint8Array) => {
      length += chunk.length;
      if (length > limit) finish(tooLong(limit));
      else chunks.push(chunk);
    };
    const onEnd = () => finish(null);
    // The connection broke, or what came was no HTTP: there is nobody to answer.
    const onError = () => finish(new Refusal(400, 'the body has not come to its end'));
    const finish = (error: Error | null) => {
      payload.off('data', onData).off('end', onEnd).off('error', onError).off('close', onError);
      // An aborted request may still tell an error, which nobody waits for.
      if (error !== null) payload.on('error', () => undefined).resume();
      done(error, error === null ? join(chunks, length) : undefined);
    };
    payload.on('data', onData).on('end', onEnd).on('error', onError).on('close', onError);
  };
}

function tooLong(limit: number): Refusal {
  return new Refusal(413, `the body is longer than the ${limit} bytes that this server takes`);
}

/** Bytes of their own: what is stored in memory must not hold the buffers of the connection. */
function join(chunks: readonly Uint8Array[], length: number): Uint8Array {
  if (chunks.length === 1) return new Uint8Array(chunks[0] as Uint8Array);
  const joined = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    joined.set(chunk, at);
    at += chunk.length;
  }
  return joined;
}
