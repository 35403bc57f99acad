import { deepStrictEqual } from 'node:assert/strict';
import { runInNewContext } from 'node:vm';
import { expect } from 'chai';
import fc from 'fast-check';
import { EncodeError, InvalidArgumentError, type JsonOptions, json, OutOfRangeError } from 'keepsake';

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();
const thrown = (work: () => unknown): EncodeError => {
  try {
    work();
  } catch (error) {
    return error as EncodeError;
  }
  return expect.fail('encodes what it should refuse');
};

/** Keys that tagged forms, prototypes and escapes are made of, beside any other. */
const key = fc.oneof(
  fc.constantFrom(
    '$date',
    '$bigint',
    '$bytes',
    '$map',
    '$set',
    '$$date',
    '$$$map',
    '$',
    '$$',
    '__proto__',
    'constructor',
    'toJSON',
    '',
  ),
  fc.string({ unit: 'grapheme' }),
);
const scalar = fc.oneof(
  fc.constantFrom(null, true, false, 0, 1, '', '$date', '1', '2026-01-01T00:00:00.000Z'),
  fc.string({ unit: 'grapheme' }),
  fc.double({ noNaN: true, noDefaultInfinity: true }).filter((number) => !Object.is(number, -0)),
  fc.maxSafeInteger(),
);
const typed = fc.oneof(
  fc.date({ noInvalidDate: true }),
  fc.bigInt(),
  fc.uint8Array({ maxLength: 20 }).map((bytes) => Uint8Array.from(bytes)),
);

function record(value: fc.Arbitrary<unknown>): fc.Arbitrary<object> {
  return fc.array(fc.tuple(key, value), { maxLength: 4 }).map((entries) => Object.fromEntries(entries));
}

const { plain } = fc.letrec<{ plain: unknown }>((tie) => ({
  plain: fc.oneof({ maxDepth: 5 }, scalar, fc.array(tie('plain'), { maxLength: 4 }), record(tie('plain'))),
}));

const { any } = fc.letrec<{ any: unknown }>((tie) => ({
  any: fc.oneof(
    { maxDepth: 5 },
    scalar,
    typed,
    fc.array(tie('any'), { maxLength: 4 }),
    fc.array(fc.tuple(tie('any'), tie('any')), { maxLength: 4 }).map((entries) => new Map(entries)),
    fc.array(tie('any'), { maxLength: 4 }).map((items) => new Set(items)),
    record(tie('any')),
  ),
}));

