import { show } from '../show.js';
import { Connection, type ConnectionHost } from './connection.js';
import type { ConnectionInformation, ConnectionMessage, ConnectionRequest } from './messages.js';

/** Deals with a connection. When it returns, the connection is ended; when it throws, closed, and the error reported. */
export type ConnectionHandler = (connection: Connection) => unknown;

/** The connections of this generation: found by id, so that a field may hold one. */
export class Connections implements Iterable<Connection>, ConnectionHost {
  readonly #connections = new Map<string, Connection>();
  readonly #requests: ConnectionRequest[] = [];
  readonly #settled: (() => void)[] = [];
  #send: ((request: ConnectionRequest) => void) | undefined;
  #handler: ConnectionHandler | undefined;
  #delivering = false;
  #held = true;

  /** The connection of an id, of this generation or a former one; `undefined` when it is closed. */
  get(id: string): Connection | undefined {
    return this.#connections.get(id);
  }

  /** How many there are. */
  get size(): number {
    return this.#connections.size;
  }

  /** All of them. */
  [Symbol.iterator](): IterableIterator<Connection> {
    return this.#connections.values();
  }

  /** Whether what has arrived may be read; for keepsake itself. */
  get delivering(): boolean {
    return this.#delivering;
  }

  /** Says where requests go; for keepsake itself. */
  attach(send: (request: ConnectionRequest) => void): void {
    this.#send = send;
  }

  /** Asks for something, once the generation serves; for keepsake itself. */
  request(request: ConnectionRequest): void {
    if (this.#held || this.#send === undefined) this.#requests.push(request);
    else this.#send(request);
  }

  /** Takes up connections of the former generation; for keepsake itself. */
  inherit(connections: readonly ConnectionInformation[]): void {
    for (const information of connections) this.#connections.set(information.id, new Connection(information, this));
  }

  /** Something happened on one; for keepsake itself. */
  receive(message: ConnectionMessage): void {
    if (message.type === 'open') {
      const connection = new Connection(message.connection, this);
      this.#connections.set(connection.id, connection);
      this.#handle(connection);
      return;
    }
    const connection = this.#connections.get(message.id);
    if (message.type === 'data') connection?.receive(message.data);
    else if (message.type === 'written') connection?.receive(message.bytes);
    else connection?.receive(message.type);
    if (message.type === 'close') this.#connections.delete(message.id);
  }

  /** Sets who deals with the connections there are and those to come; for keepsake itself. */
  serve(handler: ConnectionHandler): void {
    this.#handler = handler;
    for (const connection of this.#connections.values()) this.#handle(connection);
  }

  #handle(connection: Connection): void {
    const handler = this.#handler;
    if (handler === undefined) return;
    connection
      .handle(async () => {
        try {
          await handler(connection);
          connection.end();
        } catch (error) {
          process.emitWarning(error instanceof Error ? (error.stack ?? error.message) : show(error), {
            type: 'KeepsakeWarning',
            code: 'KEEPSAKE_CONNECTION',
          });
          connection.destroy();
        }
      })
      .catch(() => undefined);
  }

  /** Lets everything go on; for keepsake itself. */
  release(): void {
    this.#held = false;
    this.#delivering = true;
    for (const request of this.#requests.splice(0)) this.#send?.(request);
    for (const connection of this.#connections.values()) connection.wake();
  }

  /** Holds what is asked for until `release`; for keepsake itself. */
  hold(): void {
    this.#held = true;
  }

  /** A reader has come back for more, or gone; for keepsake itself. */
  settled(): void {
    for (const resolve of this.#settled.splice(0)) resolve();
  }

  /** Delivers no more, and waits until what was delivered is dealt with; for keepsake itself. */
  async quiesce(signal: AbortSignal): Promise<void> {
    this.#delivering = false;
    for (;;) {
      signal.throwIfAborted();
      if (![...this.#connections.values()].some(({ busy }) => busy)) return;
      await new Promise<void>((resolve) => {
        this.#settled.push(resolve);
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
    }
  }

  /** Closes the connections of clients that do not read and hold somebody up; for keepsake itself. */
  dropSlow(): void {
    for (const connection of this.#connections.values()) if (connection.busy && connection.slow) connection.destroy();
  }

  /** What has arrived and was not read; for keepsake itself. */
  unread(): [string, Uint8Array][] {
    return [...this.#connections.values()]
      .filter(({ unread }) => unread.length > 0)
      .map(({ id, unread }) => [id, unread]);
  }
}

/** The connections of this process: `connections.get(id)` finds one again, for instance in `decode` of a field type. */
export const connections = new Connections();
