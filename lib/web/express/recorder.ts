import type { OutgoingHttpHeader, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { headerList } from '../responses/headers.js';
import { bytesOf, confirmWhenSent } from '../responses/node.js';
import type { Recording } from '../responses/recording.js';

type Headers = OutgoingHttpHeaders | OutgoingHttpHeader[];
type Callback = () => void;

/** Records what is written to a response of Node, from whichever framework. */
export function recordResponse(response: ServerResponse, recording: Recording): void {
  confirmWhenSent(response, recording);
  const writeHead = response.writeHead.bind(response) as (status: number, message?: string) => ServerResponse;
  const write = response.write.bind(response) as (...parameters: unknown[]) => boolean;
  const end = response.end.bind(response) as (...parameters: unknown[]) => ServerResponse;
  let begun = false;

  response.writeHead = (status: number, ...more: readonly unknown[]) => {
    const [message, headers] = typeof more[0] === 'string' ? [more[0], more[1]] : [undefined, more[0]];
    response.statusCode = status;
    setAll(response, headers as Headers | undefined);
    if (!begun) {
      begun = true;
      response.setHeader('x-cache', recording.state);
      recording.begin(response.statusCode, headerList(response.getHeaders()));
    }
    return message === undefined ? writeHead(status) : writeHead(status, message);
  };

  response.write = (chunk: unknown, ...more: readonly unknown[]) => {
    const sent = write(chunk, ...more);
    if (chunk !== undefined && chunk !== null) recording.write(bytesOf(chunk, more[0]));
    return sent;
  };

  response.end = ((...parameters: readonly unknown[]) => {
    const [chunk, encoding] = typeof parameters[0] === 'function' ? [] : parameters;
    const callback = parameters.find((one): one is Callback => typeof one === 'function');
    const last = chunk === undefined || chunk === null ? undefined : bytesOf(chunk, encoding);
    if (begun || response.headersSent) {
      if (last !== undefined) recording.write(last);
      recording.end();
      return end(...parameters);
    }
    begun = true;
    response.setHeader('x-cache', recording.state);
    const headers = headerList(response.getHeaders());
    const { etag, notModified } = recording.complete(response.statusCode, headers, last ?? Buffer.alloc(0));
    recording.end();
    if (etag !== undefined) response.setHeader('etag', etag);
    if (!notModified) return end(...parameters);
    response.statusCode = 304;
    for (const name of ['content-length', 'content-type', 'content-encoding', 'transfer-encoding']) {
      response.removeHeader(name);
    }
    return callback === undefined ? end() : end(callback);
  }) as typeof response.end;
}

function setAll(response: ServerResponse, headers: Headers | undefined): void {
  if (headers === undefined || headers === null) return;
  if (!Array.isArray(headers)) {
    for (const [name, value] of Object.entries(headers)) if (value !== undefined) response.setHeader(name, value);
    return;
  }
  const pairs = headers.flatMap((name, at) => (at % 2 === 0 ? [[String(name), String(headers[at + 1])] as const] : []));
  for (const [name] of pairs) response.removeHeader(name);
  for (const [name, value] of pairs) response.appendHeader(name, value);
}
