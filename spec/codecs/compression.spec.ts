import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as zlib from 'node:zlib';
import { expect } from 'chai';
import fc from 'fast-check';
import {
  brotli,
  type Codec,
  type CompressionOptions,
  encoded,
  gzip,
  InvalidArgumentError,
  json,
  memory,
  OutOfRangeError,
  UnsupportedError,
  zstd,
} from 'keepsake';
import { Folders } from '../support/folders.js';
import { hasTool, tool } from '../support/readers.js';
import { comesBack, damaged, refuses, unreadable } from '../support/round-trip.js';

interface Subject {
  readonly name: string;
  readonly make: (<T>(inner: Codec<T>, options?: CompressionOptions) => Codec<T>) &
    ((options?: CompressionOptions) => Codec<Uint8Array>);
  /** A level below and one above its range. */
  readonly wrong: readonly number[];
  readonly most: number;
  /** Whether a changed byte is always noticed. */
  readonly checked: boolean;
  readonly tool: readonly string[];
}

const hasZstd = 'zstdCompressSync' in zlib;
const subjects: Subject[] = [
  { name: 'gzip', make: gzip, wrong: [-1, 10], most: 9, checked: true, tool: ['-dc'] },
  { name: 'brotli', make: brotli, wrong: [-1, 12], most: 11, checked: false, tool: ['-dc'] },
];
if (hasZstd) subjects.push({ name: 'zstd', make: zstd, wrong: [0, 23], most: 19, checked: true, tool: ['-dcq'] });

/** Bytes that do not compress. */
const noise = (length: number) => {
  let state = 1;
  return Uint8Array.from({ length }, () => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return state >> 16;
  });
};

