import { randomUUID } from 'node:crypto';
import type { Backend } from '../../backend/backend.js';
import type { HeaderOf } from './headers.js';
import { variantKey } from './keys.js';
import { Records, type StoredResponse, type Variants } from './record.js';

/** What is stored for a request. */
export interface Found {
  /** The key of the response, be it there or not. */
  readonly key: string;
  readonly response: StoredResponse | undefined;
}

/** By which headers of the request a response was chosen. */
export interface Selection {
  /** Their names, in lower case and sorted. */
  readonly vary: readonly string[];
  /** What the request said there. */
  readonly selected: readonly (string | undefined)[];
}

/**
 * Responses by the keys of their URLs. Where they vary by headers, the names of those stand at the key of the URL, and each response at a key of its own, made of
 * what the request says there.
 */
export class StoredResponses {
  readonly #records: Records;
  readonly #noting = new Map<string, Promise<string>>();

  /** @param backend gives what they are stored in, the first time that it is needed */
  constructor(backend: () => Backend<unknown>) {
    this.#records = new Records(backend);
  }

  /** @throws CorruptDataError for what is no stored response */
  async find(key: string, header: HeaderOf): Promise<Found> {
    const stored = (await this.#records.read(key))?.stored;
    if (stored === undefined || !('vary' in stored)) return { key, response: stored };
    const own = variantKey(key, stored.generation, stored.vary.map(header));
    const variant = (await this.#records.read(own))?.stored;
    return { key: own, response: variant === undefined || 'vary' in variant ? undefined : variant };
  }

  /** @param ttl milliseconds; `null` for ever */
  async write(key: string, response: StoredResponse, { vary, selected }: Selection, ttl: number | null): Promise<void> {
    if (vary.length === 0) return this.#records.write(key, response, ttl);
    const generation = await this.#note(key, vary, ttl, response.storedAt);
    await this.#records.write(variantKey(key, generation, selected), response, ttl);
  }

  /** Removes the response of a URL. Those that vary are no longer found then, and go when their time is over. */
  async remove(key: string): Promise<void> {
    await this.#records.remove(key);
  }

  async clear(): Promise<void> {
    await this.#records.clear();
  }

  /** Notes by which headers the responses of a URL vary; one after another, so that each sees what the one before has noted. */
  async #note(key: string, vary: readonly string[], ttl: number | null, now: number): Promise<string> {
    const before = this.#noting.get(key);
    const noting = (async () => {
      await before?.catch(() => undefined);
      return this.#write(key, vary, ttl, now);
    })();
    this.#noting.set(key, noting);
    try {
      return await noting;
    } finally {
      if (this.#noting.get(key) === noting) this.#noting.delete(key);
    }
  }

  /** The note lives as long as any of the responses. */
  async #write(key: string, vary: readonly string[], ttl: number | null, now: number): Promise<string> {
    const before = await this.#records.readEntry(key).catch(() => undefined);
    const stored = before?.stored;
    const same = stored !== undefined && 'vary' in stored && stored.vary.join() === vary.join();
    const generation = same ? stored.generation : randomUUID();
    const left = same ? (before?.expiresAt === undefined ? null : before.expiresAt - now) : ttl;
    const longest = ttl === null || left === null ? null : Math.max(ttl, left);
    const variants: Variants = { vary, generation };
    await this.#records.write(key, variants, longest);
    return generation;
  }
}
