import { type Argument, asBytes, type Link, type Node, type Reply, type SingleClient } from './link.js';

const OPTIONS = asBytes();

/** The way to one server. */
export class SingleLink implements Link {
  readonly slotted = false;
  readonly #client: SingleClient;
  readonly #ours: boolean;
  #failure: { readonly error: unknown; readonly time: number } | undefined;

  /** @param ours whether the client was made here, and not given */
  constructor(client: SingleClient, ours: boolean) {
    this.#client = client;
    this.#ours = ours;
    if (!ours) return;
    client.on('error', (error) => {
      this.#failure = { error, time: performance.now() };
      // After what is not Redis' protocol, nothing that comes can be told apart.
      if (error instanceof Error && error.message.startsWith('Unknown RESP type')) client.destroy();
    });
  }

  get alive(): boolean {
    return this.#ours ? this.#client.isReady : true;
  }

  send(args: readonly Argument[]): Promise<Reply> {
    return this.#client.sendCommand(args, OPTIONS) as Promise<Reply>;
  }

  async nodes(): Promise<readonly Node[]> {
    return [{ id: '', send: (args) => this.send(args), giveUp: () => this.giveUp() }];
  }

  giveUp(): void {
    if (this.#ours) this.#client.destroy();
  }

  failureSince(time: number): unknown {
    return this.#failure !== undefined && this.#failure.time >= time ? this.#failure.error : undefined;
  }

  close(): void {
    if (this.#ours) this.#client.destroy();
  }
}
