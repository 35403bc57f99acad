import type * as Mongo from 'mongodb';
import { atomicAt, type Capabilities, capabilities } from '../../backend/capabilities.js';
import { MAXIMUM_KEY_BYTES } from '../../backend/checks.js';
import type { Condition, Counter, Driver, Entry, ListedEntry, Page, ScanRequest } from '../../backend/driver.js';
import type { Clock } from '../../backend/duration.js';
import { addToCounter } from '../../backend/operations.js';
import { ConflictError, CorruptDataError, InvalidArgumentError } from '../../errors.js';
import { show } from '../../show.js';
import type { Collection } from './collection.js';
import { type Filter, range, type Stored, toEntry, toStored, toValue } from './documents.js';
import { isDuplicate } from './failures.js';

const abilities: Capabilities = capabilities({
  ...atomicAt('storage'),
  persistent: true,
  enumerable: true,
  ordered: true,
});

/** How many keys or documents go into one request. */
const TOGETHER = 1000;
/** How many bytes of values a page brings, and then what the last one has more. */
const BYTES_TOGETHER = 16 * 1024 * 1024;
/** How often a write tries again that met another of the same moment. */
const ATTEMPTS = 20;

/** Entries as documents of MongoDB; every condition is decided by the server, on one document. */
export class MongodbDriver implements Driver {
  readonly capabilities = abilities;
  readonly name: string;
  readonly clock: Clock;
  readonly #collection: Collection;

  constructor(collection: Collection, clock: Clock, name: string) {
    this.#collection = collection;
    this.clock = clock;
    this.name = name;
  }

  open(): Promise<void> {
    return this.#collection.open();
  }

  close(): Promise<void> {
    return this.#collection.close();
  }

  async read(key: string): Promise<Entry<Uint8Array> | undefined> {
    const found = await this.#collection.run((collection) => collection.findOne(this.#live({ _id: key })));
    return found === null ? undefined : this.#toEntry(found);
  }

  async write(
    key: string,
    value: Uint8Array,
    expiresAt: number | undefined,
    condition: Condition | undefined,
  ): Promise<boolean> {
    const stored = toStored(this.#collection.library, key, value, expiresAt);
    if (condition === undefined) return this.#replace(key, stored);
    // Where a fresh entry keeps the filter from matching, the upsert meets its key.
    if (condition === 'absent') return this.#upsert(this.#expired({ _id: key }), stored);
    const filter = condition === 'present' ? { _id: key } : this.#versioned(key, condition.version);
    if (filter === undefined) return false;
    const done = await this.#collection.run((collection) => collection.replaceOne(this.#live(filter), rest(stored)));
    return done.matchedCount === 1;
  }

  async remove(key: string, condition: Condition | undefined): Promise<boolean> {
    const filter = typeof condition === 'object' ? this.#versioned(key, condition.version) : { _id: key };
    if (filter === undefined) return false;
    const done = await this.#collection.run((collection) => collection.deleteOne(this.#live(filter)));
    return done.deletedCount === 1;
  }

  async touch(key: string, expiresAt: number | undefined): Promise<boolean> {
    const change =
      expiresAt === undefined ? { $unset: { expiresAt: '' } } : { $set: { expiresAt: new Date(expiresAt) } };
    const done = await this.#collection.run((collection) =>
      collection.updateOne(this.#live({ _id: key }), change as Mongo.UpdateFilter<Stored>),
    );
    return done.matchedCount === 1;
  }

  async renew(key: string, expiresAt: number): Promise<Entry<Uint8Array> | undefined> {
    const filter = { _id: key, expiresAt: { $gt: new Date(this.clock()) } };
    const change = { $set: { expiresAt: new Date(expiresAt) } };
    const moved = await this.#collection.run((collection) =>
      collection.findOneAndUpdate(filter as Mongo.Filter<Stored>, change, { returnDocument: 'after' }),
    );
    return moved === null ? this.read(key) : this.#toEntry(moved);
  }

