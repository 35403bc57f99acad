import { millisecondsUntil, type SessionRecord, SessionRecords, type SessionStoreOptions } from './records.js';

/** What the store reads of a session: the rest is JSON to it. */
interface SessionLike {
  readonly _expire?: string | null | undefined;
  /** What the application has set, by name. */
  readonly _data?: object | undefined;
}

/**
 * A store of `hono-sessions` over any backend. Sessions are JSON text by their ids, and expire as `expireAfterSeconds` says, or after `ttl`
 * without.
 *
 * hono-sessions saves every session that a request has read, unless it is told not to extend it. Of one that the request has not changed, the
 * deadline is moved and nothing else. Of one that it has changed, what it has set or forgotten is stored beside what others have stored meanwhile, so
 * that no change of another request is overwritten, but for one of the same name. A session that was destroyed stays so: what a request that was still
 * under way saves of it is dropped.
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
    this.#known.set(session, this.#dataOf(id ?? '', session));
    return session as T;
  }

  /** Stores a new session. */
  async createSession(id: string, session: SessionLike): Promise<void> {
    await this.#records.set(id, session, this.#ttl(session));
  }

  /** Stores what has changed of a session, if it is still there. */
  async persistSessionData(id: string, session: SessionLike): Promise<void> {
    const ttl = this.#ttl(session);
    const data = this.#dataOf(id, session);
    const known = this.#known.get(session);
    if (known === data) return this.#records.touch(id, ttl);
    let changed: boolean | undefined;
    if (known !== undefined) {
      const before = JSON.parse(known) as SessionLike;
      changed = await this.#records.change(id, (stored) => withChanges(stored, before, session), ttl);
    }
    // A new one, or one that the backend cannot change.
    if (changed === undefined) await this.#records.replace(id, session, ttl);
    this.#known.set(session, data);
  }

  /** Removes a session; that there is none is no error. */
  async deleteSession(id: string): Promise<void> {
    await this.#records.delete(id);
  }

  #ttl(session: SessionLike): number {
    return millisecondsUntil(session?._expire, this.#records.ttl);
  }

  /** What a session holds, without what each request sets. */
  #dataOf(id: string, session: object): string {
    return this.#records.toText(id, { ...session, _id: undefined, _expire: undefined, _accessed: undefined });
  }
}

/** A session as it is stored, with what a request has set and forgotten since it was as `before`. */
function withChanges(stored: SessionLike, before: SessionLike, session: SessionLike): SessionRecord {
  const data = new Map(Object.entries(stored._data ?? {}));
  const known = new Map(Object.entries(before._data ?? {}));
  const now = new Map(Object.entries(session._data ?? {}));
  for (const [name, value] of now) {
    if (JSON.stringify(value) !== JSON.stringify(known.get(name))) data.set(name, value);
  }
  for (const name of known.keys()) if (!now.has(name)) data.delete(name);
  return { ...session, _data: Object.fromEntries(data) };
}
