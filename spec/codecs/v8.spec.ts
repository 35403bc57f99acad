import { expect } from 'chai';
import fc from 'fast-check';
import { v8 } from 'keepsake';
import { comesBack, damaged, nested, refuses, there, unreadable } from '../support/round-trip.js';

const codec = v8();

const samples: readonly unknown[] = [
  ...[
    null,
    undefined,
    true,
    '',
    'é 😀 \0',
    '\ud800 alone',
    '\ufeffmarked',
    0,
    -0,
    1.5,
    Number.NaN,
    -Infinity,
    1n,
    -(2n ** 200n),
  ],
  ...[
    new Date(0),
    new Date(8.64e15),
    new Date(Number.NaN),
    /a+/giu,
    new String('ab'),
    new Number(-0),
    new Boolean(false),
    Object(5n),
  ],
  ...[new Uint8Array(0), Uint8Array.of(1, 2), Buffer.from('ab'), new Float64Array([-0, 1.5]), new BigInt64Array([-1n])],
  ...[new ArrayBuffer(5), new Uint16Array([1, 2, 3]).subarray(1)],
  // biome-ignore lint/suspicious/noSparseArray: the holes are what is tested
  ...[[], {}, [1, , 3], [undefined], { a: undefined }, Object.assign([1], { more: { x: 1 } }), new Array(5)],
  new Map<unknown, unknown>([
    ['z', 1],
    [1, new Map([[{ a: 1 }, new Set(['b', 'a'])]])],
    [Number.NaN, -0],
  ]),
  JSON.parse('{"__proto__":{"a":1},"constructor":2}'),
  nested(100),
];

describe('v8', () => {
  it('gives back what it carries exactly as it was', async () => {
    for (const value of samples) await comesBack(codec, value);
    const anything = fc.anything({
      withBigInt: true,
      withDate: true,
      withMap: true,
      withSet: true,
      withTypedArray: true,
      withSparseArray: true,
      withUnicodeString: true,
    });
    await fc.assert(
      fc.asyncProperty(anything, (value) => comesBack(codec, value)),
      { numRuns: 500 },
    );
  });

  it('carries a DataView by its bytes', async () => {
    const view = await there(codec, new DataView(Uint8Array.of(1, 2, 3, 4).buffer, 1, 2));
    expect(view).to.be.instanceOf(DataView);
    expect([(view as DataView).byteLength, (view as DataView).getUint16(0)]).to.deep.equal([2, 0x0203]);
  });

  it('keeps cycles, and the same object in two places', async () => {
    const shared = { a: 1 };
    const value: Record<string, unknown> = { one: shared, two: [shared], map: new Map() };
    value.self = value;
    (value.map as Map<unknown, unknown>).set(value, shared);
    const back = (await there(codec, value)) as typeof value;
    expect(back.self).to.equal(back);
    expect((back.two as unknown[])[0]).to.equal(back.one);
    expect((back.map as Map<unknown, unknown>).get(back)).to.equal(back.one);
  });

  it('gives back bytes that share nothing with what is stored', async () => {
    const stored = codec.encode({ bytes: new Uint8Array(64).fill(1) });
    const back = codec.decode(stored) as { bytes: Uint8Array };
    back.bytes.fill(0);
    expect((codec.decode(stored) as typeof back).bytes).to.deep.equal(new Uint8Array(64).fill(1));
  });

  it('carries a thousand levels', () => {
    let back = codec.decode(codec.encode(nested(1000)));
    let levels = 0;
    for (; Array.isArray(back); levels++) back = back[0];
    expect([back, levels]).to.deep.equal([1, 1000]);
  });

  it('refuses what would lose its class or be dropped, and says where it is', async () => {
    class Point {
      x = 1;
    }
    class List extends Array<number> {}
    class Names extends Map<string, string> {}
    const sticky = /x/g;
    sticky.lastIndex = 1;
    const refused: [unknown, RegExp][] = [
      [() => 1, /a function/],
      [Symbol('s'), /Symbol\(s\) cannot/],
      [new Point(), /a Point is of a class/],
      [List.of(1), /is of a class/],
      [new Names(), /a Names is of a class/],
      [new Error('x'), /a Error would lose/],
      [new TypeError('x'), /a TypeError would lose/],
      [new WeakMap(), /a WeakMap is of a class/],
      [Promise.resolve(1), /a Promise is of a class/],
      [Object.create(Date.prototype), /of a class/],
      [Object(Symbol('s')), /of a class/],
      [new Proxy({}, {}), /a Proxy/],
      [sticky, /lastIndex/],
      [new Uint8Array(new SharedArrayBuffer(1)), /shared memory/],
      [new SharedArrayBuffer(1), /of a class/],
      [{ [Symbol('s')]: 1 }, /a symbol for a key/],
      [Object.assign(new Map(), { more: 1 }), /"more", which it would lose/],
      [Object.assign(new Date(0), { more: 1 }), /"more", which it would lose/],
    ];
    for (const [value, why] of refused) await refuses(codec, { users: [1, { name: value }] }, why, 'users[1].name');
    await refuses(codec, new Map([['a', new Set([new Point()])]]), /of a class/, 'a[0]');
    await refuses(codec, new Map([[new Point(), 1]]), /of a class/, 'key 0');
    await refuses(codec, Object.assign([1], { more: () => 1 }), /a function/, 'more');
    await refuses(codec, nested(1001), /more than 1000 levels/);
    await refuses(codec, nested(100_000), /more than 1000 levels/);
  });

  it('refuses to read what V8 did not write', async () => {
    const whole = codec.encode({ a: [1, 'text', new Map([[1, 2]])] });
    for (const bytes of [new Uint8Array(0), Buffer.from('garbage'), Uint8Array.of(0xff, 0x0f), whole.subarray(0, -3)]) {
      expect(await unreadable(codec, bytes)).to.be.instanceOf(Error);
    }
  });

  it('survives damaged bytes', () => {
    const bytes = codec.encode(samples.slice(0, 30));
    for (let seed = 0; seed < 2000; seed++) {
      try {
        codec.decode(damaged(bytes, seed));
      } catch (error) {
        expect(error).to.be.instanceOf(Error);
      }
    }
  });
});
