import { expect } from 'chai';
import fc from 'fast-check';
import { Field, FieldType, Service, Store, StoredIn, types } from 'keepsake';
import { errorOf, openForModels, refuses } from '../support/models.js';

const service = new Service({ backend: openForModels() });

class Street {
  @Field() name = '';
  @Field({ type: types.date }) since?: Date;
}

class Address {
  @Field() city = '';
  @Field({ type: () => Street }) street = new Street();
  @Field({ type: types.list(() => Street) }) others: Street[] = [];
  whole() {
    return `${this.street.name}, ${this.city}`;
  }
}

class Celsius extends FieldType<number> {
  override encode(value: number) {
    if (value < -273.15) throw new RangeError('colder than cold');
    return `${value} °C`;
  }
  override decode(form: unknown) {
    const value = Number.parseFloat(String(form));
    if (Number.isNaN(value)) throw new RangeError('no temperature');
    return value;
  }
}

@StoredIn(service)
class Thing extends Store {
  @Field() value: unknown;
  @Field({ type: types.value }) explicit: unknown;
  @Field({ type: types.date }) date?: Date;
  @Field({ type: types.bigint }) bigint?: bigint;
  @Field({ type: types.bytes }) bytes?: Uint8Array;
  @Field({ type: types.list() }) list?: unknown[];
  @Field({ type: types.list(types.list(types.date)) }) dates?: Date[][];
  @Field({ type: types.set(types.bigint) }) set?: Set<bigint>;
  @Field({ type: types.set() }) anySet?: Set<unknown>;
  @Field({ type: types.map() }) anyMap?: Map<string, unknown>;
  @Field({ type: types.map(types.date) }) map?: Map<string, Date>;
  @Field({ type: types.map(types.bigint, types.date) }) pairs?: Map<Date, bigint>;
  @Field({ type: types.nullable(types.date) }) nullable?: Date | null;
  @Field({ type: () => Address }) address?: Address;
  @Field({ type: types.nullable(types.list(types.nullable(() => Address))) }) addresses?: (Address | null)[] | null;
  @Field.with(new Celsius()) celsius?: number;
  @Field({ type: types.list(new Celsius()) }) degrees?: number[];
}

type FieldName = Exclude<keyof Thing, keyof Store>;
let made = 0;

function encode(field: FieldName, value: unknown): unknown {
  const thing = Thing.create(`e${made++}`, { [field]: value });
  Thing.manager.removeActive(thing);
  return JSON.parse(JSON.stringify(thing.toDict()))[field];
}

function decode(field: FieldName, form: unknown): unknown {
  const thing = new Thing(`d${made++}`);
  Thing.manager.removeActive(thing);
  return thing.fromDict({ [field]: form })[field];
}

/** The form of a value, once it has come back as it was. */
function roundTrip(field: FieldName, value: unknown): unknown {
  const form = encode(field, value);
  const back = decode(field, form);
  expect(back).to.deep.equal(value);
  expect(encode(field, back)).to.deep.equal(form);
  return form;
}

function address(city: string, street: string): Address {
  const made = new Address();
  made.city = city;
  made.street.name = street;
  made.street.since = new Date(1);
  return made;
}

