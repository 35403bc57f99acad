import type { ScanRequest } from '../../backend/driver.js';
import { compareKeys } from '../../backend/order.js';
import { ownerOf } from '../../backend/rendezvous.js';
import { decodeDumped, encodeDumped, toStored } from './items.js';
import type { Dumped, Server } from './server.js';

/** How many names are looked up, or handed on, at a time. */
const TOGETHER = 1000;
/** How near its end an item may be by the server's clock before it is looked at whether it has expired by ours, in milliseconds. */
const NEAR = 60_000;
/** For how long a listing is kept for its next page, in milliseconds. */
const KEPT = 30_000;

/** Gives the keys of items, by their names as a dump tells them; `undefined` for what is not there or has expired. */
export type ReadDumped = (server: Server, names: readonly string[]) => Promise<(string | undefined)[]>;

/** A key that is listed. */
interface Listed {
  readonly key: string;
  readonly server: Server;
}

/**
 * The keys of servers, by their dumps. A dump tells of all items at once, so a listing takes the memory of its keys; it is no snapshot. Pages are cut from
 * the keys in their order, so that any later dump can go on where a page has ended.
 */
export class Listing {
  readonly #servers: readonly Server[];
  readonly #own: string;
  readonly #read: ReadDumped;
  #last: { readonly prefix: string; readonly keys: readonly Listed[]; readonly timer: NodeJS.Timeout } | undefined;

  /** @param own what every key on the servers starts with */
  constructor(servers: readonly Server[], own: string, read: ReadDumped) {
    this.#servers = servers;
    this.#own = own;
    this.#read = read;
  }

  /** The keys that start with a prefix, none twice. */
  async *batches({ prefix, limit }: Pick<ScanRequest, 'prefix' | 'limit'>): AsyncGenerator<string[]> {
    const seen = new Set<string>();
    for (const server of this.#servers) {
      const dumped = await server.dump(encodeDumped(this.#own));
      for (let at = 0; at < dumped.length; at += limit) {
        const keys: string[] = [];
        for (const key of await this.#keysOf(server, dumped.slice(at, at + limit), prefix)) {
          if (seen.has(key)) continue;
          seen.add(key);
          keys.push(key);
        }
        if (keys.length > 0) yield keys;
      }
    }
  }

  /** One page of the keys that start with a prefix, in their order. */
  async page(request: ScanRequest): Promise<{ readonly keys: string[]; readonly cursor: string | undefined }> {
    const { prefix, limit, cursor } = request;
    const last = this.#last;
    const kept = cursor !== undefined && last?.prefix === prefix ? last.keys : undefined;
    const all = kept ?? (await this.#all(prefix));
    const from = cursor === undefined ? 0 : after(all, cursor);
    const page = all.slice(from, from + limit);
    const more = from + limit < all.length;
    if (more) this.#keep(prefix, all);
    else this.forget();
    const keys = kept === undefined ? page.map(({ key }) => key) : await this.#stillThere(page);
    return { keys, cursor: more ? page.at(-1)?.key : undefined };
  }

  /**
   * Hands over the names, as a dump tells them, of all items whose keys start with a prefix, also of such as have expired.
   * @param everything also of what is no key of ours, where all are wanted
   */
  async eachStored(
    prefix: string,
    everything: boolean,
    work: (server: Server, names: readonly string[]) => Promise<void>,
  ): Promise<void> {
    const ended = await Promise.allSettled(
      this.#servers.map(async (server) => {
        const dumped = (await server.dump(encodeDumped(this.#own))).map(({ key }) => key);
        const all = prefix === '' && (everything || this.#own !== '');
        const names = all ? dumped : await this.#startingWith(server, dumped, prefix);
        for (let at = 0; at < names.length; at += TOGETHER) await work(server, names.slice(at, at + TOGETHER));
      }),
    );
    const failed = ended.find((one) => one.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  /** Drops what is kept for a next page. */
  forget(): void {
    clearTimeout(this.#last?.timer);
    this.#last = undefined;
  }

  #keep(prefix: string, keys: readonly Listed[]): void {
    this.forget();
    this.#last = { prefix, keys, timer: setTimeout(() => this.forget(), KEPT).unref() };
  }

  async #all(prefix: string): Promise<Listed[]> {
    const servers = await Promise.all(
      this.#servers.map(async (server) => {
        const dumped = await server.dump(encodeDumped(this.#own));
        const keys = new Set(await this.#keysOf(server, dumped, prefix));
        return [...keys].map((key) => ({ key, server }));
      }),
    );
    return servers.flat().sort((a, b) => compareKeys(a.key, b.key));
  }

  /** The keys of ours among what a dump has told. */
  async #keysOf(server: Server, dumped: readonly Dumped[], prefix: string): Promise<string[]> {
    const keys: string[] = [];
    const unsure: string[] = [];
    const near = (Date.now() + NEAR) / 1000;
    for (const { key: encoded, expires } of dumped) {
      const name = decodeDumped(encoded);
      if (name === undefined || !name.startsWith(this.#own)) continue;
      const key = name.slice(this.#own.length);
      if (key === '') continue;
      const digested = key.startsWith('\0');
      if (!digested && !key.startsWith(prefix)) continue;
      if (digested || (expires >= 0 && expires < near)) unsure.push(encoded);
      else keys.push(key);
    }
    for (let at = 0; at < unsure.length; at += TOGETHER) {
      const names = unsure.slice(at, at + TOGETHER);
      const found = await this.#read(server, names);
      for (const [index, key] of found.entries()) {
        if (key === undefined || !key.startsWith(prefix)) continue;
        // A name that looks like a digest, and is none.
        if (this.#isDigest(names[index] as string) && !isDigested(key, this.#own)) continue;
        keys.push(key);
      }
    }
    // What lies on another server than its own is found by nobody.
    return keys.filter((key) => ownerOf(this.#servers, this.#own + key) === server);
  }

  /** The names whose keys start with a prefix; those that are digests have to be looked up. */
  async #startingWith(server: Server, names: readonly string[], prefix: string): Promise<string[]> {
    const digested = names.filter((name) => this.#isDigest(name));
    const wanted = names.filter(
      (name) => !this.#isDigest(name) && decodeDumped(name)?.startsWith(this.#own + prefix) === true,
    );
    for (let at = 0; at < digested.length; at += TOGETHER) {
      const some = digested.slice(at, at + TOGETHER);
      const keys = await this.#read(server, some);
      wanted.push(...some.filter((_, index) => keys[index]?.startsWith(prefix)));
    }
    return wanted;
  }

  /** Whether a name of a dump stands for a key by its digest. */
  #isDigest(encoded: string): boolean {
    return encoded.startsWith('%00', encodeDumped(this.#own).length);
  }

  /** Those keys of a page that was listed a while ago that are there. */
  async #stillThere(page: readonly Listed[]): Promise<string[]> {
    const there = new Set<string>();
    for (const server of this.#servers) {
      const own = page.filter((listed) => listed.server === server && !isDigested(listed.key, this.#own));
      const names = own.map(({ key }) => encodeURIComponent(this.#own + key));
      for (const key of names.length === 0 ? [] : await this.#read(server, names)) {
        if (key !== undefined) there.add(key);
      }
    }
    return page.map(({ key }) => key).filter((key) => there.has(key) || isDigested(key, this.#own));
  }
}

function isDigested(key: string, own: string): boolean {
  return toStored(own, key).original !== undefined;
}

/** Where the first key after another is, in the order of keys. */
function after(listed: readonly Listed[], cursor: string): number {
  let low = 0;
  let high = listed.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareKeys((listed[middle] as Listed).key, cursor) <= 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
