import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, type ListenOptions, type Server, type Socket } from 'node:net';
import { type ConnectionInformation, type ConnectionMessage, type ConnectionRequest, WINDOW } from './messages.js';

/** Who gets what arrives. */
export interface Peer {
  send(message: ConnectionMessage): void;
}

/** A socket, and what is to be told of it. */
interface Entry {
  readonly id: string;
  readonly socket: Socket;
  readonly information: Omit<ConnectionInformation, 'inherited'>;
  /** Whether the peer of the moment, or the last one, was told of it. */
  known: boolean;
  /** Whether it was told that the client sends no more. */
  ended: boolean;
  /** Bytes that arrived and were not read by the program, whether sent to it or not. */
  unread: number;
  /** What happened while there was no peer. */
  readonly waiting: ConnectionMessage[];
}

/** Limits of a {@link Relay}. */
export interface RelayLimits {
  /** How many connections there may be. */
  readonly maximumConnections: number;
  /** How many bytes may wait for a client that does not read. */
  readonly maximumUnsent: number;
}

/**
 * Owns listening sockets and connections, and relays what arrives to a peer, in order. Without a peer it waits: at most {@link WINDOW} bytes and a chunk of
 * each connection here, and the rest with the clients, whose sockets are paused.
 */
export class Relay {
  readonly #limits: RelayLimits;
  readonly #servers = new Set<Server>();
  readonly #entries = new Map<string, Entry>();
  #peer: Peer | undefined;

  constructor(limits: RelayLimits) {
    this.#limits = limits;
  }

  /** The ports that it listens on. */
  get ports(): number[] {
    return [...this.#servers].map((server) => (server.address() as AddressInfo | null)?.port ?? 0);
  }

  /** How many connections there are. */
  get size(): number {
    return this.#entries.size;
  }

  /** Listens; answers where. */
  async listen(options: ListenOptions): Promise<AddressInfo | string> {
    // What a client sent before it ended its side is still to be answered.
    const server = createServer({ allowHalfOpen: true, noDelay: true, keepAlive: true }, (socket) =>
      this.#accept(socket),
    );
    server.maxConnections = this.#limits.maximumConnections;
    server.listen(options);
    await once(server, 'listening');
    this.#servers.add(server);
    return server.address() as AddressInfo | string;
  }

  #accept(socket: Socket): void {
    const id = randomUUID();
    const { remoteAddress, remotePort, localPort } = socket;
    const information = { id, remoteAddress, remotePort, localPort };
    const entry: Entry = { id, socket, information, known: false, ended: false, unread: 0, waiting: [] };
    this.#entries.set(id, entry);
    this.#tell(entry, { type: 'open', connection: { ...information, inherited: false } });
    socket.on('data', (data: Buffer) => {
      entry.unread += data.length;
      if (entry.unread >= WINDOW) socket.pause();
      this.#tell(entry, { type: 'data', id, data });
    });
    socket.on('end', () => this.#tell(entry, { type: 'end', id }));
    // It is closed next, which is all that there is to know.
    socket.on('error', () => undefined);
    socket.on('close', () => this.#tell(entry, { type: 'close', id }));
  }

  #tell(entry: Entry, message: ConnectionMessage): void {
    if (this.#peer === undefined) entry.waiting.push(message);
    else this.#send(entry, message, this.#peer);
  }

  #send(entry: Entry, message: ConnectionMessage, peer: Peer): void {
    peer.send(message);
    if (message.type === 'open') entry.known = true;
    else if (message.type === 'end') entry.ended = true;
    else if (message.type === 'close') this.#entries.delete(entry.id);
  }

  /** Does what a peer asks for. */
  handle(peer: Peer, request: ConnectionRequest): void {
    const entry = this.#entries.get(request.id);
    if (entry === undefined) return;
    const { socket } = entry;
    switch (request.type) {
      case 'read':
        entry.unread -= request.bytes;
        if (entry.unread < WINDOW) socket.resume();
        return;
      case 'write': {
        const { id, data } = request;
        if (!socket.writable) return;
        socket.write(data, () => peer.send({ type: 'written', id, bytes: data.byteLength }));
        if (socket.writableLength > this.#limits.maximumUnsent) socket.destroy();
        return;
      }
      case 'finish':
        if (socket.writable) socket.end();
        return;
      case 'destroy':
        socket.destroy();
    }
  }

  /** The connections that the last peer knew, for the next. */
  known(): ConnectionInformation[] {
    return [...this.#entries.values()]
      .filter(({ known }) => known)
      .map(({ information }) => ({ ...information, inherited: true }));
  }

  /** Keeps what arrives from now on. */
  pause(): void {
    this.#peer = undefined;
  }

  /** Goes on with the peer that was paused. */
  resume(peer: Peer): void {
    this.#peer = peer;
    for (const entry of [...this.#entries.values()]) {
      for (const message of entry.waiting.splice(0)) this.#send(entry, message, peer);
    }
  }

  /**
   * Goes on with another peer, which was told of what is `known`.
   * @param unread what the former got, and nobody read
   */
  serve(peer: Peer, unread: ReadonlyMap<string, Uint8Array>): void {
    for (const { id, known, ended } of this.#entries.values()) {
      if (!known) continue;
      const data = unread.get(id);
      if (data !== undefined) peer.send({ type: 'data', id, data: Buffer.from(data) });
      if (ended) peer.send({ type: 'end', id });
    }
    this.resume(peer);
  }

  /**
   * The peer is gone, and with it what it was sent and had not read.
   * @param keep whether its connections stay; they are closed otherwise, so that their clients notice
   */
  abandon(keep: boolean): void {
    this.#peer = undefined;
    for (const entry of [...this.#entries.values()]) {
      if (!entry.known) continue;
      if (keep && !entry.socket.destroyed) {
        entry.unread = 0;
        for (const message of entry.waiting) if (message.type === 'data') entry.unread += message.data.length;
        if (entry.unread < WINDOW) entry.socket.resume();
      } else {
        // Nobody is to be told of its end.
        this.#entries.delete(entry.id);
        entry.socket.destroy();
      }
    }
  }

  /** Stops listening. */
  stopListening(): void {
    for (const server of this.#servers) server.close();
    this.#servers.clear();
  }

  /** Stops listening, and ends all connections once what is to be sent is, or `within` milliseconds have passed. */
  async close(within: number): Promise<void> {
    this.stopListening();
    this.#peer = undefined;
    const sockets = [...this.#entries.values()].map(({ socket }) => socket);
    this.#entries.clear();
    await Promise.all(sockets.map((socket) => closed(socket, within)));
  }
}

async function closed(socket: Socket, within: number): Promise<void> {
  if (socket.destroyed) return;
  const timer = setTimeout(() => socket.destroy(), within);
  const closing = once(socket, 'close');
  socket.destroySoon();
  await closing.catch(() => undefined);
  clearTimeout(timer);
}