describe('field types', () => {
  describe('forms', () => {
    const date = new Date('2026-01-31T12:00:00.000Z');
    const cases: [FieldName, unknown, unknown][] = [
      ['date', date, '2026-01-31T12:00:00.000Z'],
      ['date', new Date(8.64e15), '+275760-09-13T00:00:00.000Z'],
      ['bigint', -123n, '-123'],
      ['bytes', new Uint8Array([1, 2, 255]), 'AQL/'],
      ['bytes', new Uint8Array(), ''],
      ['list', [1, 'a', null, [new Set([1])]], [1, 'a', null, [{ $set: [1] }]]],
      ['dates', [[date], []], [['2026-01-31T12:00:00.000Z'], []]],
      ['set', new Set([1n, 2n ** 70n]), ['1', '1180591620717411303424']],
      ['anyMap', new Map([['a', 1]]), { a: 1 }],
      ['anyMap', new Map(), {}],
      ['anyMap', new Map([['$date', 'x']]), { $date: 'x' }],
      ['map', new Map([['a', date]]), { a: '2026-01-31T12:00:00.000Z' }],
      ['pairs', new Map([[date, 5n]]), [['2026-01-31T12:00:00.000Z', '5']]],
      ['nullable', null, null],
      ['nullable', date, '2026-01-31T12:00:00.000Z'],
      ['addresses', null, null],
      ['addresses', [null], [null]],
      ['celsius', 36.6, '36.6 °C'],
      ['degrees', [1, 2], ['1 °C', '2 °C']],
      ['value', { $date: 'mine' }, { $$date: 'mine' }],
      ['value', { a: new Map([[1, 2n]]) }, { a: { $map: [[1, { $bigint: '2' }]] } }],
      ['value', null, null],
      ['value', false, false],
      ['value', '', ''],
    ];
    for (const [field, value, form] of cases) {
      it(`of ${field}: ${JSON.stringify(form)}`, () => {
        expect(roundTrip(field, value)).to.deep.equal(form);
      });
    }

    it('of text that looks like tags are not taken for them', () => {
      for (const value of [{ $set: [1] }, { $$date: 'x' }, { $: 1 }, { a: { $map: 'x' } }, { $date: 'x', more: 1 }]) {
        roundTrip('value', value);
      }
    });

    it('of a Map keep the order and the type of keys that look like numbers', () => {
      const map = new Map([
        ['b', 1],
        ['10', 2],
        ['2', 3],
        ['__proto__', 4],
      ]);
      expect(roundTrip('anyMap', map)).to.deep.equal([...map]);
      expect([...(decode('anyMap', encode('anyMap', map)) as Map<string, unknown>).keys()]).to.deep.equal([
        ...map.keys(),
      ]);
    });

    it('of a Map with the key __proto__ are harmless', () => {
      const map = new Map<string, unknown>([['__proto__', { polluted: true }]]);
      const thing = Thing.create('proto', { anyMap: map });
      expect(thing.toJson()).to.equal('{"anyMap":{"__proto__":{"polluted":true}}}');
      expect(thing.fromJson(thing.toJson()).anyMap).to.deep.equal(map);
      expect(({} as { polluted?: boolean }).polluted).to.equal(undefined);
    });

    it('of undefined are left out', () => {
      expect(encode('date', undefined)).to.equal(undefined);
    });
  });

  describe('nested classes', () => {
    it('are written by their fields, two deep, and come back with their methods', () => {
      const form = roundTrip('address', address('Ulm', 'Hafengasse'));
      expect(form).to.deep.equal({
        city: 'Ulm',
        street: { name: 'Hafengasse', since: '1970-01-01T00:00:00.001Z' },
        others: [],
      });
      const back = decode('address', form) as Address;
      expect(back).to.be.instanceOf(Address);
      expect(back.street).to.be.instanceOf(Street);
      expect(back.whole()).to.equal('Hafengasse, Ulm');
    });

    it('keep their initial values where the form has none', () => {
      expect(decode('address', { city: 'Ulm' })).to.deep.equal(Object.assign(new Address(), { city: 'Ulm' }));
    });

    it('keep what no field claims, and write it back', () => {
      const form = {
        city: 'Ulm',
        street: { name: 'x', lane: { number: 2 } },
        others: [{ name: 'y', odd: [1] }],
        zip: '89073',
        $odd: 1,
      };
      const back = decode('address', structuredClone(form));
      expect(Object.keys(back as object)).to.not.include('zip');
      expect(encode('address', back)).to.deep.equal(form);
      const hostile = decode('address', JSON.parse('{"__proto__": {"polluted": true}}')) as Address;
      expect(hostile).to.be.instanceOf(Address);
      expect((hostile as { polluted?: boolean }).polluted).to.equal(undefined);
      expect(JSON.stringify(encode('address', hostile))).to.contain('"__proto__":{"polluted":true}');
    });

    it('of another class, or a subclass, are refused', async () => {
      class Fine extends Address {}
      await refuses(() => encode('address', new Street()), 'EncodeError', /address: a Street is not a Address/);
      await refuses(() => encode('address', new Fine()), 'EncodeError', /subclass of Address/);
      await refuses(() => encode('address', { city: 'x' }), 'EncodeError', /address: an object is not a Address/);
    });

    it('that hold themselves are refused, with the path', async () => {
      class Node {
        @Field({ type: types.list(() => Node) }) children: Node[] = [];
      }
      @StoredIn(service)
      class Tree extends Store {
        @Field({ type: () => Node }) root = new Node();
      }
      const tree = new Tree('x');
      const child = new Node();
      tree.root.children.push(new Node(), child);
      child.children.push(tree.root);
      await refuses(
        () => tree.toDict(),
        'EncodeError',
        /Tree "x": root\.children\[1\]\.children\[0\]: a Node holds itself/,
      );
      child.children.pop();
      tree.root.children.push(child);
      expect(tree.toDict().root).to.deep.equal({
        children: [{ children: [] }, { children: [] }, { children: [] }],
      });
      let deepest = child;
      for (let depth = 0; depth < 2000; depth++) {
        const next = new Node();
        deepest.children.push(next);
        deepest = next;
      }
      await refuses(() => tree.toDict(), 'EncodeError', /levels deep/);
    });

    it('that nothing describes, and Stores, are refused', async () => {
      class Bare {
        name = '';
      }
      @StoredIn(service)
      class Holder extends Store {
        @Field({ type: () => Bare }) bare?: Bare;
        @Field({ type: () => Thing }) thing?: Thing;
        @Field({ type: (() => undefined) as unknown as () => typeof Bare }) none?: Bare;
      }
      const holder = new Holder('x');
      holder.bare = new Bare();
      await refuses(() => holder.toDict(), 'EncodeError', /Holder "x": bare: nothing describes Bare/);
      delete holder.bare;
      holder.thing = new Thing('held');
      await refuses(() => holder.toDict(), 'EncodeError', /thing: Thing is a Store.*types\.ref\(\(\) => Thing\)/);
      delete holder.thing;
      holder.none = new Bare();
      await refuses(() => holder.toDict(), 'EncodeError', /must give a class; got undefined/);
    });

    it('have neither default options nor names that start with $', async () => {
      class Defaulted {
        @Field({ default: 1 }) level!: number;
      }
      class Dollar {
        @Field() $name = 1;
      }
      class Holder extends Store {
        @Field({ type: () => Defaulted }) one = new Defaulted();
        @Field({ type: () => Dollar }) two?: Dollar;
      }
      const Registered = service.register(Holder, { name: 'holder2' });
      const holder = new Registered('x');
      await refuses(() => holder.toDict(), 'EncodeError', /Defaulted\.level: a nested class has no default option/);
      holder.one = undefined as never;
      holder.two = new Dollar();
      await refuses(() => holder.toDict(), 'EncodeError', /Dollar\.\$name/);
    });
  });

  describe('of the user', () => {
    it('say what they refuse, with class, key, field and path', async () => {
      await refuses(() => encode('celsius', -300), 'EncodeError', /Thing "e\d+": celsius: .*colder than cold/);
      await refuses(() => encode('degrees', [1, -300]), 'EncodeError', /degrees\[1\]: .*colder than cold/);
      await refuses(() => decode('celsius', 'warm'), 'CorruptDataError', /celsius: .*no temperature/);
    });

    it('whose forms are no JSON are refused rather than lose something', async () => {
      class Wrong extends FieldType<unknown> {
        override encode(value: unknown) {
          return value;
        }
        override decode(form: unknown) {
          return form;
        }
      }
      const wrong = new Wrong();
      class Part {
        @Field.with(wrong) inner: unknown;
      }
      @StoredIn(service)
      class Loose extends Store {
        @Field.with(wrong) one: unknown;
        @Field({ type: types.list(wrong) }) many: unknown[] = [];
        @Field({ type: () => Part }) part?: Part;
        @Field.with(wrong, { session: true }) live: unknown;
      }
      const loose = new Loose('x');
      for (const value of [Number.NaN, () => 1, new Date(), { deep: [undefined] }, -0, 'a\ud800', 1n]) {
        loose.one = value;
        await refuses(() => loose.toDict(), 'EncodeError', /Loose "x": one/);
        loose.one = 1;
        loose.many = [1, value];
        await refuses(() => loose.toDict(), 'EncodeError', /Loose "x": many\[1\]/);
        loose.many = [];
        loose.part = new Part();
        loose.part.inner = value;
        await refuses(() => loose.toDict(), 'EncodeError', /Loose "x": part\.inner/);
        delete loose.part;
      }
      loose.live = service;
      expect(loose.toDict({ session: true }).live).to.equal(service);
    });

    it('may use every hook, and install a property of their own on the class', async () => {
      const calls: string[] = [];
      const held = new WeakMap<object, Map<string, number>>();
      class Held extends FieldType<number> {
        override encode(value: number) {
          return value;
        }
        override decode(form: unknown) {
          return Number(form);
        }
        override contributeToClass(storeClass: typeof Store, name: string) {
          calls.push(`class ${storeClass.name} ${name}`);
          Object.defineProperty(storeClass.prototype, name, {
            configurable: true,
            get(this: object) {
              return held.get(this)?.get(name);
            },
            set(this: object, value: number) {
              calls.push(`set ${value}`);
              if (!held.has(this)) held.set(this, new Map());
              held.get(this)?.set(name, value);
            },
          });
        }
        override contributeToInstance(store: Store, name: string) {
          calls.push(`instance ${store.key} ${name}`);
        }
        override serialise(store: Store, name: string) {
          calls.push('serialise');
          return { held: super.serialise(store, name) };
        }
        override deserialise(store: Store, name: string, form: unknown) {
          calls.push('deserialise');
          super.deserialise(store, name, (form as { held: number }).held);
        }
      }
      const type = new Held();
      @StoredIn(service)
      class Keeper extends Store {
        @Field.with(type) count = 1;
        @Field.with(type, { default: 4 }) other!: number;
      }
      const keeper = Keeper.create('x', { count: 2 });
      expect(Object.keys(keeper)).to.deep.equal(['key']);
      expect([keeper.count, keeper.other]).to.deep.equal([2, 4]);
      expect(keeper.toDict()).to.deep.equal({ count: { held: 2 }, other: { held: 4 } });
      keeper.fromDict({ count: { held: 9 } });
      expect(keeper.count).to.equal(9);
      // What the initialiser gave reaches the setter: where the compiler defines properties, replayed at the end.
      expect(calls.filter((call) => call !== 'set 1')).to.deep.equal([
        'class Keeper count',
        'class Keeper other',
        'set 4',
        'set 2',
        'instance x count',
        'instance x other',
        'serialise',
        'serialise',
        'deserialise',
        'set 9',
      ]);
      await keeper.save();
      Keeper.manager.removeActive(keeper);
      expect((await Keeper.load('x'))?.count).to.equal(9);
    });
  });

  describe('refuse to write', () => {
    class Undescribed {}
    const cycle: { self?: unknown[] } = {};
    cycle.self = [cycle];
    const cases: [FieldName, unknown, RegExp][] = [
      ['value', Number.NaN, /value: NaN has no form in JSON/],
      ['value', Number.POSITIVE_INFINITY, /value: Infinity/],
      ['value', -0, /value: .*-0.* would come back as 0/],
      ['value', { a: [1, -0] }, /value\.a\[1\]: /],
      ['value', () => 1, /value: a function.* cannot be saved/],
      ['value', { f: { g() {} } }, /value\.f\.g: a function g/],
      ['value', Symbol('s'), /value: Symbol\(s\) cannot be saved/],
      ['value', [undefined], /value\[0\]: undefined/],
      ['value', [1, ...new Array(1)], /value\[1\]: undefined/],
      ['value', cycle, /value\.self\[0\]: .*cycle/],
      ['value', new Undescribed(), /value: a Undescribed is of a class that nothing describes/],
      ['value', 'a\ud800', /value: .*lone surrogate/],
      ['value', { '\udc00': 1 }, /lone surrogate/],
      ['value', { [Symbol('k')]: 1 }, /symbol for a key/],
      ['value', new Date(Number.NaN), /value: a Date is an invalid Date/],
      ['value', new Map([['k', Number.NaN]]), /value\.k: NaN/],
      ['value', new Set([1, Number.NaN]), /value\[1\]: NaN/],
      ['date', new Date(Number.NaN), /date: .*valid Date/],
      ['date', '2026-01-01', /date: "2026-01-01" is not a valid Date/],
      ['bigint', 5, /bigint: 5 is not a bigint/],
      ['bytes', [1], /bytes: an array of 1 is not a Uint8Array/],
      ['list', 'abc', /list: "abc" is not an array/],
      ['dates', [[new Date(0)], [5]], /dates\[1\]\[0\]: 5 is not a valid Date/],
      ['set', [1n], /set: an array of 1 is not a Set/],
      ['set', new Set([1n, 2]), /set\[1\]: 2 is not a bigint/],
      ['map', { a: 1 }, /map: an object is not a Map/],
      ['map', new Map([['a', 1]]), /map\.a: 1 is not a valid Date/],
      ['map', new Map([[5, new Date(0)]]), /map: 5 is not well-formed text/],
      ['anyMap', new Map([['\ud800', 1]]), /anyMap: .* is not well-formed text/],
      ['pairs', new Map([['a', 1n]]), /pairs\[0\]: "a" is not a valid Date/],
      ['nullable', 5, /nullable: 5/],
      ['date', null, /date: null is not a valid Date/],
    ];
    for (const [field, value, message] of cases) {
      it(`${field}: ${message.source}`, async () => {
        await refuses(() => encode(field, value), 'EncodeError', message);
        await refuses(() => encode(field, value), 'EncodeError', /^Thing "e\d+": /);
      });
    }

    it('and name the key and the path beside the message', async () => {
      const error = (await errorOf(() => encode('value', { a: [Number.NaN] }))) as Error & {
        key?: string;
        path?: string;
      };
      expect([error.key, error.path]).to.deep.equal([`e${made - 1}`, 'value.a[0]']);
    });
  });

  describe('refuse to read', () => {
    const cases: [FieldName, unknown, RegExp][] = [
      ['date', 'soon', /date: "soon" is not a date such as/],
      ['date', 5, /date: 5 is not/],
      ['date', null, /date: null is not/],
      ['date', {}, /date: an object is not/],
      ['bigint', 5, /bigint: 5 is not decimal text/],
      ['bigint', '1.5', /bigint: "1.5"/],
      ['bigint', '0x10', /bigint: "0x10"/],
      ['bigint', '', /bigint: ""/],
      ['bytes', 'not base64!', /bytes: .* is not base64/],
      ['bytes', 'AAA', /bytes: "AAA" is not base64/],
      ['list', {}, /list: an object is not an array/],
      ['dates', [['x']], /dates\[0\]\[0\]: "x"/],
      ['set', { 0: '1' }, /set: an object is not an array/],
      ['map', 'x', /map: "x" is not an object/],
      ['map', { a: 5 }, /map\.a: 5/],
      ['anyMap', [[5, 1]], /anyMap: 5 is not well-formed text/],
      ['anyMap', [['a']], /anyMap\[0\]: an array of 1 is not a pair/],
      ['pairs', { a: 1 }, /pairs: an object is not an array of pairs/],
      ['pairs', [['x', '1']], /pairs\[0\]: "x"/],
      ['address', [], /address: an array of 0 is not an object, the form of Address/],
      ['address', 'Ulm', /address: "Ulm"/],
      ['address', { street: { since: 'x' } }, /address\.street\.since: "x"/],
      ['addresses', [{ others: [{ since: 1 }] }], /addresses\[0\]\.others\[0\]\.since: 1/],
      ['value', { $date: 'soon' }, /value: .*\$date "soon" is no date/],
      ['value', { $bigint: 'x' }, /\$bigint "x"/],
      ['value', { a: { $map: [1] } }, /\$map/],
      ['value', { $set: {} }, /\$set/],
      ['value', { $bytes: '!' }, /\$bytes "!"/],
    ];
    for (const [field, form, message] of cases) {
      it(`${field}: ${message.source}`, () => refuses(() => decode(field, form), 'CorruptDataError', message));
    }
  });

  describe('bring back', () => {
    const date = fc.date({ noInvalidDate: true });
    const text = fc.string({ unit: 'grapheme' });
    const arbitraries: [FieldName, fc.Arbitrary<unknown>][] = [
      ['date', date],
      ['bigint', fc.bigInt()],
      ['bytes', fc.uint8Array()],
      ['dates', fc.array(fc.array(date))],
      ['set', fc.array(fc.bigInt()).map((items) => new Set(items))],
      ['map', fc.array(fc.tuple(text, date)).map((items) => new Map(items))],
      ['pairs', fc.array(fc.tuple(date, fc.bigInt())).map((items) => new Map(items))],
      ['nullable', fc.option(date)],
      [
        'value',
        fc.letrec((tie) => ({
          value: fc.oneof(
            { maxDepth: 4, withCrossShrink: true },
            fc.oneof(text, fc.boolean(), fc.constant(null), fc.integer(), date, fc.bigInt(), fc.uint8Array()),
            fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => (number === 0 ? 0 : number)),
            fc.array(tie('value')),
            fc.dictionary(fc.oneof(text, fc.constantFrom('$date', '$set', '$$map', '__proto__')), tie('value'), {
              maxKeys: 3,
              noNullPrototype: true,
            }),
            fc.array(fc.tuple(tie('value'), tie('value')), { maxLength: 3 }).map((items) => new Map(items)),
            fc.array(tie('value'), { maxLength: 3 }).map((items) => new Set(items)),
          ),
        })).value,
      ],
    ];
    for (const [field, arbitrary] of arbitraries) {
      it(`any ${field}`, () => {
        fc.assert(
          fc.property(arbitrary, (value) => {
            roundTrip(field, value);
          }),
          { numRuns: 200 },
        );
      });
    }
  });
});
