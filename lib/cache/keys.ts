import { createHash } from 'node:crypto';
import { checkKey } from '../backend/checks.js';
import { InvalidArgumentError, OutOfRangeError } from '../errors.js';
import { show } from '../show.js';

/** The bytes of a SHA-256 in hexadecimal. */
const DIGEST = 64;
/** Engines with shorter keys than this take no longer ones from the cache either: a digest would leave no room for a namespace. */
const ROOM = 3 * DIGEST;

/**
 * The keys under which a cache's values are stored, in a namespace of its backend. A namespace takes a few bytes of each key; a key for which
 * too few are left is stored as its beginning and a SHA-256 of all of it, so that the cache takes every key that its backend takes.
 */
export class Keys {
  /** The longest key of the cache. */
  readonly #limit: number;
  /** The longest stored key. */
  readonly #room: number;

  constructor(limit: number, room: number) {
    this.#limit = room < ROOM ? room : limit;
    this.#room = room;
  }

  /** Checks a key, and gives the one under which it is stored. */
  store(key: string, operation: string): string {
    checkKey(key, operation, this.#limit);
    return key.length * 3 < this.#room ? key : this.#fold(key);
  }

  /**
   * Checks a namespace's name, and gives the prefix of its keys, of the folded ones too.
   * @throws OutOfRangeError for a name so long that folded keys may not hold all of it
   */
  prefix(name: string, operation: string): string {
    if (typeof name !== 'string' || name === '' || !name.isWellFormed()) {
      throw new InvalidArgumentError(
        `${operation}: namespace must be well-formed text that is not empty; got ${show(name)}`,
      );
    }
    const prefix = `${name}:`;
    const longest = this.#room < ROOM ? this.#room - 1 : this.#headRoom;
    const bytes = Buffer.byteLength(prefix);
    if (bytes <= longest) return prefix;
    throw new OutOfRangeError(
      `${operation}: namespace ${show(name)} has ${bytes - 1} bytes of UTF-8; the limit is ${longest - 1}`,
    );
  }

  /** The bytes of a key that are kept of it for sure: one character that does not fit as a whole may be cut off. */
  get #headRoom(): number {
    return this.#room - DIGEST - 4;
  }

  /** Folded keys have exactly the longest length, and others never have it, so that none is taken for another. */
  #fold(key: string): string {
    if (this.#room < ROOM || Buffer.byteLength(key) < this.#room) return key;
    const head = Buffer.from(key).subarray(0, this.#room - DIGEST - 1);
    // What is cut amid a character becomes U+FFFD.
    const whole = head.toString().replace(/\uFFFD$/, '');
    const digest = createHash('sha256').update(key).digest('hex');
    return whole + '~'.repeat(this.#room - DIGEST - Buffer.byteLength(whole)) + digest;
  }
}
