import type { Backend } from '../../backend/backend.js';
import { checkOptions } from '../../backend/checks.js';
import { type Duration, toMilliseconds } from '../../backend/duration.js';
import { CorruptDataError, EncodeError, InvalidArgumentError } from '../../errors.js';
import { show } from '../../show.js';
import { PLACE_OPTIONS, type PlaceOptions, placeOf, type Source } from '../source.js';

/** Options of every session store. `name` and `namespace` are about `'sessions'`. */
export interface SessionStoreOptions<V = unknown> extends PlaceOptions<V> {
  /** How long a session lives of which the framework does not say; `'14d'` by default, as in Litestar. */
  readonly ttl?: Duration | undefined;
}

/** The names of {@link SessionStoreOptions}. */
export const SESSION_STORE_OPTIONS = [...PLACE_OPTIONS, 'ttl'] as const;

/** A session as it is stored: what JSON carries of it. */
export type SessionRecord = { [name: string]: unknown };

/** The longest id of a session, in characters. */
const LONGEST_ID = 256;

/**
 * Sessions as JSON text in a backend, by their ids. Ids come from outside: one that no session has ever had names none, whatever it looks
 * like; and the ids have the namespace to themselves.
 */
export class SessionRecords {
  readonly #source: Source<unknown>;
  readonly #what: string;
  /** The milliseconds that a session lives of which the framework does not say. */
  readonly ttl: number;

  /** @throws InvalidArgumentError for options that are none */
  constructor(options: SessionStoreOptions, what: string, known: readonly string[] = SESSION_STORE_OPTIONS) {
    checkOptions(options, known, what);
    this.#what = what;
    this.#source = placeOf(options, 'sessions', what);
    this.ttl = toMilliseconds(options.ttl ?? '14d', 'ttl');
  }

  /** The session of an id, or `undefined`. With `renewFor`, it lives so many milliseconds from now on. */
  async get(id: string, renewFor?: number): Promise<SessionRecord | undefined> {
    if (!isId(id)) return undefined;
    const backend = await this.#source.get();
    const stored = await backend.get(id, renewFor === undefined ? undefined : { renewFor });
    return stored === undefined ? undefined : this.#parse(backend, id, stored);
  }

  /** The same, with its deadline. */
  async getWithDeadline(id: string): Promise<{ session: SessionRecord; expiresAt: number | undefined } | undefined> {
    if (!isId(id)) return undefined;
    const backend = await this.#source.get();
    const entry = await backend.getEntry(id);
    return entry && { session: this.#parse(backend, id, entry.value), expiresAt: entry.expiresAt };
  }

  /**
   * Stores a session for `ttl` milliseconds; one that has none left is removed.
   * @throws InvalidArgumentError for an id that is not 1 to 256 characters of well-formed text
   * @throws EncodeError for a session that JSON cannot carry
   */
  async set(id: string, session: object, ttl: number): Promise<void> {
    await this.write(id, this.toText(id, session), ttl);
  }

  /** The same, with the text of the session. */
  async write(id: string, text: string, ttl: number): Promise<void> {
    const backend = await this.#source.get();
    if (ttl > 0) await backend.set(id, text, { ttl });
    else await backend.delete(id);
  }

  /** Stores a session only if it is still there, so that one that was destroyed meanwhile stays so; whether it was. */
  async replace(id: string, session: object, ttl: number): Promise<boolean> {
    const text = this.toText(id, session);
    const backend = await this.#source.get();
    if (!(ttl > 0)) return backend.delete(id);
    if (backend.capabilities.conditionalSet !== 'none') return backend.set(id, text, { ttl, if: 'present' });
    // The engine has no better: between these two the session may be destroyed, and come back.
    return (await backend.has(id)) && backend.set(id, text, { ttl });
  }

  /**
   * Stores what `change` makes of a session as it is stored, in one atomic step where the engine can, and gives it `ttl`; whether it was there.
   * `undefined` where the backend cannot `update`.
   */
  async change(
    id: string,
    change: (stored: SessionRecord) => SessionRecord,
    ttl: number,
  ): Promise<boolean | undefined> {
    if (!isId(id)) return false;
    const backend = await this.#source.get();
    if (!(ttl > 0)) return backend.delete(id);
    if (backend.capabilities.update === 'none') return undefined;
    const stored = await backend.update(
      id,
      (current) => (current === undefined ? undefined : this.toText(id, change(this.#parse(backend, id, current)))),
      { ttl },
    );
    return stored !== undefined;
  }

  /** Moves the deadline to `ttl` milliseconds from now, and nothing else; one that has none left is removed. */
  async touch(id: string, ttl: number): Promise<void> {
    if (!isId(id)) return;
    const backend = await this.#source.get();
    if (ttl > 0) await backend.touch(id, ttl);
    else await backend.delete(id);
  }

  /** Removes a session. */
  async delete(id: string): Promise<void> {
    if (isId(id)) await (await this.#source.get()).delete(id);
  }

  /** All sessions with their ids. */
  async all(): Promise<[string, SessionRecord][]> {
    const backend = await this.#source.get();
    const found: [string, SessionRecord][] = [];
    for await (const [id, stored] of backend.entries()) found.push([id, this.#parse(backend, id, stored)]);
    return found;
  }

  /** How many sessions there are. */
  async count(): Promise<number> {
    return (await this.#source.get()).count();
  }

  /** Removes all sessions, and nothing else. */
  async clear(): Promise<void> {
    await (await this.#source.get()).clear();
  }

  /** The text of a session; throws as `set` rejects. */
  toText(id: string, session: object): string {
    if (!isId(id)) {
      throw new InvalidArgumentError(
        `${this.#what}: a session's id must be well-formed text of 1 to ${LONGEST_ID} characters; got ${show(id)}`,
      );
    }
    let text: string | undefined;
    try {
      text = JSON.stringify(session);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new EncodeError(`a session cannot be written as JSON: ${why}`, { operation: 'set', key: id, cause: error });
    }
    if (text?.startsWith('{')) return text;
    throw new InvalidArgumentError(`${this.#what}: a session must be an object; got ${show(session)}`);
  }

  #parse(backend: Backend<unknown>, id: string, stored: unknown): SessionRecord {
    try {
      const text = stored instanceof Uint8Array ? utf8.decode(stored) : stored;
      if (typeof text !== 'string') throw new TypeError(`it is ${show(stored)}`);
      const session: unknown = JSON.parse(text);
      if (typeof session !== 'object' || session === null || Array.isArray(session)) {
        throw new TypeError(`it is ${show(session)}`);
      }
      return session as SessionRecord;
    } catch (error) {
      const path = backend.locate(id);
      const why = error instanceof Error ? error.message : String(error);
      throw new CorruptDataError(
        `${path ?? `a session in ${backend.name}`} cannot be read as a session: ${why}. It is left as it is: delete it, or keep sessions in a namespace of their own`,
        { operation: 'get', key: id, path, cause: error },
      );
    }
  }
}

/** The milliseconds from now to a deadline as cookies have it; `otherwise` where there is none. */
export function millisecondsUntil(deadline: unknown, otherwise: number): number {
  if (!(deadline instanceof Date) && typeof deadline !== 'string') return otherwise;
  const time = new Date(deadline).getTime();
  return Number.isNaN(time) ? otherwise : time - Date.now();
}

function isId(id: unknown): id is string {
  return typeof id === 'string' && id.length > 0 && id.length <= LONGEST_ID && id.isWellFormed();
}

const utf8 = new TextDecoder('utf-8', { fatal: true });