for (const { name, make, wrong, most, checked, tool: parameters } of subjects) {
  describe(name, () => {
    const folders = new Folders();
    after(() => folders.clearAway());

    it('gives back bytes of any size exactly, as a Uint8Array of their own', async () => {
      for (const size of [0, 1, 100, 2 ** 14, 2 ** 16 - 1, 2 ** 16, 2 ** 20]) {
        await comesBack(make(), new Uint8Array(size));
        await comesBack(make(), noise(size));
      }
      const stored = await make().encode(Uint8Array.of(1, 2), 'key');
      const back = await make().decode(stored, 'key');
      expect(back.constructor).to.equal(Uint8Array);
      back.fill(0);
      expect(await make().decode(stored, 'key')).to.deep.equal(Uint8Array.of(1, 2));
      await fc.assert(
        fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), (bytes) => comesBack(make(), Uint8Array.from(bytes))),
      );
    });

    it('carries what its inner codec does, and refuses what that refuses', async () => {
      const codec = make(json({ types: true }));
      expect(codec.name).to.equal(`${name} of json`);
      await comesBack(codec, { list: [1n, new Map([['a', new Date(0)]])] });
      await comesBack(make(make(json())), 'twice');
      await refuses(codec, { a: [Number.NaN] }, /^a\[0\]: NaN/, 'a[0]');
    });

    it('makes what repeats smaller, and more so at a higher level', async () => {
      const text = readFileSync('package-lock.json');
      const low = await make({ level: 1 }).encode(text, 'key');
      const high = await make({ level: most }).encode(text, 'key');
      expect(low.length).to.be.lessThan(text.length / 2);
      expect(high.length).to.be.lessThan(low.length);
      expect(Buffer.from(await make().decode(high, 'key')).equals(text)).to.equal(true);
    });

    it('answers at once for small values, and a promise for large ones', () => {
      expect(make().encode(new Uint8Array(100), 'key')).to.be.instanceOf(Uint8Array);
      expect(make().encode(new Uint8Array(2 ** 20), 'key')).to.be.instanceOf(Promise);
    });

    it('refuses more than maxBytes on write, and does not unpack more on read', async () => {
      await comesBack(make({ maxBytes: 1000 }), new Uint8Array(1000));
      await refuses(make({ maxBytes: 1000 }), new Uint8Array(1001), /1001 bytes are more than maxBytes of .*1000/);
      for (const size of [10_000, 2 ** 24]) {
        const bomb = await make().encode(new Uint8Array(size), 'key');
        expect((await unreadable(make({ maxBytes: 5000 }), bomb)).message).to.match(
          /more than maxBytes, which is 5000/,
        );
      }
      const large = await make().encode(noise(2 ** 17), 'key');
      expect((await unreadable(make({ maxBytes: 5000 }), large)).message).to.match(/more than maxBytes, which is 5000/);
    });

    it('refuses what is cut, what is followed by more, and what it did not write', async () => {
      for (const size of [0, 10, 2 ** 17]) {
        const whole = await make().encode(noise(size), 'key');
        for (const cut of [0, 1, 5, whole.length >> 1, whole.length - 5, whole.length - 1]) {
          if (cut < 0 || cut >= whole.length) continue;
          expect(await unreadable(make(), whole.subarray(0, cut)), `${cut} of ${whole.length}`).to.be.instanceOf(Error);
        }
        for (const more of [Uint8Array.of(0), Buffer.from('more')]) {
          expect(await unreadable(make(), Buffer.concat([whole, more]))).to.be.instanceOf(Error);
        }
      }
      expect(await unreadable(make(), Buffer.from('garbage garbage'))).to.be.instanceOf(Error);
    });

    it('never takes damaged bytes for others, where the format has a checksum', async () => {
      const value = Buffer.from('some text, some text and some more text '.repeat(10));
      const whole = await make().encode(value, 'key');
      for (let seed = 0; seed < 2000; seed++) {
        const bytes = damaged(whole, seed);
        const back = await Promise.resolve()
          .then(() => make({ maxBytes: 2 ** 20 }).decode(bytes, 'key'))
          .catch((error) => error);
        if (checked && back instanceof Uint8Array) expect(value.equals(back), `seed ${seed}`).to.equal(true);
      }
    });

    it('refuses a level or maxBytes outside its range, unknown options, and what is no bytes', async () => {
      for (const level of [...wrong, 1.5, Number.NaN]) expect(() => make({ level })).to.throw(OutOfRangeError, 'level');
      for (const maxBytes of [0, 1.5, 2 ** 30 + 1, Infinity]) {
        expect(() => make({ maxBytes })).to.throw(OutOfRangeError, 'maxBytes');
      }
      expect(() => make({ levle: 1 } as CompressionOptions)).to.throw(InvalidArgumentError, 'no option "levle"');
      expect(() => make(json(), { levle: 1 } as CompressionOptions)).to.throw(
        InvalidArgumentError,
        'no option "levle"',
      );
      expect(() => make('json' as never)).to.throw(InvalidArgumentError, 'give a codec');
      await refuses(make(), 'text', /"text" is no Uint8Array; put a codec inside/);
    });

    if (hasTool(name)) {
      it('writes what its tool reads', () => {
        const file = join(folders.make(), `value.${name}`);
        const bytes = make(json()).encode({ a: 'é' }, 'key') as Uint8Array;
        expect(tool(name, parameters, file, bytes).toString()).to.equal('{"a":"é"}');
      });
    }
  });
}

describe('zstd', () => {
  it('says which Node has it, where this one has not', () => {
    if (hasZstd) expect(zstd().name).to.equal('zstd');
    else expect(() => zstd()).to.throw(UnsupportedError, 'Node 22.15, 23.8 and newer have');
  });
});

describe('a codec that answers promises', () => {
  it('reads and writes large values by every method of a backend', async () => {
    const backend = encoded<string>(memory<Uint8Array>(), gzip(json<string>()));
    const large = 'large '.repeat(100_000);
    await backend.setMany([
      ['a', large],
      ['b', 'small'],
    ]);
    await backend.set('c', `${large}c`);
    expect(await backend.getMany(['b', 'a', 'none'])).to.deep.equal(['small', large, undefined]);
    expect((await backend.getEntry('c'))?.value).to.equal(`${large}c`);
    expect(await backend.update('b', (current) => `${current}${large}`)).to.equal(`small${large}`);
    const met = new Map<string, string>();
    for await (const [key, value] of backend) met.set(key, value);
    expect([...met]).to.deep.equal([
      ['a', large],
      ['b', `small${large}`],
      ['c', `${large}c`],
    ]);
  });
});
