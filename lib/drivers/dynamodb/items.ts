import { randomBytes } from 'node:crypto';
import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import type { Entry } from '../../backend/driver.js';
import { StorageError } from '../../errors.js';
import { show } from '../../show.js';

/** An item of DynamoDB: attributes by their names. */
export type Item = Record<string, AttributeValue>;

/** The attribute that is the key of the table. */
export const KEY = 'key';
/** The attribute by which DynamoDB removes an item some time after its deadline: seconds since 1970, rounded up. */
export const NATIVE_TTL = 'ttl';

/** What an item may hold, less room for all but key and value. */
const LIMIT = 400 * 1024 - 256;

/** The item of an entry. It has a value, or a number, or neither where the value is empty. */
export function toItem(key: string, value: Uint8Array, expiresAt: number | undefined): Item {
  const bytes = Buffer.byteLength(key) + value.length;
  if (bytes > LIMIT) {
    throw new StorageError(
      `key and value of ${show(key)} have ${bytes} bytes; an item of DynamoDB holds ${LIMIT} at most: store it in parts, or elsewhere`,
      { key },
    );
  }
  const number = toNumber(value);
  return {
    [KEY]: { S: key },
    version: { S: newVersion() },
    ...(number !== undefined ? { number: { N: String(number) } } : value.length > 0 ? { value: { B: value } } : {}),
    ...toDeadline(expiresAt),
  };
}

/** A name that no other value has. */
export function newVersion(): string {
  return randomBytes(12).toString('hex');
}

/** The attributes of a deadline. */
export function toDeadline(expiresAt: number | undefined): Item {
  if (expiresAt === undefined) return {};
  return { expiresAt: { N: String(expiresAt) }, [NATIVE_TTL]: { N: String(Math.ceil(expiresAt / 1000)) } };
}

/** The entry of an item, or `undefined` for an item of others. */
export function toEntry(item: Item): Entry<Uint8Array> | undefined {
  const version = item.version?.S;
  if (version === undefined) return undefined;
  return { value: toValue(item), expiresAt: deadlineOf(item), version };
}

/** The deadline of an item, in milliseconds since 1970. */
export function deadlineOf(item: Item): number | undefined {
  const text = item.expiresAt?.N;
  return text === undefined ? undefined : Number(text);
}

function toValue({ value, number }: Item): Uint8Array {
  const text = number?.N;
  if (text !== undefined) return new Uint8Array(Buffer.from(String(Number(text))));
  return new Uint8Array(value?.B ?? []);
}

/** The integer that a value is the only decimal text of. */
function toNumber(value: Uint8Array): number | undefined {
  if (value.length === 0 || value.length > 17) return undefined;
  const text = Buffer.from(value).toString('latin1');
  if (!/^(0|-?[1-9][0-9]*)$/.test(text)) return undefined;
  const number = Number(text);
  return Number.isSafeInteger(number) ? number : undefined;
}
