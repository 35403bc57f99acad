import { createHash } from 'node:crypto';
import { CorruptDataError } from '../../errors.js';
import type { Reply } from './session.js';

/*
 * What is kept beside a value. Items that need none of it are their value alone, with flags 0, as other clients have them. The others say so
 * in their flags, and have before the value, in this order: the deadline (8 bytes, a double), the version (a byte for its length, then ASCII), the
 * key (2 bytes for its length, then UTF-8).
 */
const MARK = 0x6b_73_00_00;
const DEADLINE = 1;
const VERSION = 2;
const KEY = 4;

/** What memcached is told about the time to live at most, in seconds; more is taken as a date. */
const LONGEST_RELATIVE = 30 * 24 * 60 * 60;
const LAST_SECOND = 2 ** 31 - 1;
/** The longest key that the server takes, encoded or not. */
const LONGEST_TOKEN = 250;
const LONGEST_BINARY = Math.floor(LONGEST_TOKEN / 4) * 3;
/** What the server counts for an item beside its key and value, on a machine of 64 bits. */
const ITEM_OVERHEAD = 48 + 8 + 1 + 2;
const ITEM_FLAGS = 4;

/** How the server names a key. */
export interface Stored {
  /** For a command: the key as it is, or in base64. */
  readonly token: string;
  /** The flag that says so: `' b'`, or nothing. */
  readonly flag: string;
  /** How many bytes it has on the server. */
  readonly length: number;
  /** The key itself, where the server has a digest of it and it has to stand beside the value. */
  readonly original: string | undefined;
}

/** An item as it is on the server, also one that has expired but is still there. */
export interface Item {
  readonly value: Uint8Array;
  readonly expiresAt: number | undefined;
  /** Its compare-and-set token, and the run of the server that gave it. */
  readonly token: string;
  readonly run: string;
  /** Which of the server's tokens stood for the value when it was stored, and the deadline it had then. */
  readonly version: string;
  /** The key, where it stands beside the value. */
  readonly key: string | undefined;
}

/** The server's name for a key; names that it does not take as they are go as base64, too long ones as a digest. */
export function toStored(prefix: string, key: string): Stored {
  const text = prefix + key;
  const digested = key.startsWith('\0');
  if (!digested && text.length <= LONGEST_TOKEN && /^[!-~]+$/.test(text)) {
    return { token: text, flag: '', length: text.length, original: undefined };
  }
  const bytes = Buffer.from(text);
  if (!digested && bytes.length <= LONGEST_BINARY) return binary(bytes);
  // A NUL stands before digests alone, so no key can look like one.
  return {
    ...binary(Buffer.from(`${prefix}\0${createHash('sha256').update(key).digest('base64url')}`)),
    original: key,
  };
}

/** The server's name for an item that a dump has told, where it stands percent-encoded. It may be no text, as others' keys. */
export function toDumped(encoded: string): Stored {
  const name = encoded.replace(/%([0-9A-Fa-f]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)));
  return /^[!-~]{1,250}$/.test(name)
    ? { token: name, flag: '', length: name.length, original: undefined }
    : binary(Buffer.from(name, 'latin1'));
}

/** The name that stands percent-encoded in a dump; `undefined` for what is no UTF-8, and so no key of ours. */
export function decodeDumped(encoded: string): string | undefined {
  try {
    return decodeURIComponent(encoded);
  } catch {
    return undefined;
  }
}

/** As memcached percent-encodes what keys start with: the names of namespaces need nothing but this. */
export function encodeDumped(own: string): string {
  return own.replace(':', '%3A');
}

function binary(bytes: Buffer): Stored {
  return { token: bytes.toString('base64'), flag: ' b', length: bytes.length, original: undefined };
}

