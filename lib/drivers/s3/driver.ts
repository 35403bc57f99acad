import { randomBytes } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { type Capabilities, capabilities } from '../../backend/capabilities.js';
import { MAXIMUM_KEY_BYTES } from '../../backend/checks.js';
import type { Condition, Driver, Entry, ListedEntry, Page, ScanRequest } from '../../backend/driver.js';
import type { Clock } from '../../backend/duration.js';
import { eachOf } from '../../backend/operations.js';
import {
  ConflictError,
  CorruptDataError,
  InvalidArgumentError,
  InvalidKeyError,
  isKeepsakeError,
  UnsupportedError,
} from '../../errors.js';
import { show } from '../../show.js';
import { fitsXml, toKey, toName } from './keys.js';
import type { Metadata, ObjectHead, Objects, StoredObject } from './objects.js';

/** The name of the metadata that holds the deadline, in milliseconds since 1970. */
const EXPIRES = 'keepsake-expires';
/** The name of the metadata that holds the version, where it is not the object's tag. */
const VERSION = 'keepsake-version';
/**
 * The random bytes at the end of an object with a deadline. S3 makes tags of the bytes alone: of two who both find the same value expired
 * and replace it by the same again, the second must not find the tag that it knows.
 */
const TRAILER = 16;
/** How often a conditional operation tries again after a lost race. */
const ATTEMPTS = 100;
/** The most names that a page of a listing holds. */
const PAGE = 1000;
/** How many bytes of values a page brings, unless one alone has more. */
const TOGETHER = 16 * 1024 * 1024;

/** What the server does. */
export interface Abilities {
  /** Whether it checks conditions of writes. */
  readonly conditionalPut: boolean;
  /** Whether it checks conditions of deletes. */
  readonly conditionalDelete: boolean;
}

/** Entries as objects in a bucket of S3. */
export class S3Driver implements Driver {
  readonly capabilities: Capabilities;
  readonly name: string;
  readonly clock: Clock;
  readonly keyLimit: number;
  readonly sweep?: () => Promise<number>;
  readonly #objects: Objects;
  readonly #prefix: string;
  readonly #conditionalDelete: boolean;

  /** @param prefix what every name in the bucket starts with; `''` where the bucket is shared with others */
  constructor(objects: Objects, prefix: string, abilities: Abilities, clock: Clock, name: string) {
    this.#objects = objects;
    this.#prefix = prefix;
    this.name = name;
    this.clock = clock;
    this.keyLimit = MAXIMUM_KEY_BYTES - Buffer.byteLength(prefix);
    this.#conditionalDelete = abilities.conditionalDelete;
    const put = abilities.conditionalPut ? 'storage' : 'none';
    this.capabilities = capabilities({
      conditionalSet: put,
      conditionalDelete: abilities.conditionalDelete ? 'storage' : 'none',
      update: put,
      increment: put,
      touch: put,
      persistent: true,
      enumerable: true,
      ordered: true,
    });
    if (abilities.conditionalDelete) this.sweep = () => this.#sweep();
  }

  open(): Promise<void> {
    return this.#objects.open();
  }

  close(): Promise<void> {
    return this.#objects.close();
  }

  async read(key: string): Promise<Entry<Uint8Array> | undefined> {
    const found = await this.#objects.get(this.#nameOf(key));
    return found && this.#toEntry(key, found);
  }

