import type { KeepsakeError } from '../errors.js';
import type { Capabilities } from './capabilities.js';
import type { Clock } from './duration.js';

/** What a driver may answer: a value at once, or a promise of it. The backend awaits only promises. */
export type Awaitable<T> = T | Promise<T>;

/** A stored value with what belongs to it. */
export interface Entry<V> {
  readonly value: V;
  /** The deadline in milliseconds since 1970; absent for an entry that never expires. */
  readonly expiresAt?: number | undefined;
  /** Names the value: equal versions, equal values. Moving the deadline keeps it. */
  readonly version?: string | undefined;
}

/** An entry met while listing. `value` is there when values were asked for. */
export interface ListedEntry<V> {
  readonly key: string;
  /** Bytes may be a view on a buffer that holds others' too, here and in `readMany`: the backend gives out copies. */
  readonly value?: V | undefined;
  /** Why there is no value, where the entry is there but cannot be read. */
  readonly error?: KeepsakeError | undefined;
}

/**
 * What must hold for a write or delete to take effect: the key is not there, is there, or holds the value of that version. An
 * expired entry is not there.
 */
export type Condition = 'absent' | 'present' | { readonly version: string };

/** What to list. */
export interface ScanRequest {
  /** Only keys that start with this; `''` for all. */
  readonly prefix: string;
  /** At most so many entries a page; a page may hold fewer, even none, and still not be the last. */
  readonly limit: number;
  /** Where the last page ended, as the driver said. */
  readonly cursor?: string | undefined;
  /** Only keys after this one in the order of UTF-8 bytes; given only to drivers that are `ordered`. */
  readonly after?: string | undefined;
  /** Whether the values are wanted too. */
  readonly values: boolean;
}

/** One page of a listing. */
export interface Page<V> {
  readonly entries: readonly ListedEntry<V>[];
  /** Where the next page starts: any text, opaque to callers. Absent on the last page. */
  readonly cursor?: string | undefined;
}

/** The new state that an `update` asks for. */
export interface Change<V> {
  readonly value: V;
  readonly expiresAt: number | undefined;
}

/** What `increment` answers. */
export interface Counter {
  readonly value: number;
  /** The deadline in milliseconds since 1970, if the counter has one. */
  readonly expiresAt?: number | undefined;
}

/** A key that has another value than before, or none any more. */
export interface KeyChange {
  /** `'set'`: it is there, with another value, deadline or both; `'delete'`: it is not there any more. */
  readonly type: 'set' | 'delete';
  readonly key: string;
}

/** What to watch, and whom to tell. */
export interface WatchRequest {
  /** Only keys that start with this; `''` for all. */
  readonly prefix: string;
  /** Aborted when nobody listens any more, also while the watch is being started: everything of it is to be freed then. */
  readonly signal: AbortSignal;
  /** To be called for each change. The backend coalesces changes of one key that nobody has taken yet. */
  readonly changed: (change: KeyChange) => void;
  /** To be called when there will be no more changes: with what ended it, or without when the driver is closed. */
  readonly ended: (error?: unknown) => void;
}

/**
 * What an engine or a wrapper implements. Arguments arrive checked: keys are well-formed and of a fitting length, deadlines are
 * whole milliseconds (and may have passed: the entry is then invisible from the start), conditions are allowed by `capabilities`,
 * values of a driver of bytes are `Uint8Array`.
 *
 * An entry is expired from its deadline on (`clock() >= expiresAt`): no method shows it, no condition sees it, and a method that
 * meets it may remove it, but never a fresh value written meanwhile.
 *
 * The optional methods have correct defaults made of the others (see `operations.ts`); a driver overrides what its engine does in one
 * round trip.
 */
export interface Driver<V = Uint8Array> {
  readonly capabilities: Capabilities;
  /** What the driver is, for messages, such as `'memory'` or `'files in ./data'`. */
  readonly name: string;
  /** The driver's time; `Date.now` if absent. */
  readonly clock?: Clock | undefined;
  /** The longest key the driver takes, in UTF-8 bytes; 1,024 if absent. */
  readonly keyLimit?: number | undefined;

