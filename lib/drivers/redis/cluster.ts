import {
  type Argument,
  asBytes,
  type ClusterClient,
  type ClusterNode,
  type CommandOptions,
  type Link,
  type Node,
  type Reply,
} from './link.js';
import { slotOf } from './slots.js';

/** The way to a cluster. Its client connects each server when it is needed, and again when that connection broke. */
export class ClusterLink implements Link {
  readonly slotted = true;
  readonly #client: ClusterClient;
  readonly #ours: boolean;
  readonly #options: CommandOptions;
  #failure: { readonly error: unknown; readonly time: number } | undefined;

  /**
   * @param ours whether the client was made here, and not given
   * @param timeout how long a command may wait for a connection, in milliseconds
   */
  constructor(client: ClusterClient, ours: boolean, timeout: number) {
    this.#client = client;
    this.#ours = ours;
    this.#options = asBytes(timeout);
    if (!ours) return;
    for (const event of ['error', 'node-error']) {
      client.on(event, (error) => {
        this.#failure = { error, time: performance.now() };
      });
    }
  }

  get alive(): boolean {
    return this.#ours ? this.#client.isOpen : true;
  }

  send(args: readonly Argument[], key: string): Promise<Reply> {
    return this.#client.sendCommand(key, false, args, this.#options) as Promise<Reply>;
  }

  async nodes(): Promise<readonly Node[]> {
    // Always in the same order, so that a listing may go on with the next.
    const masters = [...this.#client.masters].sort((a, b) => (a.id < b.id ? -1 : 1));
    return masters.map((master) => ({
      id: master.id,
      send: async (args) => (await this.#client.nodeClient(master)).sendCommand(args, this.#options) as Promise<Reply>,
      giveUp: () => this.#giveUp(master),
    }));
  }

  giveUp(key: string): void {
    const node = this.#client.slots[slotOf(key)]?.master;
    if (node !== undefined) this.#giveUp(node);
  }

  #giveUp(node: ClusterNode): void {
    const { client } = node;
    if (!this.#ours || client === undefined) return;
    // The cluster's client makes another when it is needed.
    node.client = undefined;
    client.destroy();
  }

  failureSince(time: number): unknown {
    return this.#failure !== undefined && this.#failure.time >= time ? this.#failure.error : undefined;
  }

  close(): void {
    if (this.#ours) this.#client.destroy();
  }
}