  async write(
    key: string,
    value: Uint8Array,
    expiresAt: number | undefined,
    condition: Condition | undefined,
  ): Promise<boolean> {
    const name = this.#nameOf(key);
    const [bytes, metadata] = toObject(value, expiresAt);
    if (condition === undefined) {
      await this.#objects.put(name, bytes, metadata);
      return true;
    }
    // The tag of an object without a deadline says all that there is to know of it.
    if (typeof condition === 'object' && !condition.version.startsWith('~')) {
      if (!isTag(condition.version)) return false;
      if (await this.#objects.putIf(name, bytes, metadata, { etag: condition.version })) return true;
    }
    if (condition === 'absent' && (await this.#objects.putIf(name, bytes, metadata, 'absent'))) return true;
    return this.#decide(key, async (head) => {
      const there = head !== undefined && !this.#isExpired(head);
      const met =
        typeof condition === 'object'
          ? there && versionOf(head) === condition.version
          : there === (condition === 'present');
      if (!met) return false;
      const match = head === undefined ? 'absent' : { etag: head.etag };
      return (await this.#objects.putIf(name, bytes, metadata, match)) ? true : undefined;
    });
  }

  async remove(key: string, condition: Condition | undefined): Promise<boolean> {
    const name = this.#nameOf(key);
    if (!this.#conditionalDelete) {
      const head = await this.#objects.head(name);
      // One that has expired is left: a fresh one may have come in its place by now.
      if (head === undefined || this.#isExpired(head)) return false;
      await this.#objects.delete(name);
      return true;
    }
    return this.#decide(key, async (head) => {
      if (head === undefined) return false;
      const met = !this.#isExpired(head) && (typeof condition !== 'object' || versionOf(head) === condition.version);
      if (!met && !this.#isExpired(head)) return false;
      return (await this.#objects.deleteIf(name, head.etag)) ? met : undefined;
    });
  }

  async touch(key: string, expiresAt: number | undefined): Promise<boolean> {
    return (await this.#move(key, expiresAt, true)) !== undefined;
  }

  renew(key: string, expiresAt: number): Promise<Entry<Uint8Array> | undefined> {
    return this.#move(key, expiresAt, false);
  }

  async writeMany(entries: readonly (readonly [string, Uint8Array])[], expiresAt: number | undefined): Promise<void> {
    await eachOf(entries, async ([key, value]) => {
      await this.#objects.put(this.#nameOf(key), ...toObject(value, expiresAt));
    });
  }

  async removeMany(keys: readonly string[]): Promise<number> {
    const names: string[] = [];
    await eachOf(keys, async (key) => {
      const name = this.#nameOf(key);
      const head = await this.#objects.head(name);
      if (head !== undefined && !this.#isExpired(head)) names.push(name);
    });
    await this.#delete(names);
    return names.length;
  }

  async scan(request: ScanRequest): Promise<Page<Uint8Array>> {
    const { cursor: from, after: key } = request;
    const start = from === undefined ? key && toName(key) : checkCursor(from);
    const after = start === undefined ? undefined : this.#prefix + start;
    const listing = await this.#objects.list(
      this.#prefix + toName(request.prefix),
      after,
      Math.min(request.limit, PAGE),
    );
    const names = request.values ? listing.names.slice(0, countWithin(listing.sizes, TOGETHER)) : listing.names;
    const more = listing.more || names.length < listing.names.length;
    const keys = names.map((name) => this.#keyOf(name)).filter((key) => key !== undefined);
    const listed = new Array<ListedEntry<Uint8Array> | undefined>(keys.length);
    await eachOf(keys, async (key, index) => {
      listed[index] = request.values ? await this.#listed(key) : await this.#present(key);
    });
    // The last name may be none of a key.
    const cursor = more ? names.at(-1)?.slice(this.#prefix.length) : undefined;
    return { entries: listed.filter((entry) => entry !== undefined), cursor };
  }

  async clear(prefix: string, everything?: boolean): Promise<void> {
    if (this.#prefix + prefix === '' && everything !== true) {
      throw new UnsupportedError(
        `clear: ${this.name} has no namespace, so every object of the bucket would go, others' too; give a prefix, or say { everything: true }`,
      );
    }
    for await (const names of this.#names(prefix)) await this.#delete(names);
  }

  /** The names in pages, also of what has expired. */
  async *#names(prefix: string): AsyncGenerator<string[]> {
    let after: string | undefined;
    for (let more = true; more; ) {
      const page = await this.#objects.list(this.#prefix + toName(prefix), after, PAGE);
      yield page.names.filter((name) => this.#keyOf(name) !== undefined);
      after = page.names.at(-1);
      more = page.more && after !== undefined;
    }
  }

  async #delete(names: readonly string[]): Promise<void> {
    await this.#objects.deleteMany(names.filter(fitsXml));
    await eachOf(
      names.filter((name) => !fitsXml(name)),
      (name) => this.#objects.delete(name),
    );
  }

  async #sweep(): Promise<number> {
    let removed = 0;
    for await (const names of this.#names('')) {
      await eachOf(names, async (name) => {
        const head = await this.#objects.head(name);
        if (head === undefined || !this.#isExpired(head)) return;
        if (await this.#objects.deleteIf(name, head.etag)) removed++;
      });
    }
    return removed;
  }

  /**
   * Stores the same bytes with another deadline. A copy of the object onto itself would do without sending them, but servers check the
   * condition of a copy before it, not with it, so that it could undo what was written meanwhile.
   */
  async #move(key: string, expiresAt: number | undefined, also: boolean): Promise<Entry<Uint8Array> | undefined> {
    const name = this.#nameOf(key);
    for (let tried = 0; tried < ATTEMPTS; tried++) {
      await pause(tried);
      const found = await this.#objects.get(name);
      const entry = found && this.#toEntry(key, found);
      if (found === undefined || entry === undefined) return undefined;
      // `touch` also ends the life of what would live for ever, `renew` does not.
      if (entry.expiresAt === undefined && (!also || expiresAt === undefined)) return entry;
      const [bytes, metadata] = toObject(entry.value, expiresAt, entry.version);
      if (await this.#objects.putIf(name, bytes, metadata, { etag: found.etag })) return { ...entry, expiresAt };
    }
    throw conflict(key);
  }

  /** Looks at an object, and asks `attempt` until it has decided; `undefined` says that somebody else was faster. */
  async #decide(
    key: string,
    attempt: (head: ObjectHead | undefined) => Promise<boolean | undefined>,
  ): Promise<boolean> {
    const name = this.#nameOf(key);
    for (let tried = 0; tried < ATTEMPTS; tried++) {
      await pause(tried);
      const decided = await attempt(await this.#objects.head(name));
      if (decided !== undefined) return decided;
    }
    throw conflict(key);
  }

  async #present(key: string): Promise<ListedEntry<Uint8Array> | undefined> {
    const head = await this.#objects.head(this.#nameOf(key));
    return head === undefined || this.#isExpired(head) ? undefined : { key };
  }

  async #listed(key: string): Promise<ListedEntry<Uint8Array> | undefined> {
    try {
      const entry = await this.read(key);
      return entry && { key, value: entry.value };
    } catch (error) {
      if (isKeepsakeError(error, 'KEEPSAKE_CORRUPT_DATA')) return { key, error: error as CorruptDataError };
      throw error;
    }
  }

  #toEntry(key: string, { bytes, etag, metadata }: StoredObject): Entry<Uint8Array> | undefined {
    const expiresAt = deadlineOf(metadata);
    if (expiresAt === undefined) return { value: bytes, version: versionOf({ etag, metadata }) };
    if (this.clock() >= expiresAt) return undefined;
    if (!Number.isSafeInteger(expiresAt) || bytes.length < TRAILER) {
      throw new CorruptDataError(
        `${this.name}: the object of ${show(key)} says that it expires, but not as keepsake writes it; somebody else has stored it`,
        { key },
      );
    }
    return { value: bytes.subarray(0, bytes.length - TRAILER), expiresAt, version: versionOf({ etag, metadata }) };
  }

  #isExpired({ metadata }: ObjectHead): boolean {
    const expiresAt = deadlineOf(metadata);
    return expiresAt !== undefined && this.clock() >= expiresAt;
  }

  /** @throws InvalidKeyError for a key that fits no name, because of characters that take two */
  #nameOf(key: string): string {
    const name = this.#prefix + toName(key);
    if (name.length * 3 > MAXIMUM_KEY_BYTES && Buffer.byteLength(name) > MAXIMUM_KEY_BYTES) {
      throw new InvalidKeyError(
        `key ${show(key)} has ${Buffer.byteLength(name)} bytes as the name of an object, in which NUL and U+0001 take two; the limit is ${MAXIMUM_KEY_BYTES}`,
        { key },
      );
    }
    return name;
  }

  /** The key of a name, or `undefined` for a name of others that is none of a key. */
  #keyOf(name: string): string | undefined {
    const key = name.startsWith(this.#prefix) ? toKey(name.slice(this.#prefix.length)) : undefined;
    return key === undefined || key === '' || !key.isWellFormed() ? undefined : key;
  }
}

/** The bytes and the metadata of an entry. @param version of an entry whose value stays */
function toObject(value: Uint8Array, expiresAt: number | undefined, version?: string): [Uint8Array, Metadata] {
  const kept: Metadata = version === undefined ? {} : { [VERSION]: version };
  if (expiresAt === undefined) return [value, kept];
  return [Buffer.concat([value, randomBytes(TRAILER)]), { ...kept, [EXPIRES]: String(expiresAt) }];
}

/** Names the value: the tag of its object, marked where the object has a deadline, so that the tag alone does not tell all. */
function versionOf({ etag, metadata }: ObjectHead): string {
  return metadata[VERSION] ?? (metadata[EXPIRES] === undefined ? etag : `~${etag}`);
}

/** Whether a text may be a tag: anything else would be no header. */
function isTag(version: string): boolean {
  return /^[\x21\x23-\x7e]{1,200}$/.test(version) && version !== '*';
}

/** How many of the sizes, of the first on, are no more than `most` together; at least one. */
function countWithin(sizes: readonly number[], most: number): number {
  let sum = 0;
  const first = sizes.findIndex((size) => {
    sum += size;
    return sum > most;
  });
  return first < 0 ? sizes.length : Math.max(1, first);
}

function deadlineOf(metadata: Metadata): number | undefined {
  const text = metadata[EXPIRES];
  return text === undefined ? undefined : Number(text);
}

/** Lets others go first, ever longer, so that many who want the same do not wear each other down. */
async function pause(tried: number): Promise<void> {
  if (tried > 2) await setTimeout(Math.random() * Math.min(100, 2 ** tried));
}

function checkCursor(cursor: string): string {
  if (cursor.isWellFormed() && !cursor.includes('\0') && Buffer.byteLength(cursor) <= MAXIMUM_KEY_BYTES) return cursor;
  throw new InvalidArgumentError(`page: ${show(cursor)} is no cursor of this backend; begin anew`);
}

function conflict(key: string): ConflictError {
  return new ConflictError(`${show(key)} was changed by others ${ATTEMPTS} times in a row; try again later`, { key });
}
