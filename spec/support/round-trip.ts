import { deepStrictEqual } from 'node:assert/strict';
import { inspect } from 'node:util';
import { expect } from 'chai';
import { type Codec, EncodeError } from 'keepsake';

const KEY = 'the key';

/** All of a value, with its types and the order of what is in it, -0 and holes too. */
export function picture(value: unknown): string {
  return inspect(value, {
    depth: Number.POSITIVE_INFINITY,
    maxArrayLength: Number.POSITIVE_INFINITY,
    maxStringLength: Number.POSITIVE_INFINITY,
  });
}

/** What a codec makes of a value, written and read. */
export async function there<T>(codec: Codec<T>, value: T): Promise<T> {
  const bytes = await codec.encode(value, KEY);
  expect(bytes).to.be.instanceOf(Uint8Array);
  return codec.decode(bytes, KEY);
}

/** The value comes back exactly as `expected`, which is itself by default: the same types, and the same order. */
export async function comesBack<T>(codec: Codec<T>, value: T, expected: unknown = value): Promise<void> {
  const before = picture(value);
  const back = await there(codec, value);
  expect(picture(back)).to.equal(picture(expected));
  // It takes two invalid dates for different ones.
  if (!picture(expected).includes('Invalid Date')) deepStrictEqual(back, expected);
  expect(picture(value), 'the value that was given').to.equal(before);
}

/** The codec refuses the value, for a reason and at a path. */
export async function refuses<T>(codec: Codec<T>, value: unknown, why: RegExp, path?: string): Promise<void> {
  let error: unknown;
  try {
    await codec.encode(value as T, KEY);
  } catch (thrown) {
    error = thrown;
  }
  expect(error, `${codec.name} of ${picture(value).slice(0, 200)}`).to.be.instanceOf(EncodeError);
  expect((error as EncodeError).message).to.match(why);
  if (path !== undefined) expect((error as EncodeError).path).to.equal(path);
}

/** What reading some bytes fails with. */
export async function unreadable<T>(codec: Codec<T>, bytes: Uint8Array, key = KEY): Promise<Error> {
  let value: T;
  try {
    value = await codec.decode(bytes, key);
  } catch (error) {
    return error as Error;
  }
  return expect.fail(`reads ${picture(value).slice(0, 200)} of ${Buffer.from(bytes.subarray(0, 50)).toString('hex')}`);
}

/** Something with so many arrays around it. */
export function nested(levels: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < levels; level++) value = [value];
  return value;
}

/** Bytes with some of them changed, cut, or followed by others. */
export function damaged(bytes: Uint8Array, seed: number): Uint8Array {
  let state = seed * 2654435761 + 1;
  const next = (below: number): number => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return Math.floor((state / 2147483648) * below);
  };
  const copy = Uint8Array.from(bytes);
  for (let changes = next(3); changes >= 0 && copy.length > 0; changes--) {
    const at = next(copy.length);
    copy[at] = (copy[at] as number) ^ (1 << next(8));
  }
  if (next(4) === 0) return copy.subarray(0, next(copy.length));
  return next(4) === 0 ? Buffer.concat([copy, Buffer.of(next(256))]) : copy;
}
