import { answer } from '../callback.js';
import { millisecondsUntil, type SessionRecord, SessionRecords, type SessionStoreOptions } from './records.js';

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
 * the deadline are stored, so that no change of another request is overwritten.
 *
 * No error has the code `ENOENT`, which @fastify/session would take for a session that is not there.
 *
 * @example
 * app.register(fastifySession, { store: new FastifySessionStore({ backend: redis('redis://localhost') }), secret });
 */
export class FastifySessionStore {
  readonly #records: SessionRecords;

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
    if (unchanged && (await this.#records.change(id, (stored) => ({ ...stored, cookie: session.cookie }), ttl))) return;
    await this.#records.set(id, session, ttl);
  }

  /** The session of an id; `null` where there is none. */
  get<T = SessionRecord>(id: string, callback: (error: Error | null, session?: T | null) => void): void {
    const found = this.#records.get(id).then((session) => (session ?? null) as T | null);
    answer(found, callback);
  }

  /** Removes a session; that there is none is no error. */
  destroy(id: string, callback?: (error: Error | null) => void): void {
    answer(this.#records.delete(id), callback);
  }
}
