/** The function that sends requests: `fetch`, or one that is called like it. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** A way to send requests whose connections are its own. */
export interface Pool {
  readonly fetch: Fetch;
  /** Closes its connections. */
  close(): Promise<void>;
}

/** How many connections there are to a server at most; requests beyond wait for one. */
const CONNECTIONS = 64;

interface Dispatcher {
  destroy(): Promise<void>;
}

/**
 * The global `fetch` with connections of its own, where that is Node's: those of everybody are closed only when they have idled for long. A dispatcher that
 * somebody has put in place of Node's own, for a proxy for instance, is left to do its work.
 */
export function ownPool(): Pool {
  // Loads what `fetch` is made of, which otherwise its first call does.
  void globalThis.Headers;
  const shared = (globalThis as { [name: symbol]: unknown })[Symbol.for('undici.globalDispatcher.1')];
  const Agent = shared?.constructor as (new (options: object) => Dispatcher) | undefined;
  if (Agent?.name !== 'Agent')
    return { fetch: (url, init) => globalThis.fetch(url, init), close: async () => undefined };
  // Deadlines are ours.
  const dispatcher = new Agent({ connections: CONNECTIONS, headersTimeout: 0, bodyTimeout: 0, connectTimeout: 0 });
  return {
    fetch: (url, init) => globalThis.fetch(url, { ...init, dispatcher } as RequestInit),
    close: () => dispatcher.destroy(),
  };
}
