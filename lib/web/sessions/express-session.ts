import { EventEmitter } from 'node:events';
import { load } from '../../codecs/load.js';
import { CorruptDataError } from '../../errors.js';
import { answer, type Callback } from '../callback.js';
import { millisecondsUntil, type SessionRecord, SessionRecords, type SessionStoreOptions } from './records.js';

/** What the store reads of a session: the rest is JSON to it. */
interface SessionLike {
  readonly cookie?: { readonly expires?: unknown } | undefined;
}

/** The request of which `regenerate` makes the session anew. */
interface RequestLike {
  readonly sessionID?: string | undefined;
}

/** What express-session adds to its store. */
interface Generating {
  generate?(request: unknown): void;
}

interface ExpressSession {
  readonly Store: { readonly prototype: { createSession(request: unknown, session: unknown): unknown } };
}

/**
 * A store of `express-session` over any backend. Sessions are JSON text by their ids, and expire with their cookies, or after `ttl` where the
 * cookie lasts as long as the browser.
 *
 * - `touch` moves the deadline and nothing else: it overwrites no change made meanwhile, and a session that was destroyed stays so.
 * - `get` gives a cookie with the deadline that the session really has.
 * - No error has the code `ENOENT`, which express-session would take for a session that is not there.
 *
 * @example
 * app.use(session({ store: new ExpressSessionStore({ backend: redis('redis://localhost') }), secret, resave: false, saveUninitialized: false }));
 */
export class ExpressSessionStore extends EventEmitter {
  readonly #records: SessionRecords;

  /**
   * @throws InvalidArgumentError for options that are none
   * @throws OutOfRangeError for a `ttl` that is not positive
   */
  constructor(options: SessionStoreOptions) {
    super();
    this.#records = new SessionRecords(options, 'ExpressSessionStore');
  }

  /** The session of an id; `null` where there is none. */
  get<T = SessionRecord>(id: string, callback: (error: Error | null, session?: T | null) => void): void {
    answer(this.#get(id) as Promise<T | null>, callback);
  }

  async #get(id: string): Promise<SessionRecord | null> {
    const found = await this.#records.getWithDeadline(id);
    if (found === undefined) return null;
    const { session, expiresAt } = found;
    const { cookie } = session as { cookie?: { expires?: unknown } };
    if (typeof cookie !== 'object' || cookie === null) {
      throw new CorruptDataError('a session without a cookie is none of express-session; it is left as it is', {
        operation: 'get',
        key: id,
      });
    }
    // A touch has moved the deadline, and left the text alone.
    if (cookie.expires != null && expiresAt !== undefined) cookie.expires = new Date(expiresAt);
    return session;
  }

  /** Stores a session until its cookie expires. */
  set(id: string, session: SessionLike, callback?: (error: Error | null) => void): void {
    answer(this.#records.set(id, session, this.#ttl(session)), callback);
  }

  /** Moves the deadline to that of the session's cookie. */
  touch(id: string, session: SessionLike, callback?: (error: Error | null) => void): void {
    answer(this.#records.touch(id, this.#ttl(session)), callback);
  }

  /** Removes a session; that there is none is no error. */
  destroy(id: string, callback?: (error: Error | null) => void): void {
    answer(this.#records.delete(id), callback);
  }

  /** All sessions by their ids, each with the deadline of its last save. */
  all<T = SessionRecord>(callback: (error: Error | null, sessions?: { [id: string]: T }) => void): void {
    const sessions = this.#records.all().then((all) => Object.fromEntries(all) as { [id: string]: T });
    answer(sessions, callback);
  }

  /** How many sessions there are. */
  length(callback: Callback<number>): void {
    answer(this.#records.count(), callback);
  }

  /** Removes all sessions, and nothing else. */
  clear(callback?: (error: Error | null) => void): void {
    answer(this.#records.clear(), callback);
  }

  /** Destroys the session of a request, and makes a new one for it; for express-session. */
  regenerate(request: RequestLike, callback: (error: Error | null) => void): void {
    const destroyed = this.#records.delete(request.sessionID ?? '');
    answer(destroyed, (error) => {
      (this as Generating).generate?.(request);
      callback(error);
    });
  }

  /** Loads a session as an object of express-session's; for `reload`. */
  load<T = SessionRecord>(id: string, callback: (error: Error | null, session?: T) => void): void {
    answer(this.#get(id), (error, session) => {
      if (error !== null || session == null) return callback(error);
      callback(null, this.createSession<T>({ sessionID: id, sessionStore: this }, session));
    });
  }

  /**
   * Makes an object of express-session's of a stored session; for express-session.
   * @throws UnsupportedError where express-session is not installed
   */
  createSession<T>(request: unknown, session: unknown): T {
    const { Store } = load<ExpressSession>('express-session', 'ExpressSessionStore');
    return Store.prototype.createSession.call(this, request, session) as T;
  }

  #ttl(session: SessionLike): number {
    return millisecondsUntil(session?.cookie?.expires, this.#records.ttl);
  }
}
