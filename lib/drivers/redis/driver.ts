import { createHash } from 'node:crypto';
import { atomicAt, type Capabilities, capabilities } from '../../backend/capabilities.js';
import type {
  Condition,
  Counter,
  Driver,
  Entry,
  ListedEntry,
  Page,
  ScanRequest,
  WatchRequest,
} from '../../backend/driver.js';
import { CorruptDataError, NotAnIntegerError, OutOfRangeError, UnsupportedError } from '../../errors.js';
import { show } from '../../show.js';
import type { Connection } from './connection.js';
import { type EventSource, watchEvents } from './events.js';
import type { Argument } from './link.js';
import { type Listed, scanAll, scanPage } from './listing.js';
import { INCREMENT, PERSIST, READ, REMOVE, RENEW, REPLACE, toDeadline, toNative } from './scripts.js';
import { slotOf } from './slots.js';

const abilities: Capabilities = capabilities({
  ...atomicAt('storage'),
  persistent: true,
  enumerable: true,
});

/** How many commands are under way at a time where one stands for many. */
const TOGETHER = 1000;

/** Entries as strings of Redis, with Redis' own expiry. */
export class RedisDriver implements Driver {
  readonly capabilities: Capabilities;
  readonly name: string;
  readonly watch?: (request: WatchRequest) => Promise<void>;
  readonly #connection: Connection;
  readonly #prefix: string;

  /**
   * @param prefix what every key on the server starts with; `''` where the keys are shared with others
   * @param events where changes are told, if they are
   */
  constructor(connection: Connection, prefix: string, name: string, events: EventSource | undefined) {
    this.#connection = connection;
    this.#prefix = prefix;
    this.name = name;
    this.capabilities = events === undefined ? abilities : Object.freeze({ ...abilities, watch: true });
    if (events === undefined) return;
    this.watch = (request) => watchEvents(connection, events, prefix + request.prefix, name, request, prefix.length);
  }

  open(): Promise<void> {
    return this.#connection.open();
  }

  close(): Promise<void> {
    return this.#connection.close();
  }

