import { request } from 'node:http';
import { connect } from 'node:net';

/** What was answered. */
export interface Told {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Buffer;
  /** The body as text. */
  readonly text: string;
}

/** What is asked beside method and path. */
export interface Asked {
  readonly headers?: Readonly<Record<string, string | string[]>>;
  readonly body?: string | Uint8Array;
}

/** Asks a server once, with the path exactly as it is. */
export function ask(url: string, method: string, path: string, { headers = {}, body }: Asked = {}): Promise<Told> {
  const { hostname, port } = new URL(url);
  // Node sends a body of some methods without saying how long it is.
  const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
  return new Promise((resolve, reject) => {
    const asking = request(
      { host: hostname, port, method, path, headers: { ...length, ...headers }, agent: false },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const whole = Buffer.concat(chunks);
          const told = response.headers as Record<string, string | undefined>;
          resolve({ status: response.statusCode ?? 0, headers: told, body: whole, text: whole.toString() });
        });
      },
    );
    asking.on('error', reject);
    asking.end(body);
  });
}

/** A pause between what is sent. */
export interface Pause {
  readonly pause: number;
}

/**
 * Says something to a port, and gives all that is said there until it hangs up, or until `patience` is over.
 * @param parts what to send, byte by byte as latin1, and pauses between
 */
export function say(port: number, parts: readonly (string | Pause)[], patience = 20_000): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    let heard = '';
    const timer = setTimeout(() => socket.destroy(), patience);
    socket.on('data', (bytes) => {
      heard += bytes.toString('latin1');
    });
    // A server that hangs up while more is sent resets the connection.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(heard);
    });
    void (async () => {
      for (const part of parts) {
        if (typeof part === 'string') socket.write(part, 'latin1');
        else await new Promise((done) => setTimeout(done, part.pause));
      }
    })();
  });
}

/** The statuses of all answers that were heard. */
export function statuses(heard: string): number[] {
  return [...heard.matchAll(/(?:^|\r\n\r\n|\n|[^\r\n])HTTP\/1\.1 ([0-9]{3}) /g)].map(([, status]) => Number(status));
}
