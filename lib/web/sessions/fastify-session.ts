import { answer } from '../callback.js';
import { millisecondsUntil, type SessionRecord, SessionRecords, type SessionStoreOptions } from './records.js';

/** How many of the ids that were read last are known. */
const KNOWN_IDS = 10_000;

/** What the store reads of a session: the rest is JSON to it. */
interface SessionLike {
  readonly cookie?: { readonly expires?: unknown } | undefined;
  /** Whether the request has changed it, its cookie aside. */
  readonly isModified?: (() => boolean) | undefined;
}

/**
 * A store of `@fastify/session` over any backend. Sessions are JSON text by their ids, and expire with their cookies, or after `ttl` where
 * the cookie lasts as long as the browser.
 *
 * With `rolling`, @fastify/session saves every session that a request has read. Of one that the request has not changed, only the cookie and
 * the deadline are stored, so that no change of another request is overwritten, and nothing where it was destroyed meanwhile.
 *
 * No error has the code `ENOENT`, which @fastify/session would take for a session that is not there.
 *
 * @example
 * app.register(fastifySession, { store: new FastifySessionStore({ backend: redis('redis://localhost') }), secret });
 */
export class FastifySessionStore {
  readonly #records: SessionRecords;
  /** The ids of sessions that were read last, oldest first: what @fastify/session saves of another is new. */
  readonly #known = new Set<string>();

  /**
   * @throws InvalidArgumentError for options that are none
   * @throws OutOfRangeError for a `ttl` that is not positive
   */
  constructor(options: SessionStoreOptions) {
    this.#records = new SessionRecords(options, 'FastifySessionStore');
  }

  /** Stores a session until its cookie expires. */
  set(id: string, session: SessionLike, callback?: (error: Error | null) => void): void {
    answer(this.#set(id, session), callback);
  }

  async #set(id: string, session: SessionLike): Promise<void> {
    const ttl = millisecondsUntil(session?.cookie?.expires, this.#records.ttl);
    const unchanged = typeof session?.isModified === 'function' && !session.isModified();
    if (unchanged) {
      const changed = await this.#records.change(id, (stored) => ({ ...stored, cookie: session.cookie }), ttl);
      if (changed || (changed === false && this.#known.has(id))) return;
    }
    await this.#records.set(id, session, ttl);
  }

  /** The session of an id; `null` where there is none. */
  get<T = SessionRecord>(id: string, callback: (error: Error | null, session?: T | null) => void): void {
    const found = this.#records.get(id).then((session) => {
      if (session !== undefined) this.#remember(id);
      return (session ?? null) as T | null;
    });
    answer(found, callback);
  }

  #remember(id: string): void {
    this.#known.delete(id);
    this.#known.add(id);
    if (this.#known.size <= KNOWN_IDS) return;
    const [oldest] = this.#known;
    this.#known.delete(oldest as string);
  }

  /** Removes a session; that there is none is no error. */
  destroy(id: string, callback?: (error: Error | null) => void): void {
    answer(this.#records.delete(id), callback);
  }
}
