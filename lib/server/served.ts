import { randomBytes } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { Backend } from '../backend/backend.js';
import { bounded } from '../backend/bounded.js';
import type { Capabilities } from '../backend/capabilities.js';
import { checkKey, MAXIMUM_KEY_BYTES, toTime } from '../backend/checks.js';
import type { Awaitable, Condition, Driver, Entry } from '../backend/driver.js';
import { toMilliseconds } from '../backend/duration.js';
import type { ExpiryOptions } from '../backend/options.js';
import { ConflictError, UnsupportedError } from '../errors.js';
import { EXPIRES_AT, NEVER, TTL } from '../rest/headers.js';
import { fromTag, toTag } from '../rest/tags.js';
import { show } from '../show.js';
import { differs, matches, type Preconditions, readPreconditions, toCondition } from './conditions.js';
import { Refusal } from './refusal.js';
import { toWhole } from './target.js';

/** How often a write with several conditions is tried again after a lost race. */
const ATTEMPTS = 20;
const encoder = new TextEncoder();

/** A backend as the REST interface sees it: bytes, entity tags and deadlines. */
export class Served {
  readonly backend: Backend<unknown>;
  readonly driver: Driver<unknown>;
  readonly #salt: string;
  readonly #timeout: number | undefined;

  constructor(backend: Backend<unknown>) {
    this.backend = backend;
    this.driver = backend.driver;
    // What forgets its entries with its process forgets which versions it has given, too.
    this.#salt = backend.capabilities.persistent ? '' : `${randomBytes(6).toString('base64url')}:`;
    const { timeout } = backend.options;
    this.#timeout = timeout === undefined ? undefined : Math.min(toMilliseconds(timeout, 'timeout'), 2 ** 31 - 1);
  }

  get capabilities(): Capabilities {
    return this.backend.capabilities;
  }

