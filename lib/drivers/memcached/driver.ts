import { setImmediate, setTimeout } from 'node:timers/promises';
import { atomicAt, type Capabilities, capabilities } from '../../backend/capabilities.js';
import type { Condition, Driver, Entry, ListedEntry, Page, ScanRequest } from '../../backend/driver.js';
import { ownerOf } from '../../backend/rendezvous.js';
import { ConflictError, CorruptDataError, StorageError, UnsupportedError } from '../../errors.js';
import { show } from '../../show.js';
import {
  decodeDumped,
  type Item,
  readItem,
  readVersion,
  type Stored,
  toDumped,
  toItem,
  toStored,
  toTimeToLive,
  toVersion,
} from './items.js';
import { Listing } from './listing.js';
import type { Server } from './server.js';
import type { Command, Reply } from './session.js';

const abilities: Capabilities = capabilities({
  ...atomicAt('storage'),
  persistent: true,
  enumerable: true,
});

/** How many commands, and about how many bytes, are under way at a time where one stands for many. */
const TOGETHER = 1000;
const BYTES_TOGETHER = 2 ** 20;
/** How often a change is tried again after a lost race. */
const ATTEMPTS = 100;

/** Where a key lies, and by which name. */
interface Place {
  readonly key: string;
  readonly server: Server;
  readonly stored: Stored;
}

/** What is to be stored. */
interface Content {
  readonly value: Uint8Array;
  readonly expiresAt: number | undefined;
  /** The version that it keeps, where it is the value that was there before. */
  readonly version?: string | undefined;
}

/** Entries as items of memcached, with deadlines exact to the millisecond beside them. */
export class MemcachedDriver implements Driver {
  readonly capabilities = abilities;
  readonly name: string;
  /** In the order of their names. */
  readonly #servers: readonly Server[];
  readonly #prefix: string;
  readonly #listing: Listing;

  /** @param prefix what every key on the servers starts with; `''` where the keys are shared with others */
  constructor(servers: readonly Server[], prefix: string, name: string) {
    this.#servers = [...servers].sort((a, b) => (a.name < b.name ? -1 : 1));
    this.#prefix = prefix;
    this.name = name;
    this.#listing = new Listing(this.#servers, prefix, (server, names) => this.#readDumped(server, names));
  }

