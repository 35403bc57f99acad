import { millisecondsUntil, type SessionRecord, SessionRecords, type SessionStoreOptions } from './records.js';

/** What the store reads of a session: the rest is JSON to it. */
interface SessionLike {
  readonly _expire?: string | null | undefined;
}

/**
 * A store of `hono-sessions` over any backend. Sessions are JSON text by their ids, and expire as `expireAfterSeconds` says, or after `ttl`
 * without.
 *
 * A session that was destroyed stays so: what a request that was still under way saves of it is dropped.
 *
 * @example
 * app.use('*', sessionMiddleware({ store: new HonoSessionStore({ backend: redis('redis://localhost') }), encryptionKey }));
 */
export class HonoSessionStore {
  readonly #records: SessionRecords;

  /**
   * @throws InvalidArgumentError for options that are none
   * @throws OutOfRangeError for a `ttl` that is not positive
   */
  constructor(options: SessionStoreOptions) {
    this.#records = new SessionRecords(options, 'HonoSessionStore');
  }

  /** The session of an id; `null` where there is none. */
  async getSessionById<T = SessionRecord>(id?: string): Promise<T | null> {
    return ((await this.#records.get(id ?? '')) ?? null) as T | null;
  }

  /** Stores a new session. */
  async createSession(id: string, session: SessionLike): Promise<void> {
    await this.#records.set(id, session, this.#ttl(session));
  }

  /** Stores a session, if it is still there. */
  async persistSessionData(id: string, session: SessionLike): Promise<void> {
    await this.#records.replace(id, session, this.#ttl(session));
  }

  /** Removes a session; that there is none is no error. */
  async deleteSession(id: string): Promise<void> {
    await this.#records.delete(id);
  }

  #ttl(session: SessionLike): number {
    return millisecondsUntil(session?._expire, this.#records.ttl);
  }
}
