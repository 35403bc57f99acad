import type { Backend, BackendRegistry } from 'keepsake';
import type { CachedResponses, HandlerCache, KeepsakeOptions, RouteCache } from 'keepsake/fastify';

/** A request as the handlers of the specs get it, in every framework. */
export interface Ask {
  readonly url: string;
  header(name: string): string | undefined;
  readonly cache: HandlerCache;
  readonly backends: BackendRegistry<unknown>;
}

/** What the handlers of the specs answer. A stream is sent chunk by chunk. */
export interface Reply {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array | AsyncIterable<Uint8Array> | undefined;
}

/** A route of the specs. */
export interface Route {
  readonly method?: 'GET' | 'POST';
  readonly path: string;
  readonly cache?: RouteCache;
  /** Runs before what is cached is looked up; answers 401 where it gives `false`. */
  readonly allow?: (ask: Pick<Ask, 'header'>) => boolean;
  /** Headers that are set before what is cached is looked up. */
  readonly present?: () => Readonly<Record<string, string>>;
  readonly handler: (ask: Ask) => Reply | Promise<Reply>;
}

/** An application that listens. */
export interface App {
  readonly url: string;
  readonly cache: HandlerCache;
  readonly backends: BackendRegistry<unknown>;
  readonly responseCache: CachedResponses;
  close(): Promise<void>;
}

/** Starts an application of one framework on a free port. */
export type StartApp = (options: KeepsakeOptions, routes: readonly Route[]) => Promise<App>;

/** A framework. */
export interface Framework {
  readonly name: string;
  readonly start: StartApp;
}

/** Where the specs run: a root for each application. */
export interface Ground {
  readonly name: string;
  open(): Backend<unknown>;
}
