import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { type HeaderList, type HeaderOf, headerList, NOT_AGAIN, NOT_SEEN } from './headers.js';
import type { Recording } from './recording.js';

/** The headers of a request, as they were when it came. */
export class RequestHeaders {
  readonly #request: IncomingMessage;
  #headers: IncomingHttpHeaders;

  constructor(request: IncomingMessage) {
    this.#request = request;
    this.#headers = request.headers;
  }

  readonly of: HeaderOf = (name) => {
    const value = this.#headers[name];
    if (Array.isArray(value)) return value.join(', ');
    return typeof value === 'string' ? value : undefined;
  };

  /** Takes those away by which a handler, or the framework, would answer with less than the whole. */
  hide(): void {
    const hidden = NOT_SEEN.filter((name) => this.#headers[name] !== undefined);
    if (hidden.length === 0) return;
    this.#headers = { ...this.#headers };
    for (const name of hidden) delete this.#request.headers[name];
  }

  /** Those with which the same request is made again. */
  again(more: { readonly [name: string]: string }): IncomingHttpHeaders {
    const kept = Object.entries(this.#headers).filter(([name]) => !NOT_AGAIN.includes(name));
    return { ...Object.fromEntries(kept), ...more };
  }
}

/**
 * Confirms a recording once the headers are sent: middleware further out may add some just then, such as a session its cookie.
 * @param headers those that are not in the response itself
 */
export function confirmWhenSent(
  response: ServerResponse,
  recording: Recording,
  headers: () => HeaderList = () => [],
): void {
  const writeHead = response.writeHead.bind(response) as (...parameters: unknown[]) => ServerResponse;
  response.writeHead = (...parameters: unknown[]) => {
    const written = writeHead(...parameters);
    const own = headerList(response.getHeaders());
    recording.confirm([...headers().filter(([name]) => !own.some(([one]) => one === name)), ...own]);
    return written;
  };
}

/** Ends a recording when its connection does, whatever became of the response. */
export function endWith(response: ServerResponse, recording: Recording): void {
  // Whose client went away while it waited for another's response.
  if (response.destroyed) recording.leave();
  response.once('close', () => {
    if (response.writableFinished) recording.abort();
    else recording.leave();
  });
}

/** The bytes of what is written to a response. */
export function bytesOf(chunk: unknown, encoding?: unknown): Buffer {
  if (chunk instanceof Uint8Array) return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  return Buffer.from(String(chunk), typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8');
}
