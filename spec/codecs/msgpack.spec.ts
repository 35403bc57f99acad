import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import fc from 'fast-check';
import { msgpack } from 'keepsake';
import { Folders } from '../support/folders.js';
import { needsReaders, python } from '../support/readers.js';
import { comesBack, damaged, nested, refuses, unreadable } from '../support/round-trip.js';

const codec = msgpack();
const hex = (value: unknown) => Buffer.from(codec.encode(value)).toString('hex');

const samples: readonly unknown[] = [
  ...[null, true, false, '', 'text', 'é 😀 \0', '\ufeffmarked', `\ufeff${'é'.repeat(100)}`, 'x'.repeat(70_000)],
  ...[
    0,
    1,
    -1,
    127,
    128,
    -32,
    -33,
    255,
    256,
    65_535,
    65_536,
    2 ** 31,
    2 ** 32 - 1,
    2 ** 32,
    -(2 ** 31),
    -(2 ** 31) - 1,
  ],
  ...[Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, 1e100, 1.5, 0.1, 5e-324, Number.NaN, Infinity, -Infinity],
  ...[0n, 5n, -5n, 2n ** 53n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n, -(2n ** 63n)],
  ...[new Date(0), new Date(-1), new Date(1), new Date(1_700_000_000_123), new Date(8.64e15), new Date(-8.64e15)],
  ...[new Date('2106-02-07T06:28:16Z'), new Date('2514-05-30T01:53:04Z'), new Date('1969-12-31T23:59:59.999Z')],
  ...[new Uint8Array(0), Uint8Array.of(0, 255), new Uint8Array(70_000).fill(7)],
  ...[[], {}, [[]], [null, [0, [false]]], { a: { b: [{ c: '' }] } }, { '': 1, ' ': 2, constructor: 3, toString: 4 }],
  Array.from({ length: 70_000 }, (_, index) => index),
  Object.fromEntries(Array.from({ length: 70_000 }, (_, index) => [`key ${index}`, index])),
  JSON.parse('{"__proto__":{"__proto__":[1,{"__proto__":null}]},"a":{"b":"__proto__"}}'),
  nested(100),
];

const any = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    fc.constantFrom(null, true, false, Number.NaN, Infinity),
    fc.string({ unit: 'grapheme' }),
    fc.double().filter((number) => !Object.is(number, -0)),
    fc.maxSafeInteger(),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
    fc.date({ noInvalidDate: true }),
    fc.uint8Array({ maxLength: 20 }).map((bytes) => Uint8Array.from(bytes)),
    fc.array(tie('value'), { maxLength: 4 }),
    fc
      .array(fc.tuple(fc.oneof(fc.constant('__proto__'), fc.string({ unit: 'grapheme' })), tie('value')), {
        maxLength: 4,
      })
      .map((entries) => Object.fromEntries(entries)),
  ),
})).value;