  async read(key: string, valueOnly?: boolean): Promise<Entry<Uint8Array> | undefined> {
    const stored = this.#prefix + key;
    if (valueOnly !== true) {
      const [found] = (await this.#connection.run(READ, [stored])) as Found[];
      return toEntry(found);
    }
    const value = (await this.#connection.send(['GET', stored], stored)) as Buffer | null;
    return value === null ? undefined : { value: own(value) };
  }

  async write(
    key: string,
    value: Uint8Array,
    expiresAt: number | undefined,
    condition: Condition | undefined,
  ): Promise<boolean> {
    const stored = this.#prefix + key;
    if (typeof condition === 'object') {
      const args = [condition.version, toArgument(value), toTime(expiresAt)];
      return (await this.#connection.run(REPLACE, [stored], args)) === 1;
    }
    const command = put(stored, value, expiresAt);
    if (condition !== undefined) command.push(condition === 'absent' ? 'NX' : 'XX');
    return (await this.#connection.send(command, stored)) !== null;
  }

  async remove(key: string, condition: Condition | undefined): Promise<boolean> {
    const stored = this.#prefix + key;
    const removing =
      typeof condition === 'object'
        ? this.#connection.run(REMOVE, [stored], [condition.version])
        : this.#connection.send(['UNLINK', stored], stored);
    return (await removing) === 1;
  }

  async touch(key: string, expiresAt: number | undefined): Promise<boolean> {
    const stored = this.#prefix + key;
    const moving =
      expiresAt === undefined
        ? this.#connection.run(PERSIST, [stored])
        : this.#connection.send(['PEXPIREAT', stored, toTime(expiresAt)], stored);
    return (await moving) === 1;
  }

  async renew(key: string, expiresAt: number): Promise<Entry<Uint8Array> | undefined> {
    return toEntry((await this.#connection.run(RENEW, [this.#prefix + key], [toTime(expiresAt)])) as Found);
  }

  async increment(key: string, by: number, expiresAt: number | undefined): Promise<Counter> {
    // The number of a negative zero is the text of one without.
    const args = [String(by), toTime(expiresAt)];
    const answer = (await this.#connection.run(INCREMENT, [this.#prefix + key], args)) as Found | Buffer;
    if (answer === null) {
      throw new NotAnIntegerError(`${show(key)} holds no integer, so it cannot be incremented; it is left as it is`);
    }
    if (answer instanceof Uint8Array) {
      throw new OutOfRangeError(`increment: ${String(answer)} + ${by} at ${show(key)} is past the safe integers`);
    }
    return { value: Number(String(answer[0])), expiresAt: toDeadline(answer[1]) };
  }

  async readMany(keys: readonly string[], valueOnly?: boolean): Promise<(Entry<Uint8Array> | undefined)[]> {
    if (keys.length === 0) return [];
    const stored = keys.map((key) => this.#prefix + key);
    if (!this.#connection.slotted && stored.length <= TOGETHER) return this.#readGroup(stored, valueOnly);
    const entries = new Array<Entry<Uint8Array> | undefined>(keys.length);
    await this.#grouped(stored, async (group, indexes) => {
      const found = await this.#readGroup(group, valueOnly);
      for (const [at, index] of indexes.entries()) entries[index] = found[at];
    });
    return entries;
  }

  async writeMany(entries: readonly (readonly [string, Uint8Array])[], expiresAt: number | undefined): Promise<void> {
    // What is sent at once goes to the server together.
    for (let at = 0; at < entries.length; at += TOGETHER) {
      await settled(
        entries.slice(at, at + TOGETHER).map(([key, value]) => {
          const stored = this.#prefix + key;
          return this.#connection.send(put(stored, value, expiresAt), stored);
        }),
      );
    }
  }

  async removeMany(keys: readonly string[]): Promise<number> {
    return this.#unlink(keys.map((key) => this.#prefix + key));
  }

  async scan(request: ScanRequest): Promise<Page<Uint8Array>> {
    const { keys, cursor } = await scanPage(this.#connection, this.#listed(request.prefix), request);
    const names = keys.map((key) => key.slice(this.#prefix.length));
    return { entries: request.values ? await this.#withValues(names) : names.map((key) => ({ key })), cursor };
  }

  async clear(prefix: string, everything?: boolean): Promise<void> {
    if (this.#prefix + prefix === '' && everything !== true) {
      throw new UnsupportedError(
        `clear: ${this.name} has no namespace, so every key of the database would go, others' too; give a prefix, or say { everything: true }`,
      );
    }
    for await (const { keys } of scanAll(this.#connection, this.#listed(prefix))) await this.#unlink(keys);
  }

  #listed(prefix: string): Listed {
    return { own: this.#prefix, prefix: this.#prefix + prefix };
  }

  async #unlink(stored: readonly string[]): Promise<number> {
    let removed = 0;
    await this.#grouped(stored, async (group) => {
      const count = (await this.#connection.send(['UNLINK', ...group], group[0])) as number;
      removed += count;
    });
    return removed;
  }

  async #withValues(keys: readonly string[]): Promise<ListedEntry<Uint8Array>[]> {
    const entries = await this.readMany(keys, true);
    const listed = await Promise.all(
      keys.map(async (key, index): Promise<ListedEntry<Uint8Array> | undefined> => {
        const entry = entries[index];
        if (entry !== undefined) return { key, value: entry.value };
        const stored = this.#prefix + key;
        const type = String(await this.#connection.send(['TYPE', stored], stored));
        // It is gone by now, or came back meanwhile.
        if (type === 'none' || type === 'string') return undefined;
        return {
          key,
          error: new CorruptDataError(`${show(key)} holds a ${type} of Redis, which somebody else has stored`),
        };
      }),
    );
    return listed.filter((entry) => entry !== undefined);
  }

  /** The entries of some keys, at least one, that may be named in one command. */
  async #readGroup(stored: readonly string[], valueOnly?: boolean): Promise<(Entry<Uint8Array> | undefined)[]> {
    const [first] = stored as Group;
    if (valueOnly !== true) return ((await this.#connection.run(READ, stored as Group)) as Found[]).map(toEntry);
    const values = (await this.#connection.send(['MGET', ...stored], first)) as (Buffer | null)[];
    return values.map((value) => (value === null ? undefined : { value }));
  }

  /** Works on groups of keys that may be named in one command, all at once, with their places among all. */
  async #grouped(
    stored: readonly string[],
    work: (group: Group, indexes: readonly number[]) => Promise<void>,
  ): Promise<void> {
    const groups = new Map<number, { readonly keys: string[]; readonly indexes: number[] }>();
    const all: { readonly keys: string[]; readonly indexes: number[] }[] = [];
    for (const [index, key] of stored.entries()) {
      const slot = this.#connection.slotted ? slotOf(key) : 0;
      let group = groups.get(slot);
      if (group === undefined || group.keys.length === TOGETHER) {
        group = { keys: [], indexes: [] };
        groups.set(slot, group);
        all.push(group);
      }
      group.keys.push(key);
      group.indexes.push(index);
    }
    await settled(all.map(({ keys, indexes }) => work(keys as unknown as Group, indexes)));
  }
}

type Group = readonly [string, ...string[]];

/** A value and Redis' time of its expiry, or nothing. */
type Found = readonly [Buffer, number] | null;

function toEntry(found: Found | undefined): Entry<Uint8Array> | undefined {
  return found ? new StoredEntry(own(found[0]), toDeadline(found[1])) : undefined;
}

/** Names its value by a digest, made when somebody asks. */
class StoredEntry implements Entry<Uint8Array> {
  readonly value: Uint8Array;
  readonly expiresAt: number | undefined;

  constructor(value: Uint8Array, expiresAt: number | undefined) {
    this.value = value;
    this.expiresAt = expiresAt;
  }

  get version(): string {
    return createHash('sha1').update(this.value).digest('hex');
  }
}

/** Bytes of their own, in place of a view on all that came with them. */
function own(value: Buffer): Uint8Array {
  return new Uint8Array(value);
}

function put(stored: string, value: Uint8Array, expiresAt: number | undefined): Argument[] {
  const bytes = toArgument(value);
  return expiresAt === undefined ? ['SET', stored, bytes] : ['SET', stored, bytes, 'PXAT', toTime(expiresAt)];
}

/** The client takes no bytes but those of a `Buffer`. */
function toArgument(value: Uint8Array): Buffer {
  return Buffer.isBuffer(value) ? value : Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}

function toTime(expiresAt: number | undefined): string {
  return expiresAt === undefined ? '' : String(toNative(expiresAt));
}

/** Waits for all, so that none is left under way, and rejects with the first failure. */
async function settled(working: readonly Promise<unknown>[]): Promise<void> {
  const failed = (await Promise.allSettled(working)).find((one) => one.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}
