import { once } from 'node:events';
import { connect, createServer, type NetConnectOpts, type Server, type Socket } from 'node:net';

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
}

/** Stands between a client and a server, and troubles them. It listens on a port of the loopback, and keeps that port. */
export class FaultProxy {
  readonly host = '127.0.0.1';
  /** How often the client has asked and then been answered, on all connections. */
  roundTrips = 0;
  readonly #target: NetConnectOpts;
  readonly #pairs = new Set<Pair>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #listener: Server | undefined;
  #port = 0;
  #hangs = false;
  /** What waits for `resume`. It is read all the same: of a connection that is not read nobody learns that it has ended. */
  readonly #held: (() => void)[] = [];
  #latency = 0;
  /** How many bytes of answers still pass, and what comes then. */
  #cut: { left: number; readonly how: 'reset' | 'end' } | undefined;

  private constructor(target: NetConnectOpts) {
    this.#target = target;
  }

  /** A proxy before a port or a unix socket. */
  static async before(target: NetConnectOpts): Promise<FaultProxy> {
    const proxy = new FaultProxy(target);
    await proxy.accept();
    return proxy;
  }

  get port(): number {
    return this.#port;
  }

  /** How many connections there are. */
  get connections(): number {
    return this.#pairs.size;
  }

  /** Takes connections, on the same port as before. */
  async accept(): Promise<void> {
    if (this.#listener !== undefined) return;
    const listener = createServer((client) => this.#join(client));
    listener.listen(this.#port, this.host);
    await once(listener, 'listening');
    this.#listener = listener;
    this.#port = (listener.address() as { port: number }).port;
  }

  /** Resets all connections, and refuses new ones until `accept`. */
  async refuse(): Promise<void> {
    const listener = this.#listener;
    this.#listener = undefined;
    this.reset();
    if (listener !== undefined) await new Promise((resolve) => listener.close(resolve));
  }

  /** Resets all connections; new ones are taken. */
  reset(): void {
    for (const pair of this.#pairs) this.#part(pair, 'reset');
  }

  /** Lets nothing pass any more, on connections there are and new ones, until `resume`. */
  hang(): void {
    this.#hangs = true;
  }

  /** Lets pass again what `hang` held back. */
  resume(): void {
    this.#hangs = false;
    for (const pass of this.#held.splice(0)) pass();
  }

  /** Lets every answer come so many milliseconds later. */
  slow(milliseconds: number): void {
    this.#latency = milliseconds;
  }

  /** Resets the connection on which the next answers come, once so many bytes of them have passed. */
  resetAfter(bytes: number): void {
    this.#cut = { left: bytes, how: 'reset' };
  }

  /** Ends it, as a server does that goes down in order. */
  endAfter(bytes: number): void {
    this.#cut = { left: bytes, how: 'end' };
  }

  async close(): Promise<void> {
    await this.refuse();
    for (const timer of this.#timers) clearTimeout(timer);
    this.#held.length = 0;
  }

  #join(client: Socket): void {
    const server = connect(this.#target);
    const pair = { client, server };
    this.#pairs.add(pair);
    let asked = false;
    client.on('data', (bytes) => {
      this.#pass(() => {
        asked = true;
        if (!server.destroyed) server.write(bytes);
      });
    });
    server.on('data', (bytes) => {
      if (asked) this.roundTrips++;
      asked = false;
      this.#pass(() => {
        if (this.#latency === 0) this.#answer(pair, bytes);
        else this.#later(() => this.#answer(pair, bytes));
      });
    });
    for (const socket of [client, server]) {
      socket.on('error', () => this.#part(pair, 'reset'));
      socket.on('close', () => this.#part(pair, 'end'));
    }
  }

  #pass(work: () => void): void {
    if (this.#hangs) this.#held.push(work);
    else work();
  }

  #answer(pair: Pair, bytes: Buffer): void {
    if (pair.client.destroyed) return;
    const cut = this.#cut;
    if (cut === undefined || bytes.length < cut.left) {
      if (cut !== undefined) cut.left -= bytes.length;
      pair.client.write(bytes);
      return;
    }
    this.#cut = undefined;
    // What is written must be on its way before the connection is reset.
    pair.client.write(bytes.subarray(0, cut.left), () => this.#later(() => this.#part(pair, cut.how), 20));
    pair.server.pause();
  }

  #later(work: () => void, delay = this.#latency): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      work();
    }, delay);
    this.#timers.add(timer);
  }

  #part(pair: Pair, how: 'reset' | 'end'): void {
    if (!this.#pairs.delete(pair)) return;
    pair.server.destroy();
    if (how === 'reset') pair.client.resetAndDestroy();
    else pair.client.destroy();
  }
}
