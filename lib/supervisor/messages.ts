/** A connection, as the generations are told of it. */
export interface ConnectionInformation {
  /** Unique, and not to be guessed: it may be saved and looked up later. */
  readonly id: string;
  readonly remoteAddress: string | undefined;
  readonly remotePort: number | undefined;
  readonly localPort: number | undefined;
  /** Whether a former generation had it. */
  readonly inherited: boolean;
}

/** What happens on a connection; also in the order in which it happened. */
export type ConnectionMessage =
  | { readonly type: 'open'; readonly connection: ConnectionInformation }
  | { readonly type: 'data'; readonly id: string; readonly data: Buffer }
  | { readonly type: 'end'; readonly id: string }
  | { readonly type: 'close'; readonly id: string }
  | { readonly type: 'written'; readonly id: string; readonly bytes: number };

/** What a supervisor tells a generation. */
export type ToGeneration =
  | ConnectionMessage
  | {
      readonly type: 'takeOver';
      readonly connections: readonly ConnectionInformation[];
      /** Where the supervisor listens. */
      readonly ports: readonly number[];
      /** Whether the former generation has left its objects. */
      readonly handedOver: boolean;
    }
  | { readonly type: 'serve' }
  | { readonly type: 'pause'; readonly turn: number; readonly path: string }
  | { readonly type: 'resume'; readonly turn: number }
  | { readonly type: 'retire' }
  | { readonly type: 'stop'; readonly within: number };

/** What a generation does with a connection. */
export type ConnectionRequest =
  | { readonly type: 'read'; readonly id: string; readonly bytes: number }
  | { readonly type: 'write'; readonly id: string; readonly data: Uint8Array }
  | { readonly type: 'finish'; readonly id: string }
  | { readonly type: 'destroy'; readonly id: string };

/** What a generation tells its supervisor. */
export type ToSupervisor =
  | ConnectionRequest
  | { readonly type: 'loaded'; readonly path: string }
  | { readonly type: 'ready' }
  | { readonly type: 'paused'; readonly turn: number; readonly unread: readonly (readonly [string, Uint8Array])[] }
  | { readonly type: 'refused'; readonly turn: number; readonly reason: string }
  | { readonly type: 'resumed'; readonly turn: number }
  | { readonly type: 'stopped' };

/** How many bytes of a connection may be on their way to a generation, or wait for one, before its socket is paused. */
export const WINDOW = 65_536;

/** Tells a generation who its supervisor is: the process id. */
export const SUPERVISOR_VARIABLE = 'KEEPSAKE_SUPERVISOR';
/** Tells a generation which one it is. */
export const GENERATION_VARIABLE = 'KEEPSAKE_GENERATION';