  /** Connects. Called once, before the first operation; again only if it failed. */
  open?(): Awaitable<void>;
  /** Lets operations under way end, then frees everything. Called once, and only after a successful `open`. */
  close?(): Awaitable<void>;

  /**
   * The entry of a key. With `valueOnly` nobody looks at its deadline and version, so a driver for which these cost something may leave
   * them out; here and in `readMany`.
   */
  read(key: string, valueOnly?: boolean): Awaitable<Entry<V> | undefined>;
  /** Stores value and deadline, replacing both; `false` when the condition was not met. */
  write(key: string, value: V, expiresAt: number | undefined, condition: Condition | undefined): Awaitable<boolean>;
  /** Removes the entry; whether it was there and the condition was met. */
  remove(key: string, condition: Condition | undefined): Awaitable<boolean>;
  /** One page of the keys that start with `prefix`. A key that is there throughout is on some page. */
  scan(request: ScanRequest): Awaitable<Page<V>>;

  /**
   * The keys that start with `prefix`, in batches, none twice. Where absent, `scan` is called page by page, and repeats are removed.
   */
  stream?(request: Omit<ScanRequest, 'cursor'>): AsyncIterable<readonly ListedEntry<V>[]>;
  /**
   * Reads what conditions are decided by, with the version that they take. For drivers whose `read` may answer from a copy, which has
   * another version or none.
   */
  readEntry?(key: string): Awaitable<Entry<V> | undefined>;
  /** The entries in the order asked, duplicates allowed. */
  readMany?(keys: readonly string[], valueOnly?: boolean): Awaitable<(Entry<V> | undefined)[]>;
  /** Stores entries of different keys. */
  writeMany?(entries: readonly (readonly [string, V])[], expiresAt: number | undefined): Awaitable<void>;
  /** Removes different keys; how many were there. */
  removeMany?(keys: readonly string[]): Awaitable<number>;
  /** Moves the deadline, `undefined` for never; whether the entry was there. */
  touch?(key: string, expiresAt: number | undefined): Awaitable<boolean>;
  /** Reads, and moves the deadline if the entry has one, in one step. */
  renew?(key: string, expiresAt: number): Awaitable<Entry<V> | undefined>;
  /** Adds to a counter; creates it at 0, with the deadline, when it is not there. */
  increment?(key: string, by: number, expiresAt: number | undefined): Awaitable<Counter>;
  /**
   * Reads, asks `change` for the new state and stores it, in one atomic step or by trying again; answers what is stored then.
   * `change` answers `undefined` to leave the entry as it is.
   */
  update?(
    key: string,
    change: (current: Entry<V> | undefined) => Awaitable<Change<V> | undefined>,
  ): Awaitable<Entry<V> | undefined>;
  /**
   * Removes every key that starts with `prefix`. With `everything` the caller knows that others may have keys there too: a driver that
   * shares its keys with others refuses the prefix `''` without.
   */
  clear?(prefix: string, everything?: boolean): Awaitable<void>;
  /** How many keys start with `prefix`. */
  count?(prefix: string): Awaitable<number>;
  /** Removes what has expired, in bounded batches; how many there were. Absent where the engine does so itself. */
  sweep?(): Awaitable<number>;
  /**
   * Tells of the changes that others make, from when this has resolved until `signal` is aborted or the driver is closed. There where
   * `capabilities.watch` says so. Its own changes it tells of only where the engine cannot tell them apart; that time passes a deadline is none.
   */
  watch?(request: WatchRequest): Awaitable<void>;
  /** Where an entry is kept, such as a file's path, for messages. */
  locate?(key: string): string | undefined;
  /** Moves what is stored for a key out of the way, under a name that is no key; answers where it is then. */
  setAside?(key: string): Awaitable<string | undefined>;
}
