import { type IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';

type Listener = (request: IncomingMessage, response: ServerResponse) => unknown;

/** Lets a listener answer a `GET` that no connection carries; what it answers goes nowhere. Resolves once it has. */
export function requestAgain(
  listener: Listener,
  before: IncomingMessage,
  url: string,
  headers: IncomingHttpHeaders,
): Promise<void> {
  const { remoteAddress, remotePort, localAddress, localPort } = before.socket;
  const { encrypted } = before.socket as Socket & { readonly encrypted?: boolean };
  const sink = new Duplex({
    read: () => undefined,
    write: (_chunk, _encoding, callback) => callback(),
  });
  const socket = Object.assign(sink, {
    remoteAddress,
    remotePort,
    localAddress,
    localPort,
    encrypted,
    // What handlers set of a connection, of which there is none.
    setTimeout: () => sink,
    setNoDelay: () => sink,
    setKeepAlive: () => sink,
    ref: () => sink,
    unref: () => sink,
  }) as unknown as Socket;
  const request = new IncomingMessage(socket);
  Object.assign(request, {
    method: 'GET',
    url,
    headers,
    httpVersion: '1.1',
    httpVersionMajor: 1,
    httpVersionMinor: 1,
    complete: true,
  });
  request.push(null);
  const response = new ServerResponse(request);
  response.assignSocket(socket);
  return new Promise((resolve) => {
    response.once('finish', resolve);
    response.once('close', resolve);
    listener(request, response);
  });
}
