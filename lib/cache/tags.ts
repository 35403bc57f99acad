import { randomInt } from 'node:crypto';
import type { Backend } from '../backend/backend.js';
import { checkIterable, checkKey, MAXIMUM_KEY_BYTES } from '../backend/checks.js';
import { addToCounter, eachOf } from '../backend/operations.js';
import { UnsupportedError } from '../errors.js';
import type { TagVersion } from './envelope.js';

const PREFIX = 'tag:';
/** Counts the invalidations of all tags. A sibling of the tags' namespace, so that no tag has its key. */
const ALL = 'tags:all';

/** How tags stand when a computation starts. */
export interface Snapshot {
  readonly versions: readonly TagVersion[];
  readonly all: number | undefined;
  readonly here: number;
}

/**
 * A counter for each tag, kept in the backend. An entry holds the versions that its tags had before its value was computed, and is void once
 * one of them is another.
 *
 * Counters start, and go on, by random steps: one that was lost (evicted, or cleared) never comes back to a version that it had, so that
 * losing a counter voids its entries and never revives them.
 */
export class Tags {
  readonly #backend: Backend<unknown>;
  readonly #limit: number;
  /** How often tags were invalidated through this object. */
  #here = 0;

  constructor(backend: Backend<unknown>) {
    this.#backend = backend;
    this.#limit = (backend.driver.keyLimit ?? MAXIMUM_KEY_BYTES) - PREFIX.length;
  }

  /** Whether the backend can count. */
  get supported(): boolean {
    return this.#backend.capabilities.increment !== 'none';
  }

  /**
   * Checks tags, and gives each once.
   * @throws UnsupportedError where the backend cannot count
   */
  check(tags: Iterable<string>, operation: string): string[] {
    checkIterable(tags, operation, 'tags');
    const checked = [...new Set(tags)];
    for (const tag of checked) checkKey(tag, operation, this.#limit);
    if (checked.length > 0 && !this.supported) {
      const { name } = this.#backend;
      throw new UnsupportedError(`${operation}: tags need increment, which ${name} does not support`, { operation });
    }
    return checked;
  }

  /** The versions of tags; those that have none yet get one. */
  async versions(tags: readonly string[]): Promise<readonly TagVersion[]> {
    if (tags.length === 0) return [];
    const current = await this.#read(tags);
    return Promise.all(tags.map(async (tag, index) => [tag, current[index] ?? (await this.#create(tag))] as const));
  }

  /** Whether tags still have these versions. */
  async hold(versions: readonly TagVersion[]): Promise<boolean> {
    const current = await this.#read(versions.map(([tag]) => tag));
    return versions.every(([, version], index) => version === current[index]);
  }

  /** How tags stand now, those included that a computation names only later. */
  async snapshot(tags: readonly string[]): Promise<Snapshot> {
    const here = this.#here;
    const all = await this.#countAll();
    return { versions: await this.versions(tags), all, here };
  }

  /**
   * The versions that tags had at the snapshot, of which they were no part; `undefined` where that cannot be told, since some tag was
   * invalidated meanwhile.
   */
  async versionsAt(snapshot: Snapshot, tags: readonly string[]): Promise<readonly TagVersion[] | undefined> {
    const known = new Map(snapshot.versions);
    const later = tags.filter((tag) => !known.has(tag));
    const versions = new Map([...known, ...(await this.versions(later))]);
    // Read after the versions: who invalidates counts here first, so what is the same now was so when they were read.
    if (later.length > 0 && (snapshot.here !== this.#here || snapshot.all !== (await this.#countAll())))
      return undefined;
    return tags.map((tag) => [tag, versions.get(tag) as number] as const);
  }

  /** Gives tags another version. */
  async invalidate(tags: readonly string[]): Promise<void> {
    this.#here++;
    await this.#increment(ALL);
    await eachOf(tags, (tag) => this.#increment(PREFIX + tag));
  }

  async #increment(key: string): Promise<void> {
    await this.#backend.increment(key, randomInt(1, 2 ** 20), { ttl: null });
  }

  async #create(tag: string): Promise<number> {
    const key = PREFIX + tag;
    const start = randomInt(1, 2 ** 47);
    const { conditionalSet, values } = this.#backend.capabilities;
    if (conditionalSet === 'none') return (await this.#backend.increment(key, start, { ttl: null })).value;
    const value = values === 'bytes' ? String(start) : start;
    if (await this.#backend.set(key, value, { ttl: null, if: 'absent' })) return start;
    const [other] = await this.#read([tag]);
    // Somebody was faster, but what they made is gone again.
    return other ?? this.#create(tag);
  }

  async #countAll(): Promise<number | undefined> {
    return toVersion(ALL, await this.#backend.get(ALL));
  }

  async #read(tags: readonly string[]): Promise<(number | undefined)[]> {
    const [tag] = tags;
    // A single read is the usual case, and cheaper than many.
    if (tags.length === 1 && tag !== undefined) return [toVersion(tag, await this.#backend.get(PREFIX + tag))];
    const values = await this.#backend.getMany(tags.map((one) => PREFIX + one));
    return values.map((value, index) => toVersion(tags[index] as string, value));
  }
}

function toVersion(key: string, stored: unknown): number | undefined {
  return stored === undefined ? undefined : addToCounter(stored, 0, key);
}
