import { createCipheriv, createDecipheriv, createSecretKey, KeyObject, randomBytes, scrypt } from 'node:crypto';
import { checkOptions } from '../backend/checks.js';
import { DecryptError, InvalidArgumentError, OutOfRangeError } from '../errors.js';
import { show } from '../show.js';
import type { Codec } from './codec.js';
import { type Coat, coated, innerOf } from './outer.js';

/** A key of {@link encrypted}. */
export interface EncryptionKey {
  /** Names the key in every record it encrypts, not secretly: text of 1 to 255 UTF-8 bytes. */
  readonly id: string;
  /** 32 random bytes, as `randomBytes(32)` or `deriveKey` give them, or a secret `KeyObject` of so many. */
  readonly key: Uint8Array | KeyObject;
}

/** Options of {@link encrypted}. */
export interface EncryptedOptions {
  /** The keys that records may be encrypted with, at least one: the first encrypts, all decrypt. */
  readonly keys: readonly EncryptionKey[];
  /** What the records belong to, such as a namespace or a tenant: they are read with the same text only. `''` by default. */
  readonly context?: string | undefined;
}

/**
 * What another codec writes, or bytes, encrypted and authenticated by AES-256-GCM, with a random nonce for each write.
 *
 * A record is bound to its entry's key, as the encoded backend knows it, and to `context`: moved or copied to another key it cannot be
 * read. A wrong or unknown key, another entry's record, or a changed byte is a `DecryptError`; never other data. Keys of entries, the
 * length of values, and which record was written when, are not hidden; an old record of the same entry can be put back.
 *
 * To rotate, put the new key first and keep the old: old records stay readable, and are encrypted anew when they are written. Rotate before
 * a key has made 2 ** 32 records, since nonces are random (NIST SP 800-38D, 8.3).
 *
 * A record is, in bytes: `4b` (magic), `01` (version), the length of the key id (1), the key id in UTF-8, the nonce (12), the ciphertext,
 * the tag (16). The associated data are all bytes before the nonce, the length of `context` in UTF-8 (4, big-endian), `context`, and the
 * entry's key in UTF-8.
 *
 * Compress inside, `encrypted(gzip(json()), …)`: what is encrypted does not compress. Do not compress where an attacker can choose part
 * of a value and see the length.
 *
 * @example
 * const notes = encoded(files('./notes'), encrypted(json<Note>(), { keys: [{ id: '2026', key }], context: 'notes' }));
 * @throws InvalidArgumentError for keys that are none, have one id twice, or are not of 32 bytes
 */
export function encrypted(options: EncryptedOptions): Codec<Uint8Array>;
export function encrypted<T>(inner: Codec<T>, options: EncryptedOptions): Codec<T>;
export function encrypted<T>(first: Codec<T> | EncryptedOptions, second?: EncryptedOptions): Codec<T> {
  const { inner, options } = innerOf(first, second, 'encrypted');
  if (options === undefined) throw new InvalidArgumentError('encrypted: give { keys: [{ id, key }] }');
  return coated(new Encryption(options), inner);
}

/** Options of {@link deriveKey}. */
export interface DeriveKeyOptions {
  /** How much work a guess costs: a power of 2 from 2 ** 14 to 2 ** 20; 2 ** 17, which takes 128 MiB, by default. */
  readonly cost?: number | undefined;
}

/**
 * 32 bytes from a password, by scrypt (N = `cost`, r = 8, p = 1, as OWASP recommends). It takes about half a second, and `cost` KiB of
 * memory. The same password, salt and cost give the same key.
 * @param salt at least 16 random bytes, kept beside the data; they are no secret
 * @throws InvalidArgumentError for a password that is empty or no text, and a salt that is no bytes
 * @throws OutOfRangeError for a shorter salt, and a cost outside its range
 */
export async function deriveKey(
  password: string,
  salt: Uint8Array,
  options: DeriveKeyOptions = {},
): Promise<Uint8Array> {
  checkOptions(options, ['cost'], 'deriveKey');
  const { cost = 2 ** 17 } = options;
  if (typeof password !== 'string' || password === '' || !password.isWellFormed()) {
    throw new InvalidArgumentError('deriveKey: the password must be well-formed text, and not empty');
  }
  if (!(salt instanceof Uint8Array)) {
    throw new InvalidArgumentError(`deriveKey: the salt must be a Uint8Array; got ${show(salt)}`);
  }
  if (salt.length < 16)
    throw new OutOfRangeError(`deriveKey: the salt must have at least 16 bytes; got ${salt.length}`);
  if (!Number.isInteger(Math.log2(cost)) || cost < 2 ** 14 || cost > 2 ** 20) {
    throw new OutOfRangeError(`deriveKey: cost must be a power of 2 from 2 ** 14 to 2 ** 20; got ${show(cost)}`);
  }
  return new Promise((resolve, reject) => {
    scrypt(password.normalize('NFC'), salt, 32, { N: cost, r: 8, p: 1, maxmem: cost * 2048 }, (error, key) => {
      if (error === null) resolve(new Uint8Array(key));
      else reject(error);
    });
  });
}