  async increment(key: string, by: number, expiresAt: number | undefined): Promise<Counter> {
    const { Long, ObjectId } = this.#collection.library;
    const bounds = { $gte: Math.max(-MAXIMUM, -MAXIMUM - by), $lte: Math.min(MAXIMUM, MAXIMUM - by) };
    for (let tried = 0; tried < ATTEMPTS; tried++) {
      const change = {
        $inc: { number: Long.fromNumber(by) },
        $set: { version: new ObjectId() },
        ...(expiresAt === undefined ? {} : { $setOnInsert: { expiresAt: new Date(expiresAt) } }),
      };
      try {
        const former = await this.#collection.run((collection) =>
          collection.findOneAndUpdate(this.#live({ _id: key, number: bounds }), change as Mongo.UpdateFilter<Stored>, {
            upsert: true,
            returnDocument: 'before',
          }),
        );
        // A sum is never the negative zero.
        if (former === null) return { value: by + 0, expiresAt };
        return { value: Number(former.number) + by, expiresAt: former.expiresAt?.getTime() };
      } catch (error) {
        if (!isDuplicate(causeOf(error))) throw error;
      }
      // The key is there, and no counter that has room for the step: it says why, or it has expired.
      const current = await this.read(key);
      if (current !== undefined) addToCounter(current.value, by, key);
      else await this.#collection.run((collection) => collection.deleteOne(this.#expired({ _id: key })));
    }
    throw conflict(key);
  }

  async readMany(keys: readonly string[]): Promise<(Entry<Uint8Array> | undefined)[]> {
    const found = new Map<string, Entry<Uint8Array>>();
    const unique = [...new Set(keys)];
    for (let at = 0; at < unique.length; at += TOGETHER) {
      const group = unique.slice(at, at + TOGETHER);
      const documents = await this.#collection.run((collection) =>
        collection.find(this.#live({ _id: { $in: group } })).toArray(),
      );
      for (const stored of documents) found.set(stored._id, this.#toEntry(stored));
    }
    return keys.map((key) => found.get(key));
  }

  async writeMany(entries: readonly (readonly [string, Uint8Array])[], expiresAt: number | undefined): Promise<void> {
    const { library } = this.#collection;
    const all = entries.map(([key, value]) => toStored(library, key, value, expiresAt));
    for (let at = 0; at < all.length; at += TOGETHER) {
      const group = all.slice(at, at + TOGETHER);
      const writes = group.map((stored) => ({
        replaceOne: { filter: { _id: stored._id }, replacement: rest(stored), upsert: true },
      }));
      try {
        await this.#collection.run((collection) => collection.bulkWrite(writes, { ordered: false }));
      } catch (error) {
        if (!isDuplicate(causeOf(error))) throw error;
        // Others created some of the keys at the same moment. Which ones is not worth knowing.
        for (const stored of group) await this.#replace(stored._id, stored);
      }
    }
  }

  async removeMany(keys: readonly string[]): Promise<number> {
    let removed = 0;
    for (let at = 0; at < keys.length; at += TOGETHER) {
      const group = keys.slice(at, at + TOGETHER);
      const done = await this.#collection.run((collection) =>
        collection.deleteMany(this.#live({ _id: { $in: group } })),
      );
      removed += done.deletedCount;
    }
    return removed;
  }

  async scan(request: ScanRequest): Promise<Page<Uint8Array>> {
    const { prefix, limit, cursor, values } = request;
    const after = cursor === undefined ? request.after : checkCursor(cursor);
    const found: Stored[] = [];
    const full = await this.#collection.run(async (collection) => {
      const documents = collection.find(this.#live(range(prefix, after)), {
        projection: values ? { value: 1, number: 1 } : { _id: 1 },
        sort: { _id: 1 },
        limit,
        batchSize: limit,
      });
      let bytes = 0;
      for await (const stored of documents) {
        found.push(stored);
        bytes += stored.value?.length ?? 0;
        if (bytes >= BYTES_TOGETHER) return true;
      }
      return found.length === limit;
    });
    const entries: ListedEntry<Uint8Array>[] = [];
    for (const stored of found) {
      const key = stored._id;
      if (!isKey(key)) continue;
      if (!values) entries.push({ key });
      else {
        const value = toValue(stored);
        entries.push(value === undefined ? { key, error: this.#foreign(key) } : { key, value });
      }
    }
    return { entries, cursor: full ? found.at(-1)?._id : undefined };
  }

  count(prefix: string): Promise<number> {
    return this.#collection.run((collection) => collection.countDocuments(this.#live(range(prefix))));
  }

  async clear(prefix: string): Promise<void> {
    await this.#collection.run((collection) => collection.deleteMany(range(prefix) as Mongo.Filter<Stored>));
  }

  async sweep(): Promise<number> {
    const done = await this.#collection.run((collection) =>
      collection.deleteMany(this.#expired({ _id: { $gte: '' } })),
    );
    return done.deletedCount;
  }

  /** Stores a document whatever is there. */
  async #replace(key: string, stored: Stored): Promise<boolean> {
    for (let tried = 0; tried < ATTEMPTS; tried++) {
      // Two who create a document at the same moment may meet.
      if (await this.#upsert({ _id: key } as Mongo.Filter<Stored>, stored)) return true;
    }
    throw conflict(key);
  }

  /** Replaces the document that meets the filter, or creates it; `false` where its key is taken. */
  async #upsert(filter: Mongo.Filter<Stored>, stored: Stored): Promise<boolean> {
    try {
      await this.#collection.run((collection) => collection.replaceOne(filter, rest(stored), { upsert: true }));
      return true;
    } catch (error) {
      if (isDuplicate(causeOf(error))) return false;
      throw error;
    }
  }

  #live(filter: Filter): Mongo.Filter<Stored> {
    return { ...filter, expiresAt: { $not: { $lte: new Date(this.clock()) } } } as Mongo.Filter<Stored>;
  }

  #expired(filter: Filter): Mongo.Filter<Stored> {
    return { ...filter, expiresAt: { $lte: new Date(this.clock()) } } as Mongo.Filter<Stored>;
  }

  #versioned(key: string, version: string): Filter | undefined {
    if (!/^[0-9a-f]{24}$/.test(version)) return undefined;
    return { _id: key, version: new this.#collection.library.ObjectId(version) };
  }

  #toEntry(stored: Stored): Entry<Uint8Array> {
    const entry = toEntry(stored);
    if (entry === undefined) throw this.#foreign(stored._id);
    return entry;
  }

  #foreign(key: string): CorruptDataError {
    return new CorruptDataError(
      `${this.name}: the document of ${show(key)} holds no value of keepsake; somebody else has stored it, and it is left as it is`,
      { key },
    );
  }
}

const MAXIMUM = Number.MAX_SAFE_INTEGER;

/** A document to replace another one, which has the key already. */
function rest({ _id, ...others }: Stored): Omit<Stored, '_id'> {
  return others;
}

/** Others may have documents in the collection that are none of keepsake's. */
function isKey(key: string): boolean {
  return key !== '' && key.isWellFormed() && Buffer.byteLength(key) <= MAXIMUM_KEY_BYTES;
}

function checkCursor(cursor: string): string {
  if (cursor !== '' && cursor.isWellFormed() && Buffer.byteLength(cursor) <= MAXIMUM_KEY_BYTES) return cursor;
  throw new InvalidArgumentError(`page: ${show(cursor)} is no cursor of this backend; begin anew`);
}

function causeOf(error: unknown): unknown {
  return error instanceof Error ? error.cause : undefined;
}

function conflict(key: string): ConflictError {
  return new ConflictError(`${show(key)} was changed by others ${ATTEMPTS} times in a row; try again later`, { key });
}
