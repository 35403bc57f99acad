import type { Socket } from 'node:net';
import { setTimeout } from 'node:timers/promises';

/** How long a server may take to part with connections in order, in milliseconds. */
const FAREWELL = 500;

/** The sockets of a pool that is ours: a server that hangs would let none of them end. */
export class Sockets {
  readonly #open = new Set<Socket>();

  /** Remembers a socket for as long as it is open. */
  add(socket: Socket): Socket {
    this.#open.add(socket);
    return socket.once('close', () => this.#open.delete(socket));
  }

  /** Waits a while for a pool to end, and ends what is left then. */
  async close(ending: Promise<unknown>): Promise<void> {
    const ended = new AbortController();
    const all = ending.catch(ignore).finally(() => ended.abort());
    await Promise.race([all, setTimeout(FAREWELL, undefined, { signal: ended.signal })]).catch(ignore);
    for (const socket of this.#open) socket.destroy();
  }
}

function ignore(): void {}
