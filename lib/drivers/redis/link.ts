/** What a command is made of. */
export type Argument = string | Uint8Array;

/** What a server answers: texts are `Buffer`, since values are bytes. */
export type Reply = Buffer | string | number | null | readonly Reply[];

/** One server, to be asked by itself. */
export interface Node {
  /** What it is known by in its cluster; `''` for a server alone. */
  readonly id: string;
  send(args: readonly Argument[]): Promise<Reply>;
  /** Gives up the connection to it, since it does not answer. */
  giveUp(): void;
}

/** The way to a server or a cluster, through a client of the package `redis`. */
export interface Link {
  /** Whether commands may be sent; once it is not, another link must be made. */
  readonly alive: boolean;
  /** Whether keys live on several servers, so that only those of one slot may be named in one command. */
  readonly slotted: boolean;
  /** Sends a command about a key, by which the server is found. */
  send(args: readonly Argument[], key: string): Promise<Reply>;
  /** The servers that hold the keys. */
  nodes(): Promise<readonly Node[]>;
  /** Gives up the connection to the server of a key, which does not answer. */
  giveUp(key: string): void;
  /** The last error that a connection told since then, in milliseconds of `performance.now()`, if any. */
  failureSince(time: number): unknown;
  /** Ends every connection at once, if they are ours. */
  close(): void;
}

/** A client of the package `redis` for one server, as far as it is used. */
export interface SingleClient {
  readonly isOpen: boolean;
  readonly isReady: boolean;
  connect(): Promise<unknown>;
  sendCommand(args: readonly Argument[], options?: CommandOptions): Promise<unknown>;
  on(event: 'error', listener: (error: unknown) => void): unknown;
  destroy(): void;
}

/** A client of the package `redis` for a cluster, as far as it is used. */
export interface ClusterClient {
  readonly isOpen: boolean;
  readonly masters: readonly ClusterNode[];
  readonly slots: readonly { readonly master: ClusterNode }[];
  connect(): Promise<unknown>;
  nodeClient(node: ClusterNode): Promise<SingleClient> | SingleClient;
  sendCommand(
    key: string | undefined,
    isReadonly: boolean,
    args: readonly Argument[],
    options?: CommandOptions,
  ): Promise<unknown>;
  on(event: string, listener: (error: unknown) => void): unknown;
  destroy(): void;
}

export interface ClusterNode {
  readonly id: string;
  client?: SingleClient | undefined;
}

export interface CommandOptions {
  readonly typeMapping: Readonly<Record<number, unknown>>;
  /** How long a command may wait to be written; without a client's own limit, that would be five seconds. */
  readonly timeout: number | undefined;
}

/** The byte that announces a text of a given length in Redis' protocol, `$`. */
const BLOB_STRING = 36;

/** Texts of servers are wanted as bytes. */
export function asBytes(timeout?: number): CommandOptions {
  return { typeMapping: { [BLOB_STRING]: Buffer }, timeout };
}