  /** Ready as soon as one server is: those that are down fail their own keys. */
  async open(): Promise<void> {
    try {
      await Promise.any(this.#servers.map((server) => server.open()));
    } catch (error) {
      throw error instanceof AggregateError ? error.errors[0] : error;
    }
  }

  async close(): Promise<void> {
    this.#listing.forget();
    await Promise.all(this.#servers.map((server) => server.close()));
  }

  async read(key: string, valueOnly?: boolean): Promise<Entry<Uint8Array> | undefined> {
    const place = this.#placeOf(key);
    const { server, stored } = place;
    const item = readItem(await server.send({ head: get(stored, valueOnly === true ? 'f v' : 'f c t v') }));
    return isThere(item, key) ? toEntry(item, valueOnly) : undefined;
  }

  async write(
    key: string,
    value: Uint8Array,
    expiresAt: number | undefined,
    condition: Condition | undefined,
  ): Promise<boolean> {
    const place = this.#placeOf(key);
    const content = { value, expiresAt };
    if (condition === undefined) {
      expectStored(await place.server.send(put(place.stored, content)));
      return true;
    }
    if (typeof condition === 'object') return this.#ifVersion(place, condition.version, content);
    if (condition === 'present') return (await this.#change(place, (item) => item && content)) !== undefined;
    const { code } = await place.server.send(put(place.stored, content, ' ME'));
    if (code === 'HD') return true;
    // What is there may have expired.
    let stored = false;
    await this.#change(place, (item) => {
      stored = item === undefined;
      return stored ? content : undefined;
    });
    return stored;
  }

  async remove(key: string, condition: Condition | undefined): Promise<boolean> {
    const place = this.#placeOf(key);
    if (typeof condition === 'object') return this.#ifVersion(place, condition.version, undefined);
    return (await this.#removeTogether(place.server, [place])) === 1;
  }

  async touch(key: string, expiresAt: number | undefined): Promise<boolean> {
    const moved = await this.#change(
      this.#placeOf(key),
      (item) => item && { value: item.value, version: item.version, expiresAt },
    );
    return moved !== undefined;
  }

  async renew(key: string, expiresAt: number): Promise<Entry<Uint8Array> | undefined> {
    let kept: Item | undefined;
    const renewed = await this.#change(this.#placeOf(key), (item) => {
      kept = item;
      return item?.expiresAt === undefined ? undefined : { value: item.value, version: item.version, expiresAt };
    });
    const item = renewed === undefined ? kept : { ...renewed, expiresAt };
    return item && toEntry(item);
  }

  async readMany(keys: readonly string[], valueOnly?: boolean): Promise<(Entry<Uint8Array> | undefined)[]> {
    const entries = new Array<Entry<Uint8Array> | undefined>(keys.length).fill(undefined);
    const places = keys.map((key, index) => ({ ...this.#placeOf(key), index }));
    await this.#onEach(places, async (server, own) => {
      const items = await readItems(
        server,
        own.map(({ stored }) => stored),
      );
      for (const [at, { key, index }] of own.entries()) {
        const item = items[at];
        if (item instanceof CorruptDataError) throw item;
        if (isThere(item, key)) entries[index] = toEntry(item, valueOnly);
      }
    });
    return entries;
  }

  async writeMany(entries: readonly (readonly [string, Uint8Array])[], expiresAt: number | undefined): Promise<void> {
    const places = entries.map(([key, value]) => ({ ...this.#placeOf(key), value }));
    await this.#onEach(
      places,
      async (server, own) => {
        const commands = own.map(({ stored, value }) => put(stored, { value, expiresAt }));
        for (const reply of await server.sendAll(commands)) expectStored(reply);
      },
      ({ value }) => value.length,
    );
  }

  async removeMany(keys: readonly string[]): Promise<number> {
    let removed = 0;
    await this.#onEach(
      keys.map((key) => this.#placeOf(key)),
      async (server, own) => {
        const count = await this.#removeTogether(server, own);
        removed += count;
      },
    );
    return removed;
  }

  async scan(request: ScanRequest): Promise<Page<Uint8Array>> {
    const { keys, cursor } = await this.#listing.page(request);
    return { entries: request.values ? await this.#withValues(keys) : keys.map((key) => ({ key })), cursor };
  }

  async *stream(request: Omit<ScanRequest, 'cursor'>): AsyncGenerator<readonly ListedEntry<Uint8Array>[]> {
    for await (const keys of this.#listing.batches(request)) {
      yield request.values ? await this.#withValues(keys) : keys.map((key) => ({ key }));
    }
  }

  async clear(prefix: string, everything?: boolean): Promise<void> {
    if (this.#prefix + prefix === '' && everything !== true) {
      throw new UnsupportedError(
        `clear: ${this.name} has no namespace, so every key of the server would go, others' too; give a prefix, or say { everything: true }`,
      );
    }
    await this.#listing.eachStored(prefix, everything === true, async (server, names) => {
      await server.sendAll(names.map(toDumped).map(({ token, flag }) => ({ head: `md ${token}${flag}` })));
    });
  }

  #placeOf(key: string): Place {
    return { key, server: ownerOf(this.#servers, this.#prefix + key), stored: toStored(this.#prefix, key) };
  }

  /**
   * Stores `content`, or removes where there is none, if the value of that version is there. One command, where nobody has moved its deadline since it was
   * stored.
   */
  async #ifVersion(place: Place, version: string, content: Content | undefined): Promise<boolean> {
    const { server, stored } = place;
    const wanted = readVersion(version);
    if (wanted === undefined) return false;
    if (wanted.expiresAt === undefined || Date.now() < wanted.expiresAt) {
      const compare = ` C${wanted.token}`;
      const command = content === undefined ? drop(stored, compare) : put(stored, content, compare);
      const { code } = await server.send(command, wanted.run);
      if (code !== 'EX') return code === 'HD';
    }
    let met = false;
    await this.#change(place, (item) => {
      met = item !== undefined && item.run === wanted.run && item.version === wanted.named;
      return met ? (content ?? 'remove') : undefined;
    });
    return met;
  }

  /**
   * Reads an item, asks for its new state and stores that where nobody was faster; otherwise again. Answers the item that there was, if there was one and it
   * was changed.
   */
  async #change(
    { key, server, stored }: Place,
    change: (item: Item | undefined) => Content | 'remove' | undefined,
  ): Promise<Item | undefined> {
    for (let tried = 0; tried < ATTEMPTS; tried++) {
      if (tried > 0) await (tried < 3 ? setImmediate() : setTimeout(Math.random() * Math.min(50, 2 ** (tried - 2))));
      const found = readItem(await server.send({ head: get(stored, 'f c t v') }));
      const item = isThere(found, key) ? found : undefined;
      const content = change(item);
      if (content === undefined) return undefined;
      const compare = found === undefined ? ' ME' : ` C${found.token}`;
      const command = content === 'remove' ? drop(stored, compare) : put(stored, content, compare);
      const { code } = await server.send(command, found?.run);
      if (code === 'HD') return item;
    }
    throw new ConflictError(`${show(key)} was changed by others ${ATTEMPTS} times in a row; try again later`);
  }

  /** Removes keys of one server; how many were there. */
  async #removeTogether(server: Server, places: readonly Place[]): Promise<number> {
    // What is read first tells whether what is removed then had expired.
    const replies = await server.sendAll(places.flatMap(({ stored }) => [{ head: get(stored, 'f v') }, drop(stored)]));
    return places.filter(({ key }, index) => {
      const [read, removed] = replies.slice(2 * index, 2 * index + 2);
      if (read === undefined || removed?.code !== 'HD') return false;
      const item = tryReadItem(read);
      return item === undefined || item instanceof CorruptDataError || isThere(item, key);
    }).length;
  }

  async #withValues(keys: readonly string[]): Promise<ListedEntry<Uint8Array>[]> {
    const listed = new Map<string, ListedEntry<Uint8Array>>();
    await this.#onEach(
      keys.map((key) => this.#placeOf(key)),
      async (server, own) => {
        const items = await readItems(
          server,
          own.map(({ stored }) => stored),
        );
        for (const [index, { key }] of own.entries()) {
          const item = items[index];
          if (item instanceof CorruptDataError) listed.set(key, { key, error: item });
          else if (isThere(item, key)) listed.set(key, { key, value: item.value });
        }
      },
    );
    return keys.map((key) => listed.get(key)).filter((entry) => entry !== undefined);
  }

  /** The keys of items that a dump has told, as far as they are there and have not expired. */
  async #readDumped(server: Server, names: readonly string[]): Promise<(string | undefined)[]> {
    const items = await readItems(server, names.map(toDumped));
    return items.map((item, index) => {
      const name = (decodeDumped(names[index] as string) ?? '').slice(this.#prefix.length);
      if (item instanceof CorruptDataError) return name;
      const key = item?.key ?? name;
      return isThere(item, key) ? key : undefined;
    });
  }

  /** Works on places, by server, so many at a time; waits for all, and rejects with the first failure. */
  async #onEach<T extends Place>(
    places: readonly T[],
    work: (server: Server, places: readonly T[]) => Promise<void>,
    size: (place: T) => number = () => 0,
  ): Promise<void> {
    const servers = new Map<Server, T[][]>();
    const bytes = new Map<Server, number>();
    for (const place of places) {
      const { server } = place;
      let groups = servers.get(server);
      if (groups === undefined) {
        groups = [];
        servers.set(server, groups);
      }
      const sum = (bytes.get(server) ?? 0) + size(place);
      const group = groups.at(-1);
      if (group === undefined || group.length === TOGETHER || sum > BYTES_TOGETHER) {
        groups.push([place]);
        bytes.set(server, size(place));
      } else {
        group.push(place);
        bytes.set(server, sum);
      }
    }
    const ended = await Promise.allSettled(
      [...servers].map(async ([server, groups]) => {
        for (const group of groups) await work(server, group);
      }),
    );
    const failed = ended.find((one) => one.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }
}