  /** Does with the driver what the backend has no method for. */
  async run<T>(operation: string, work: () => Awaitable<T>): Promise<T> {
    if (!this.backend.ready) await this.backend.open();
    return bounded(work, operation, undefined, this.#timeout);
  }

  /** A key that the driver is given. */
  keyOf(key: unknown, operation: string): string {
    const given: unknown = key ?? '';
    checkKey(given, operation, this.driver.keyLimit ?? MAXIMUM_KEY_BYTES);
    return given;
  }

  /**
   * Refuses what the backend cannot do.
   * @throws UnsupportedError
   */
  need(capability: 'increment' | 'touch', operation: string): void {
    if (this.capabilities[capability] !== 'none') return;
    throw new UnsupportedError(`${operation}: ${this.driver.name} does not support it`, { operation });
  }

  /**
   * The bytes of a stored value: those that it is, text as UTF-8, and counters, which are numbers in a backend of objects, as decimal text.
   * @throws UnsupportedError for other values
   */
  toBytes(value: unknown, key: string): Uint8Array {
    if (value instanceof Uint8Array) return value;
    if (typeof value === 'string' || typeof value === 'number') return encoder.encode(String(value));
    throw new UnsupportedError(`${show(key)} holds ${show(value)}, which is no bytes: serve a backend of bytes`, {
      key,
    });
  }

  /** The entity tag of an entry, where it has a version. */
  tagOf({ version }: Entry<unknown>): string | undefined {
    return version === undefined ? undefined : toTag(this.#salt + version);
  }

  /** What must hold, by the headers of a request. */
  preconditions(headers: IncomingHttpHeaders): Preconditions | undefined {
    return readPreconditions(headers, (opaque) => this.#readTag(opaque));
  }

  #readTag(opaque: string): string | undefined {
    const version = fromTag(`"${opaque}"`);
    return version?.startsWith(this.#salt) ? version.slice(this.#salt.length) : undefined;
  }

  /**
   * How long the entry is to live, by the headers of a request; empty where they do not say.
   * @throws Refusal with 400
   */
  expiry(headers: IncomingHttpHeaders): ExpiryOptions | undefined {
    const { [TTL]: ttl, [EXPIRES_AT]: expiresAt } = headers;
    if (ttl === undefined && expiresAt === undefined) return undefined;
    if (ttl !== undefined && expiresAt !== undefined) {
      throw new Refusal(400, 'Keepsake-TTL and Keepsake-Expires-At say the same: send one');
    }
    if (expiresAt !== undefined) return { expiresAt: toWhole(String(expiresAt), 'Keepsake-Expires-At') };
    if (ttl === NEVER) return { ttl: null };
    const length = toWhole(String(ttl), 'Keepsake-TTL');
    if (length > 0) return { ttl: length };
    throw new Refusal(400, 'Keepsake-TTL must be milliseconds from 1, or never');
  }

  /** The deadline that the driver is given: as the headers say, else by the `ttl` of the backend. */
  deadline(headers: IncomingHttpHeaders, operation: string): number | undefined {
    const { expiresAt, ttl = expiresAt === undefined ? this.backend.options.ttl : undefined } =
      this.expiry(headers) ?? {};
    if (expiresAt !== undefined) return toTime(expiresAt, operation);
    return ttl == null ? undefined : toTime(this.now() + toMilliseconds(ttl, 'ttl'), operation);
  }

  /** The time of the backend. */
  now(): number {
    return (this.driver.clock ?? Date.now)();
  }

  /** Stores a value; `'unmet'` where the preconditions do not hold, `'discarded'` where the backend does not store it. */
  async write(
    key: string,
    value: Uint8Array,
    expiry: ExpiryOptions | undefined,
    preconditions: Preconditions | undefined,
  ): Promise<'stored' | 'unmet' | 'discarded'> {
    if (preconditions === undefined) return (await this.backend.set(key, value, expiry)) ? 'stored' : 'discarded';
    const stored = await this.#where(
      key,
      preconditions,
      (condition) => this.backend.set(key, value, { ...expiry, if: condition }),
      (entry) => this.backend.set(key, value, { ...expiry, if: conditionOf(entry) }),
    );
    return stored ? 'stored' : 'unmet';
  }

  /** Removes an entry; `'unmet'` where the preconditions do not hold. */
  async remove(key: string, preconditions: Preconditions | undefined): Promise<boolean | 'unmet'> {
    if (preconditions === undefined) return this.backend.delete(key);
    let removed = true;
    const met = await this.#where(
      key,
      preconditions,
      async (condition) => {
        if (condition !== 'absent') return this.backend.delete(key, { if: condition });
        removed = false;
        return !(await this.backend.has(key));
      },
      async (entry) => {
        removed = entry !== undefined;
        const condition = conditionOf(entry);
        return condition === 'absent' ? true : this.backend.delete(key, { if: condition });
      },
    );
    return met ? removed : 'unmet';
  }

  /** In one step where one condition says it all, else by looking at the entry, and again after a lost race. */
  async #where(
    key: string,
    preconditions: Preconditions,
    atOnce: (condition: Condition) => Promise<boolean>,
    having: (entry: Entry<unknown> | undefined) => Promise<boolean>,
  ): Promise<boolean> {
    const condition = toCondition(preconditions);
    if (condition !== undefined) return atOnce(condition);
    for (let tried = 0; tried < ATTEMPTS; tried++) {
      const entry = await this.backend.getEntry(key);
      if (!matches(preconditions, entry) || !differs(preconditions, entry)) return false;
      if (await having(entry)) return true;
    }
    throw new ConflictError(`${show(key)} was changed by others ${ATTEMPTS} times in a row; try again later`, { key });
  }
}

function conditionOf(entry: Entry<unknown> | undefined): 'absent' | { readonly version: string } {
  if (entry === undefined) return 'absent';
  if (entry.version !== undefined) return { version: entry.version };
  throw new UnsupportedError('this store gives no versions, so conditions cannot be held to');
}
