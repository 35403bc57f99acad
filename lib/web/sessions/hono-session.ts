import { InvalidArgumentError } from '../../errors.js';
import { show } from '../../show.js';
import { warn } from '../callback.js';
import { SESSION_STORE_OPTIONS, type SessionRecord, SessionRecords, type SessionStoreOptions } from './records.js';

/** Options of {@link HonoSessionStorage}. */
export interface HonoSessionStorageOptions<V = unknown> extends SessionStoreOptions<V> {
  /** Whether reading a session makes it live for `ttl` again, as in Litestar (`renew_on_access`); `false` by default. */
  readonly rolling?: boolean | undefined;
  /** Told of a session that could not be saved or removed; emits a process warning by default. */
  readonly report?: ((error: unknown, id: string) => void) | undefined;
}

/**
 * A storage of `@hono/session` over any backend. Sessions are JSON text by their ids, and expire `ttl` after they were saved last, since
 * @hono/session does not say when.
 *
 * @hono/session does not wait for what it saves, and is not told when that fails: the response may be under way before. So the changes of a
 * session are made one after another, `get` waits for them, and `report` is told of those that failed. `settled` waits for all, before a
 * backend is closed.
 *
 * @example
 * app.use(useSessionStorage(new HonoSessionStorage({ backend: redis('redis://localhost') })), useSession());
 */
export class HonoSessionStorage<Data extends object = SessionRecord> {
  readonly #records: SessionRecords;
  readonly #rolling: boolean;
  readonly #report: (error: unknown, id: string) => void;
  readonly #changing = new Map<string, Promise<void>>();

  /**
   * @throws InvalidArgumentError for options that are none
   * @throws OutOfRangeError for a `ttl` that is not positive
   */
  constructor(options: HonoSessionStorageOptions) {
    this.#records = new SessionRecords(options, 'HonoSessionStorage', [...SESSION_STORE_OPTIONS, 'rolling', 'report']);
    const { rolling = false, report = warn } = options;
    if (typeof rolling !== 'boolean') {
      throw new InvalidArgumentError(`HonoSessionStorage: rolling must be true or false; got ${show(rolling)}`);
    }
    if (typeof report !== 'function') {
      throw new InvalidArgumentError(`HonoSessionStorage: report must be a function; got ${show(report)}`);
    }
    this.#rolling = rolling;
    this.#report = report;
  }

  /** The session of an id, once it is saved; `null` where there is none. */
  async get(id: string): Promise<Data | null> {
    await this.#changing.get(id);
    const session = await this.#records.get(id, this.#rolling ? this.#records.ttl : undefined);
    return (session ?? null) as Data | null;
  }

  /**
   * Begins to store a session.
   * @throws EncodeError for a session that JSON cannot carry
   */
  set(id: string, session: Data): void {
    // At once: what the caller does to the session afterwards is not to be stored.
    const text = this.#records.toText(id, session);
    this.#change(id, () => this.#records.write(id, text, this.#records.ttl));
  }

  /** Begins to remove a session. */
  delete(id: string): void {
    this.#change(id, () => this.#records.delete(id));
  }

  /** Waits until all that was begun has ended. */
  async settled(): Promise<void> {
    while (this.#changing.size > 0) await Promise.all(this.#changing.values());
  }

  #change(id: string, work: () => Promise<void>): void {
    const change = this.#after(this.#changing.get(id), work, id);
    this.#changing.set(id, change);
    change.then(() => {
      if (this.#changing.get(id) === change) this.#changing.delete(id);
    });
  }

  /** Never rejects: those who wait for a change are not the ones to be told that it failed. */
  async #after(before: Promise<void> | undefined, work: () => Promise<void>, id: string): Promise<void> {
    await before;
    try {
      await work().catch((error: unknown) => this.#report(error, id));
    } catch (error) {
      // What the report itself threw.
      warn(error);
    }
  }
}
