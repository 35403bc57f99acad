import { expect } from 'chai';
import fc from 'fast-check';
import { fromPlain, joinPath, toPlain } from '#lib/codecs/plain.js';
import { refuses } from '../support/models.js';

const there = (value: unknown) => JSON.parse(JSON.stringify(toPlain(value, { tagged: true })));
const thereAndBack = (value: unknown) => fromPlain(there(value));

describe('plain values', () => {
  it('carry Date, Map, Set, bigint and bytes in a tagged form', () => {
    const value = {
      date: new Date(0),
      map: new Map<unknown, unknown>([[{ a: 1 }, new Set([1n])]]),
      bytes: new Uint8Array([255, 0]),
    };
    expect(there(value)).to.deep.equal({
      date: { $date: '1970-01-01T00:00:00.000Z' },
      map: { $map: [[{ a: 1 }, { $set: [{ $bigint: '1' }] }]] },
      bytes: { $bytes: '/wA=' },
    });
    expect(thereAndBack(value)).to.deep.equal(value);
  });

  it('are never taken for what they look like', () => {
    for (const value of [{ $date: 'x' }, { $$date: 'x' }, { $: 1 }, { $set: { $set: [] } }, { $nope: null }]) {
      expect(thereAndBack(value)).to.deep.equal(value);
    }
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom('$date', '$map', '$set', '$bigint', '$bytes', '$$'), (value, tag) => {
        fc.pre(!JSON.stringify(value).includes('-0') && JSON.stringify(JSON.parse(JSON.stringify(value))) !== '');
        const tagged = { [tag]: JSON.parse(JSON.stringify(value)) };
        expect(thereAndBack(tagged)).to.deep.equal(tagged);
      }),
    );
  });

  it('keep the own key __proto__', () => {
    const value = JSON.parse('{"__proto__": {"a": 1}, "b": {"__proto__": {"$date": 1, "c": 2}}}');
    expect(JSON.stringify(thereAndBack(value))).to.equal(JSON.stringify(value));
  });

  it('are copies, of arrays and objects without a prototype too', () => {
    const value = Object.assign(Object.create(null), { list: [{ a: 1 }], gone: undefined });
    const plain = toPlain(value, { tagged: false }) as { list: { a: number }[] };
    expect(plain).to.deep.equal({ list: [{ a: 1 }] });
    expect(plain.list[0]).to.not.equal(value.list[0]);
  });

  it('may hold the same object twice, but not within itself', async () => {
    const shared = { a: 1 };
    expect(there([shared, shared])).to.deep.equal([{ a: 1 }, { a: 1 }]);
    const map = new Map<string, unknown>();
    map.set('self', [map]);
    await refuses(() => there({ map }), 'EncodeError', /map\.self\[0\].*cycle/);
  });

  it('have a bounded depth', async () => {
    let deep: unknown[] = [];
    for (let depth = 0; depth < 1000; depth++) deep = [deep];
    await refuses(() => there(deep), 'EncodeError', /more than 1000 levels deep/);
    expect(there(deep[0])).to.be.an('array');
  });

  it('without tags refuse what plain JSON has no form for', async () => {
    for (const value of [new Date(), new Map(), new Set(), 1n, new Uint8Array()]) {
      await refuses(() => toPlain([value], { tagged: false, root: 'Root' }), 'EncodeError', /Root\[0\]: .*plain JSON/);
    }
    expect(toPlain({ $date: 1 }, { tagged: false })).to.deep.equal({ $date: 1 });
  });

  it('refuse tags that hold something else', () => {
    for (const [tag, forms] of Object.entries({
      $date: [5, null, 'soon'],
      $bigint: [5, '1.5', ''],
      $bytes: [5, 'A', '====', 'ab-_', 'a b='],
      $map: [{}, [1], [[1]], [[1, 2, 3]]],
      $set: [{}, 'x'],
    })) {
      for (const form of forms) expect(() => fromPlain({ [tag]: form }), JSON.stringify(form)).to.throw(TypeError);
    }
  });

  it('are pointed to by paths', () => {
    expect(['a', 0, 'b', 'c'].reduce<string>(joinPath, '')).to.equal('a[0].b.c');
    expect(joinPath('User', '')).to.equal('User');
  });
});