const MAGIC = 0x4b;
const VERSION = 1;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const ALGORITHM = 'aes-256-gcm';

class Encryption implements Coat {
  readonly name = 'encrypted';
  readonly #keys = new Map<string, KeyObject>();
  readonly #newest: KeyObject;
  readonly #header: Buffer;
  readonly #context: Buffer;

  constructor(options: EncryptedOptions) {
    checkOptions(options, ['keys', 'context'], 'encrypted');
    const { keys, context = '' } = options;
    if (typeof context !== 'string' || !context.isWellFormed()) {
      throw new InvalidArgumentError(`encrypted: context must be well-formed text; got ${show(context)}`);
    }
    if (!Array.isArray(keys) || keys.length === 0) {
      throw new InvalidArgumentError(`encrypted: keys must be an array of at least one { id, key }; got ${show(keys)}`);
    }
    for (const { id, key } of keys as readonly EncryptionKey[]) {
      if (typeof id !== 'string' || id === '' || !id.isWellFormed() || Buffer.byteLength(id) > 255) {
        throw new InvalidArgumentError(`encrypted: a key's id must be text of 1 to 255 bytes; got ${show(id)}`);
      }
      if (this.#keys.has(id)) throw new InvalidArgumentError(`encrypted: there are two keys with the id ${show(id)}`);
      this.#keys.set(id, secretOf(key, id));
    }
    const [[id, newest]] = this.#keys as unknown as [[string, KeyObject]];
    this.#newest = newest;
    const idBytes = Buffer.from(id);
    this.#header = Buffer.concat([Buffer.of(MAGIC, VERSION, idBytes.length), idBytes]);
    const contextBytes = Buffer.from(context);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(contextBytes.length);
    this.#context = Buffer.concat([length, contextBytes]);
  }

  encode(bytes: Uint8Array, key: string): Uint8Array {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(ALGORITHM, this.#newest, nonce, { authTagLength: TAG_BYTES });
    cipher.setAAD(this.#associated(this.#header, key));
    const parts = [this.#header, nonce, cipher.update(bytes), cipher.final()];
    const record = Buffer.concat([...parts, cipher.getAuthTag()]);
    return new Uint8Array(record.buffer, record.byteOffset, record.length);
  }

  decode(record: Uint8Array, key: string): Uint8Array {
    const idEnd = 3 + (record[2] ?? 0);
    if (record[0] !== MAGIC || record[1] !== VERSION || record.length < idEnd + NONCE_BYTES + TAG_BYTES) {
      throw new DecryptError('these bytes are no record that encrypted() writes, or are cut');
    }
    const header = record.subarray(0, idEnd);
    const id = Buffer.from(header.subarray(3)).toString();
    const secret = this.#keys.get(id);
    if (secret === undefined)
      throw new DecryptError(`it is encrypted with the key ${show(id)}, which is not among keys`);
    const tagAt = record.length - TAG_BYTES;
    const nonce = record.subarray(idEnd, idEnd + NONCE_BYTES);
    const decipher = createDecipheriv(ALGORITHM, secret, nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(this.#associated(header, key));
    decipher.setAuthTag(record.subarray(tagAt));
    const head = decipher.update(record.subarray(idEnd + NONCE_BYTES, tagAt));
    try {
      // Nothing is known of the bytes before this has passed.
      const tail = decipher.final();
      return new Uint8Array(tail.length === 0 ? head : Buffer.concat([head, tail]));
    } catch (cause) {
      throw new DecryptError(
        `the key ${show(id)} is not the one it was encrypted with, or it was changed, or it belongs to another entry or context`,
        { cause },
      );
    }
  }

  #associated(header: Uint8Array, key: string): Buffer {
    // A key that nobody gave would bind nothing.
    if (typeof key !== 'string') {
      throw new InvalidArgumentError(`encrypted: the entry's key must be a string; got ${show(key)}`);
    }
    return Buffer.concat([header, this.#context, Buffer.from(key)]);
  }
}

function secretOf(key: unknown, id: string): KeyObject {
  if (key instanceof KeyObject && key.type === 'secret' && key.symmetricKeySize === 32) return key;
  // The key object keeps a copy, so that the caller may wipe the bytes.
  if (key instanceof Uint8Array && key.length === 32) return createSecretKey(key);
  const got = key instanceof Uint8Array ? `${key.length} bytes` : show(key);
  throw new InvalidArgumentError(`encrypted: the key ${show(id)} must be 32 bytes; got ${got}`);
}