describe('json', () => {
  it('gives back what JSON carries exactly as it was', () => {
    const codec = json();
    fc.assert(
      fc.property(plain, (value) => {
        deepStrictEqual(codec.decode(codec.encode(value)), value);
      }),
      { numRuns: 500 },
    );
  });

  it('gives back Date, Map, Set, bigint and bytes exactly as they were, however nested, with types', () => {
    const codec = json({ types: true });
    fc.assert(
      fc.property(any, (value) => {
        const bytes = codec.encode(value);
        deepStrictEqual(codec.decode(bytes), value);
        expect(text(codec.encode(codec.decode(bytes)))).to.equal(text(bytes));
      }),
      { numRuns: 1000 },
    );
  });

  it("is not deceived by data of the user's that looks like a tagged form", () => {
    const codec = json({ types: true });
    const deceptive = [
      ...[
        { $date: '2026-01-31T12:00:00.000Z' },
        { $date: 1 },
        { $bigint: '1' },
        { $bytes: 'AA==' },
        { $map: [] },
        { $set: [1] },
      ],
      ...[
        { $$date: 'x' },
        { $$$set: [] },
        { $: 1 },
        { $$: 1 },
        { $unknown: 1 },
        { $date: 'x', other: 1 },
        { $date: { $date: 'x' } },
      ],
      { $date: '2026-01-31T12:00:00.000Z', dropped: undefined },
    ];
    for (const value of deceptive) {
      const back = codec.decode(codec.encode(value));
      expect(back).to.deep.equal(JSON.parse(JSON.stringify(value)));
      expect(codec.decode(codec.encode([new Map([['k', value]])]))).to.deep.equal([
        new Map([['k', JSON.parse(JSON.stringify(value))]]),
      ]);
    }
  });

  it('does nothing to prototypes', () => {
    for (const codec of [json(), json({ types: true })]) {
      for (const hostile of [
        '{"__proto__":{"polluted":true}}',
        '{"constructor":{"prototype":{"polluted":true}}}',
        '{"$$__proto__":{"polluted":true}}',
        '{"a":{"__proto__":{"$map":[["polluted",true]]}}}',
        '{"__proto__":{"$date":"2026-01-31T12:00:00.000Z"}}',
      ]) {
        const value = codec.decode(Buffer.from(hostile)) as Record<string, unknown>;
        expect(Object.getPrototypeOf(value), hostile).to.equal(Object.prototype);
        expect('polluted' in value, hostile).to.equal(false);
        expect(({} as Record<string, unknown>).polluted, hostile).to.equal(undefined);
      }
      const own = codec.decode(Buffer.from('{"__proto__":1,"a":2}'));
      expect(Object.entries(own as object)).to.deep.equal([
        ['__proto__', 1],
        ['a', 2],
      ]);
      expect(text(codec.encode(own))).to.equal('{"__proto__":1,"a":2}');
    }
  });

  it('refuses what JSON would drop or change, and says where it is', () => {
    class Point {
      x = 1;
    }
    class List extends Array<number> {}
    const cycle: { self?: unknown } = {};
    cycle.self = cycle;
    const refused: [unknown, RegExp][] = [
      [undefined, /undefined cannot be saved/],
      [() => 1, /a function/],
      [function named() {}, /a function named/],
      [Symbol('s'), /Symbol\(s\)/],
      [Number.NaN, /NaN has no form in JSON/],
      [Infinity, /Infinity/],
      [-Infinity, /-Infinity/],
      [-0, /would come back as 0/],
      ['\ud800', /lone surrogate/],
      [{ '\udc00': 1 }, /lone surrogate/],
      [new Point(), /a Point is of a class/],
      [List.of(1), /a List is of a class|an array of 1 is of a class/],
      [new Date(Number.NaN), /invalid Date/],
      [/x/, /a RegExp/],
      [new Error('x'), /a Error/],
      [new String('x'), /a String/],
      [Promise.resolve(1), /a Promise/],
      [new WeakMap(), /a WeakMap/],
      [new Float64Array(1), /a Float64Array/],
      [new ArrayBuffer(1), /a ArrayBuffer/],
      [{ [Symbol('s')]: 1 }, /a symbol for a key/],
      [cycle, /cycle/],
    ];
    for (const codec of [json(), json({ types: true })]) {
      for (const [value, why] of refused) {
        const error = thrown(() => codec.encode({ list: [1, { 'a b': [value] }] }));
        expect(error, String(why)).to.be.instanceOf(EncodeError);
        expect(error.message).to.match(why);
        expect(error.path?.startsWith('list[1].a b[0]'), `path ${error.path}`).to.equal(true);
        expect(error.message.startsWith(`${error.path}: `), error.message).to.equal(true);
      }
      // biome-ignore lint/suspicious/noSparseArray: the hole is what is tested
      expect(thrown(() => codec.encode([1, , 2])).path).to.equal('[1]');
      expect(thrown(() => codec.encode(Number.NaN)).message).to.equal('the value: NaN has no form in JSON');
    }
  });

  it('names the path into a Map and a Set', () => {
    const codec = json({ types: true });
    expect(
      thrown(() =>
        codec.encode({
          map: new Map<unknown, unknown>([
            ['a', 1],
            ['b', Number.NaN],
          ]),
        }),
      ).path,
    ).to.equal('map.b');
    expect(thrown(() => codec.encode({ map: new Map([[Number.NaN, 1]]) })).path).to.equal('map.key 0');
    expect(thrown(() => codec.encode({ map: new Map([[1, () => 1]]) })).path).to.equal('map.value 0');
    expect(thrown(() => codec.encode(new Set([1, Number.NaN]))).path).to.equal('[1]');
  });

  it('refuses Date, Map, Set, bigint and bytes without types', () => {
    for (const value of [new Date(0), new Map(), new Set(), 1n, Uint8Array.of(1), Buffer.of(1)]) {
      expect(thrown(() => json().encode({ a: value })).message).to.match(/^a: .* has no form in plain JSON/);
    }
  });

  it('refuses what is nested too deep to be read again', () => {
    let deep: unknown = 1;
    for (let level = 0; level < 1000; level++) deep = [deep];
    const codec = json({ types: true });
    expect(codec.decode(codec.encode(deep))).to.deep.equal(deep);
    expect(thrown(() => codec.encode([deep])).message).to.match(/more than 1000 levels/);
  });

  it('leaves out properties that are undefined', () => {
    expect(text(json().encode({ a: undefined, b: 1 }))).to.equal('{"b":1}');
  });

  it('takes an object twice in one value, which is no cycle', () => {
    const shared = { a: 1 };
    expect(json().decode(json().encode([shared, { shared }]))).to.deep.equal([{ a: 1 }, { shared: { a: 1 } }]);
  });

  it('takes objects without a prototype', () => {
    const bare = Object.assign(Object.create(null), { a: 1 }) as object;
    expect(text(json().encode(bare))).to.equal('{"a":1}');
  });

  it('takes arrays of another realm, such as those of a vm', () => {
    expect(text(json().encode({ list: runInNewContext('[1, [2]]') }))).to.equal('{"list":[1,[2]]}');
  });

  it('leaves the value as it was', () => {
    const value = Object.freeze({ map: new Map([['k', Object.freeze({ $date: 1 })]]), list: Object.freeze([1n]) });
    const codec = json({ types: true });
    const back = codec.decode(codec.encode(value));
    expect(back).to.deep.equal(value);
  });

  it('is indented on request, with a newline at its end', () => {
    expect(text(json({ indent: 2 }).encode({ a: 1 }))).to.equal('{\n  "a": 1\n}\n');
    expect(json({ indent: 2 }).decode(Buffer.from('{\n "a": 1\n}\n'))).to.deep.equal({ a: 1 });
    expect(json({ indent: 2 }).decimalIntegers).to.equal(false);
    expect(json().decimalIntegers).to.equal(true);
  });

  it('lets no toJSON change what is written', () => {
    const list = Object.assign([1], { toJSON: () => 'other' });
    expect(text(json().encode({ list }))).to.equal('{"list":[1]}');
    const hidden = Object.defineProperty({ a: 1 }, 'toJSON', { value: () => 'other', enumerable: false });
    expect(text(json().encode([hidden]))).to.equal('[{"a":1}]');
    expect(thrown(() => json().encode({ toJSON: () => 'other' })).path).to.equal('toJSON');
    expect(text(json().encode({ toJSON: 'text' }))).to.equal('{"toJSON":"text"}');
  });

  it('refuses options that nobody knows, and an indent outside its range', () => {
    expect(() => json({ type: true } as JsonOptions)).to.throw(InvalidArgumentError, 'there is no option "type"');
    for (const indent of [-1, 11, 1.5, Number.NaN]) expect(() => json({ indent })).to.throw(OutOfRangeError, 'indent');
  });

  it('throws for bytes that are no JSON, no UTF-8 or no tagged form', () => {
    const codec = json({ types: true });
    for (const wrong of [
      '',
      '{',
      '{"a":1}x',
      'undefined',
      "{'a':1}",
      '{"$date":"soon"}',
      '{"$date":{}}',
      '{"$bigint":"1.5"}',
      '{"$bigint":1}',
      '{"$map":{}}',
      '{"$map":[[1]]}',
      '{"$set":{}}',
      '{"$bytes":1}',
      '{"$bytes":"&&&&"}',
    ]) {
      expect(() => codec.decode(Buffer.from(wrong)), wrong).to.throw();
    }
    expect(() => codec.decode(Uint8Array.of(0x22, 0xff, 0x22))).to.throw();
  });
});
