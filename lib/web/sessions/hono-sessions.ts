import { millisecondsUntil, type SessionRecord, SessionRecords, type SessionStoreOptions } from './records.js';

/** What the store reads of a session: the rest is JSON to it. */
interface SessionLike {
  readonly _expire?: string | null | undefined;
}

/**
 * A store of `hono-sessions` over any backend. Sessions are JSON text by their ids, and expire as `expireAfterSeconds` says, or after `ttl`
 * without.
 *
 * hono-sessions saves every session that a request has read, unless it is told not to extend it. Of one that the request has not changed, the
 * deadline is moved and nothing else, so that no change of another request is overwritten. A session that was destroyed stays so: what a
 * request that was still under way saves of it is dropped.
 *
 * @example
 * app.use('*', sessionMiddleware({ store: new HonoSessionStore({ backend: redis('redis://localhost') }), encryptionKey }));
 */
export class HonoSessionStore {
  readonly #records: SessionRecords;
  /** What the sessions that were given held when they were read, or saved last. */
  readonly #known = new WeakMap<object, string>();

  /**
   * @throws InvalidArgumentError for options that are none
   * @throws OutOfRangeError for a `ttl` that is not positive
   */
  constructor(options: SessionStoreOptions) {
    this.#records = new SessionRecords(options, 'HonoSessionStore');
  }

  /** The session of an id; `null` where there is none. */
  async getSessionById<T = SessionRecord>(id?: string): Promise<T | null> {
    const found = await this.#records.getWithDeadline(id ?? '');
    if (found === undefined) return null;
    const { session, expiresAt } = found;
    // The deadline may have been moved, and the text left alone.
    if (session._expire != null && expiresAt !== undefined) session._expire = new Date(expiresAt).toISOString();
    this.#known.set(session, dataOf(session));
    return session as T;
  }

  /** Stores a new session. */
  async createSession(id: string, session: SessionLike): Promise<void> {
    await this.#records.set(id, session, this.#ttl(session));
  }

  /** Stores a session, if it is still there. */
  async persistSessionData(id: string, session: SessionLike): Promise<void> {
    const data = dataOf(session);
    if (this.#known.get(session) === data) return this.#records.touch(id, this.#ttl(session));
    await this.#records.replace(id, session, this.#ttl(session));
    this.#known.set(session, data);
  }

  /** Removes a session; that there is none is no error. */
  async deleteSession(id: string): Promise<void> {
    await this.#records.delete(id);
  }

  #ttl(session: SessionLike): number {
    return millisecondsUntil(session?._expire, this.#records.ttl);
  }
}

/** What a session holds, without what each request sets. */
function dataOf(session: object): string {
  return JSON.stringify({ ...session, _id: undefined, _expire: undefined, _accessed: undefined });
}