/** What an item is made of: what stands before the value, and the flags that say so. */
export function toItem(
  { original, length }: Stored,
  value: Uint8Array,
  expiresAt: number | undefined,
  version?: string,
): { readonly flags: number; readonly data: readonly Uint8Array[]; readonly length: number; readonly size: number } {
  if (expiresAt === undefined && version === undefined && original === undefined) {
    return { flags: 0, data: [value], length: value.length, size: ITEM_OVERHEAD + length + value.length };
  }
  const parts: Buffer[] = [];
  let flags = MARK;
  if (expiresAt !== undefined) {
    flags |= DEADLINE;
    const bytes = Buffer.alloc(8);
    bytes.writeDoubleBE(expiresAt);
    parts.push(bytes);
  }
  if (version !== undefined) {
    flags |= VERSION;
    parts.push(Buffer.from([version.length]), Buffer.from(version, 'latin1'));
  }
  if (original !== undefined) {
    flags |= KEY;
    const bytes = Buffer.from(original);
    const size = Buffer.alloc(2);
    size.writeUInt16BE(bytes.length);
    parts.push(size, bytes);
  }
  const before = Buffer.concat(parts);
  const whole = before.length + value.length;
  return { flags, data: [before, value], length: whole, size: ITEM_OVERHEAD + ITEM_FLAGS + length + whole };
}

/**
 * Reads what `mg` with `f v`, and perhaps `c t`, has answered; `undefined` for a miss.
 * @throws CorruptDataError for an item that says it has something beside its value, and has not
 */
export function readItem(reply: Reply): Item | undefined {
  const { value, run } = reply;
  if (value === undefined) return undefined;
  let flags = 0;
  let token = '';
  let left = -1;
  for (const flag of reply.flags) {
    const text = flag.slice(1);
    if (flag[0] === 'f') flags = Number(text);
    else if (flag[0] === 'c') token = text;
    else if (flag[0] === 't') left = Number(text);
  }
  if ((flags & ~(DEADLINE | VERSION | KEY)) !== MARK) {
    // Somebody else's; theirs has a deadline only where the server has one.
    const expiresAt = left < 0 ? undefined : Date.now() + Math.max(1, left) * 1000;
    return { value, expiresAt, token, run, version: token, key: undefined };
  }
  let at = 0;
  const take = (length: number): Buffer => {
    if (at + length > value.length) {
      throw new CorruptDataError('the item is cut off before its value begins; it is left as it is');
    }
    at += length;
    return value.subarray(at - length, at);
  };
  const expiresAt = (flags & DEADLINE) === 0 ? undefined : take(8).readDoubleBE();
  const version = (flags & VERSION) === 0 ? undefined : take(take(1).readUInt8()).toString('latin1');
  const key = (flags & KEY) === 0 ? undefined : take(take(2).readUInt16BE()).toString();
  const named = version ?? (expiresAt === undefined ? token : `${token}-${expiresAt}`);
  return { value: value.subarray(at), expiresAt, token, run, version: named, key };
}

/** A version as callers have it, in its parts; `undefined` for what is none of ours. */
export function readVersion(
  version: string,
):
  | { readonly run: string; readonly token: string; readonly expiresAt: number | undefined; readonly named: string }
  | undefined {
  const [, run, named, token, deadline] = /^([0-9a-z.]+)_(([0-9]+)(?:-(-?[0-9]+))?)$/.exec(version) ?? [];
  if (run === undefined || named === undefined || token === undefined) return undefined;
  return { run, token, expiresAt: deadline === undefined ? undefined : Number(deadline), named };
}

/** A version for callers. */
export function toVersion({ run, version }: Item): string {
  return `${run}_${version}`;
}

/**
 * What memcached is told about a deadline: never less than is left, since it counts whole seconds of a clock of its own, and may be a second short.
 * 0 stands for never, and for what is past the times that it knows.
 */
export function toTimeToLive(expiresAt: number | undefined, now: number): number {
  if (expiresAt === undefined) return 0;
  const relative = Math.ceil((expiresAt - now) / 1000) + 1;
  if (relative <= LONGEST_RELATIVE) return Math.max(1, relative);
  const absolute = Math.ceil(expiresAt / 1000) + 1;
  return absolute > LAST_SECOND ? 0 : absolute;
}
