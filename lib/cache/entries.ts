import type { Backend } from '../backend/backend.js';
import { MAXIMUM_KEY_BYTES } from '../backend/checks.js';
import type { Codec } from '../codecs/codec.js';
import { json } from '../codecs/json.js';
import { ByteEnvelopes, type Envelope, type EnvelopeFormat, ObjectEnvelopes, type TagVersion } from './envelope.js';
import { Keys } from './keys.js';
import type { Settings } from './settings.js';
import { Tags } from './tags.js';

/** What there is of a key. An entry whose tags were invalidated is missing. */
export type Found<V> =
  | { readonly state: 'missing' }
  | { readonly state: 'expired'; readonly envelope: Envelope<V> }
  | { readonly state: 'fresh'; readonly envelope: Envelope<V>; readonly expiresAt: number | undefined };

/** A value to write. */
export interface Written<V> {
  readonly value: V;
  /** Milliseconds, `null` for ever, `undefined` for what the cache's options say. */
  readonly ttl: number | null | undefined;
  readonly versions: readonly TagVersion[];
  /** How long the writer wants it kept after its deadline, in milliseconds. */
  readonly keep: number;
}

/** How long an expired entry stays at most when nobody says. */
const KEPT = 60_000;
const MISSING = { state: 'missing' } as const;

/** The entries of a cache in its backend: values with their deadlines and the versions of their tags. */
export class Entries<V> {
  readonly values: Backend<unknown>;
  readonly format: EnvelopeFormat<V>;
  readonly keys: Keys;
  readonly tags: Tags;
  readonly #settings: Settings;

  constructor(backend: Backend<unknown>, codec: Codec<V> | undefined, settings: Settings) {
    this.values = backend.namespace('value');
    this.format =
      backend.capabilities.values === 'bytes' ? new ByteEnvelopes(codec ?? json<V>()) : new ObjectEnvelopes();
    const { keyLimit = MAXIMUM_KEY_BYTES } = backend.driver;
    this.keys = new Keys(keyLimit, this.values.driver.keyLimit ?? keyLimit);
    this.tags = new Tags(backend);
    this.#settings = settings;
  }

  /** Whether a value's time is not over; its tags are another matter. */
  isFresh({ freshUntil }: Envelope<V>): boolean {
    return freshUntil == null || this.#settings.clock() < freshUntil;
  }

  /** For how many milliseconds a value's time has been over. */
  expiredFor({ freshUntil }: Envelope<V>): number {
    return freshUntil == null ? 0 : this.#settings.clock() - freshUntil;
  }

  async find(key: string, place: string, signal?: AbortSignal): Promise<Found<V>> {
    const stored = await this.values.get(place, { signal });
    if (stored === undefined) return MISSING;
    const envelope = await this.format.open(key, stored);
    if (envelope.tags != null && !(await this.tags.hold(envelope.tags))) return MISSING;
    if (!this.isFresh(envelope)) return { state: 'expired', envelope };
    // Only what lives as long as its entry has to ask for the entry's own deadline, which may lie further away than a copy of the value.
    const expiresAt = envelope.freshUntil ?? (await this.values.getEntry(place, { signal }))?.expiresAt;
    return { state: 'fresh', envelope, expiresAt };
  }

  /** @returns whether it was stored: a backend may discard writes */
  async write(
    key: string,
    place: string,
    { value, ttl, versions, keep }: Written<V>,
    signal?: AbortSignal,
  ): Promise<boolean> {
    const tags = versions.length === 0 ? undefined : versions;
    const length = this.#shorten(ttl === undefined ? this.#settings.ttl : ttl);
    if (length == null) {
      const sealing = this.format.seal(key, { value, tags });
      const sealed = sealing instanceof Promise ? await sealing : sealing;
      return this.values.set(place, sealed, length === null ? { ttl: null, signal } : { signal });
    }
    const freshUntil = Math.ceil(this.#settings.clock() + length);
    const { keepExpired = Math.min(length, KEPT), staleWhileRevalidate, staleIfError } = this.#settings;
    const kept = Math.max(keepExpired, staleWhileRevalidate, staleIfError, keep);
    const sealing = this.format.seal(key, { value, freshUntil, tags });
    const sealed = sealing instanceof Promise ? await sealing : sealing;
    return this.values.set(place, sealed, { ttl: length + kept, signal });
  }

  /**
   * Removes what has expired, that which is kept for a while included, and never a value written meanwhile where the backend has
   * conditions. What cannot be read is left as it is.
   */
  async removeExpired(signal?: AbortSignal): Promise<number> {
    const { values } = this;
    let removed = await values.deleteExpired({ signal });
    for await (const [place, stored] of values.entries({ signal })) {
      if (!(await this.#isOver(place, stored))) continue;
      const entry = await values.getEntry(place, { signal });
      if (entry === undefined || !(await this.#isOver(place, entry.value))) continue;
      const conditional = values.capabilities.conditionalDelete !== 'none' && entry.version !== undefined;
      const condition = conditional ? { if: { version: entry.version as string } } : {};
      if (await values.delete(place, { ...condition, signal })) removed++;
    }
    return removed;
  }

  async #isOver(place: string, stored: unknown): Promise<boolean> {
    try {
      return !this.isFresh(await this.format.open(place, stored));
    } catch {
      return false;
    }
  }

  #shorten(length: number | null | undefined): number | null | undefined {
    const { jitter, random } = this.#settings;
    return length == null || jitter === 0 ? length : Math.max(1, length * (1 - jitter * random()));
  }
}