/** Whether an item is the entry of a key, which it is not once its deadline has come. */
function isThere(item: Item | undefined, key: string): item is Item {
  if (item === undefined || (item.key !== undefined && item.key !== key)) return false;
  return item.expiresAt === undefined || Date.now() < item.expiresAt;
}

function toEntry(item: Item, valueOnly = false): Entry<Uint8Array> {
  // A copy: the bytes are a view on all that came with them.
  const value = new Uint8Array(item.value);
  return valueOnly ? { value } : { value, expiresAt: item.expiresAt, version: toVersion(item) };
}

function expectStored({ code }: Reply): void {
  if (code !== 'HD')
    throw new StorageError(`the server has not stored the item, and answers ${code}`, { retryable: true });
}

function get({ token, flag }: Stored, flags: string): string {
  return `mg ${token} ${flags}${flag}`;
}

function put(stored: Stored, { value, expiresAt, version }: Content, mode = ''): Command {
  const { flags, data, length, size } = toItem(stored, value, expiresAt, version);
  const time = toTimeToLive(expiresAt, Date.now());
  return { head: `ms ${stored.token} ${length} T${time} F${flags}${mode}${stored.flag}`, data, size };
}

function drop({ token, flag }: Stored, compare = ''): Command {
  return { head: `md ${token}${compare.startsWith(' C') ? compare : ''}${flag}` };
}

/** The items of some keys of one server, in their order; the answers name them, since there are none for what is missing. */
async function readItems(server: Server, stored: readonly Stored[]): Promise<(Item | CorruptDataError | undefined)[]> {
  const items = new Array<Item | CorruptDataError | undefined>(stored.length).fill(undefined);
  const replies = await server.sendQuietly(stored.map((one, index) => `${get(one, 'f c t v')} q O${index}`));
  for (const reply of replies) {
    const opaque = reply.flags.find((flag) => flag.startsWith('O'));
    if (opaque !== undefined) items[Number(opaque.slice(1))] = tryReadItem(reply);
  }
  return items;
}

function tryReadItem(reply: Reply): Item | CorruptDataError | undefined {
  try {
    return readItem(reply);
  } catch (error) {
    if (error instanceof CorruptDataError) return error;
    throw error;
  }
}