describe('msgpack', () => {
  const folders = new Folders();
  after(() => folders.clearAway());

  it('gives back what it carries exactly as it was', async () => {
    for (const value of samples) await comesBack(codec, value);
    await fc.assert(
      fc.asyncProperty(any, (value) => comesBack(codec, value)),
      { numRuns: 1000 },
    );
  });

  it('writes the plain types of the specification', () => {
    expect(hex({ a: [1, 'x', null, true] })).to.equal('81a16194 01a178c0c3'.replace(' ', ''));
    expect(hex(Uint8Array.of(1, 2))).to.equal('c4020102');
    expect(hex(5n)).to.equal('d30000000000000005');
    expect(hex(new Date(1000))).to.equal('d6ff00000001');
    expect(hex([{ a: 1 }, { a: 2 }])).to.equal('9281a1610181a16102');
  });

  it('gives back a Buffer as a Uint8Array of its own', async () => {
    const stored = codec.encode({ bytes: Buffer.from('ab') });
    const back = codec.decode(stored) as { bytes: Uint8Array };
    expect(back.bytes.constructor).to.equal(Uint8Array);
    back.bytes.fill(0);
    expect(codec.decode(stored)).to.deep.equal({ bytes: Uint8Array.of(97, 98) });
  });

  it('leaves out properties that are undefined', async () => {
    await comesBack(codec, { a: undefined, b: 1 }, { b: 1 });
  });

  it('carries a thousand levels', () => {
    let back = codec.decode(codec.encode(nested(1000)));
    let levels = 0;
    for (; Array.isArray(back); levels++) back = back[0];
    expect([back, levels]).to.deep.equal([1, 1000]);
  });

  it('refuses what would change, and says where it is', async () => {
    class Point {
      x = 1;
    }
    const cycle: unknown[] = [];
    cycle.push(cycle);
    const refused: [unknown, RegExp][] = [
      [undefined, /undefined cannot be saved/],
      [() => 1, /a function/],
      [Symbol('s'), /Symbol/],
      [-0, /would come back as 0/],
      ['\ud800', /lone surrogate/],
      [{ '\udc00': 1 }, /lone surrogate/],
      [2n ** 64n, /beyond the 64 bits/],
      [-(2n ** 63n) - 1n, /beyond the 64 bits/],
      [new Map([[1, 2]]), /would come back as an object/],
      [new Map(), /would come back as an object/],
      [new Set([1]), /would come back as an array/],
      [new Date(Number.NaN), /invalid Date/],
      [new Point(), /a Point is of a class/],
      [new Error('x'), /of a class/],
      [/x/, /of a class/],
      [new Float64Array(1), /of a class/],
      [{ [Symbol('s')]: 1 }, /a symbol for a key/],
      [cycle, /cycle/],
      [nested(1001), /more than 1000 levels/],
    ];
    for (const [value, why] of refused) {
      await refuses(codec, value, why);
      if (value === undefined || why.source.includes('levels')) continue;
      await refuses(codec, { users: [1, { name: value }] }, why);
    }
    await refuses(codec, { users: [1, 2, 3, { name: -0 }] }, /^users\[3\]\.name: "?-0"? would/, 'users[3].name');
    // biome-ignore lint/suspicious/noSparseArray: the hole is what is tested
    await refuses(codec, [1, , 2], /undefined/, '[1]');
    await refuses(codec, nested(100_000), /more than 1000 levels/);
  });

  it('refuses to read what is no plain message', async () => {
    const wrong = {
      nothing: '',
      'two messages': '0101',
      'a cut text': 'a5616263',
      'a cut array': '9301',
      'a cut map': '81a161',
      'a cut integer': 'cf00',
      'a length that cannot be': 'ddffffffff',
      'a map of a length that cannot be': 'dfffffffff',
      'bytes of a length that cannot be': 'c6ffffffff00',
      'text that is no UTF-8': 'a1ff',
      'a key that is no text': '810101',
      'a key that is a map': '818001',
      'what is never used': 'c1',
      'an extension': 'd40001',
      'a record of msgpackr': 'd47240 91a161 01'.replaceAll(' ', ''),
      'a fixed extension of a timestamp that is none': 'd6fe00000001',
      'a timestamp of another length': 'c705ff0000000001',
      'a timestamp of too many nanoseconds': 'd7ffffffffff00000000',
      'a timestamp past what a Date holds': 'c70cff000000007fffffffffffffff',
      'a hundred thousand arrays': `${'91'.repeat(100_000)}01`,
    };
    for (const [what, bytes] of Object.entries(wrong)) {
      expect(await unreadable(codec, Buffer.from(bytes, 'hex')), what).to.be.instanceOf(TypeError);
    }
  });

  it('reads damaged bytes as another message or not at all, and soon', async () => {
    const bytes = codec.encode(samples.slice(0, 60));
    for (let seed = 0; seed < 3000; seed++) {
      try {
        codec.decode(damaged(bytes, seed));
      } catch (error) {
        expect(error).to.be.instanceOf(Error);
      }
    }
  });

  it('does nothing to prototypes', () => {
    const back = codec.decode(codec.encode(JSON.parse('{"__proto__":{"polluted":true}}'))) as object;
    expect(Object.getPrototypeOf(back)).to.equal(Object.prototype);
    expect('polluted' in back).to.equal(false);
  });

  it('writes what Python reads, and reads what Python writes', function () {
    needsReaders(this);
    const file = join(folders.make(), 'value.msgpack');
    const value = {
      text: 'é 😀',
      numbers: [1, -1, 2 ** 40, 1.5, Number.NaN],
      large: 2n ** 64n - 1n,
      at: new Date(1_700_000_000_123),
      bytes: Uint8Array.of(0, 255),
      nothing: null,
    };
    writeFileSync(file, codec.encode(value));
    const program = `
import msgpack, sys
value = msgpack.unpackb(open(sys.argv[1], 'rb').read(), timestamp=3)
print(value)
open(sys.argv[1], 'wb').write(msgpack.packb({'list': [1, -1, 2**40, 1.5, None, True], 'at': value['at'], 'b': b'x'}, datetime=True))`;
    expect(python(program, file)).to.equal(
      "{'text': 'é 😀', 'numbers': [1, -1, 1099511627776.0, 1.5, nan], 'large': 18446744073709551615, " +
        "'at': datetime.datetime(2023, 11, 14, 22, 13, 20, 123000, tzinfo=datetime.timezone.utc), 'bytes': b'\\x00\\xff', 'nothing': None}",
    );
    expect(codec.decode(readFileSync(file))).to.deep.equal({
      list: [1, -1, 2n ** 40n, 1.5, null, true],
      at: value.at,
      b: Uint8Array.of(120),
    });
  });
});
