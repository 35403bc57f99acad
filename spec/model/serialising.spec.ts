import { inspect } from 'node:util';
import { expect } from 'chai';
import { Field, FieldType, Service, SessionField, Store, StoredIn, types } from 'keepsake';
import { openForModels, refuses, textOf } from '../support/models.js';

const backend = openForModels();
const service = new Service({ backend });

@StoredIn(service)
class User extends Store {
  @Field() name = 'none';
  @Field({ type: types.date }) joined?: Date;
  @Field() tags: string[] = [];
  @SessionField() token?: string;
  greet() {
    return this.name;
  }
}

describe('serialising', () => {
  let user: User;
  let number = 0;
  beforeEach(() => {
    user = User.create(`u${number++}`, { name: 'Ann', joined: new Date(0), token: 'secret' });
  });

  it('leaves out the key, methods, what is not set, and session fields unless asked', () => {
    expect(user.toDict()).to.deep.equal({ name: 'Ann', joined: '1970-01-01T00:00:00.000Z', tags: [] });
    expect(user.toDict({ session: true }).token).to.equal('secret');
    delete user.joined;
    expect(Object.keys(user.toDict())).to.deep.equal(['name', 'tags']);
  });

  it('is the same as JSON text, and with JSON.stringify', () => {
    expect(JSON.parse(user.toJson())).to.deep.equal(user.toDict());
    expect(JSON.parse(user.toJson({ session: true }))).to.deep.equal(user.toDict({ session: true }));
    expect(JSON.stringify({ user })).to.equal(`{"user":${user.toJson()}}`);
  });

  it('keeps the order of the fields, whatever was set first', () => {
    const other = new User(`u${number++}`);
    other.fromJson('{"tags": ["a"], "joined": "1970-01-01T00:00:00.000Z", "name": "B"}');
    expect(Object.keys(other.toDict())).to.deep.equal(['name', 'joined', 'tags']);
  });

  it('gives copies', () => {
    user.fromDict({ more: { deep: [1] } });
    const dict = user.toDict();
    (dict.tags as string[]).push('x');
    (dict.more as { deep: number[] }).deep.push(2);
    expect(user.tags).to.deep.equal([]);
    expect(user.toDict().more).to.deep.equal({ deep: [1] });
  });

  it('writes flat JSON in field order, two spaces, a final newline', async () => {
    await user.save();
    expect(await textOf(backend, `user:${user.key}`)).to.equal(
      '{\n  "name": "Ann",\n  "joined": "1970-01-01T00:00:00.000Z",\n  "tags": []\n}\n',
    );
  });

  describe('fromDict', () => {
    it('sets the fields that are there, leaves the others, and gives the object', () => {
      expect(user.fromDict({ tags: ['x'] })).to.equal(user);
      expect([user.name, user.tags]).to.deep.equal(['Ann', ['x']]);
      expect(user.fromDict({ name: undefined }).name).to.equal('Ann');
      expect(user.fromDict({ name: null }).name).to.equal(null);
    });

    it('leaves session fields alone unless asked, and never saves what it was given for them', async () => {
      user.fromDict({ token: 'other' });
      expect(user.token).to.equal('secret');
      expect(user.toDict()).to.not.have.property('token');
      await user.save();
      expect(await textOf(backend, `user:${user.key}`)).to.not.contain('token');
      expect(user.fromDict({ token: 'third' }, { session: true }).token).to.equal('third');
    });

    it('does not change its argument, nor share anything with it', () => {
      const dict = { tags: ['x'], more: { $date: '1970-01-01T00:00:00.000Z' }, name: { $set: [1] } };
      const before = structuredClone(dict);
      user.fromDict(dict);
      user.tags.push('y');
      expect(dict).to.deep.equal(before);
    });

    it('sets all fields or none', async () => {
      await refuses(
        () => user.fromDict({ name: 'Bob', tags: ['b'], joined: 'soon', more: 1 }),
        'CorruptDataError',
        /User "u\d+": joined: "soon" is not a date/,
      );
      expect(user.toDict()).to.deep.equal({ name: 'Ann', joined: '1970-01-01T00:00:00.000Z', tags: [] });
    });

    it('sets all fields or none, where types have hooks of their own too', async () => {
      class Hooked extends FieldType<number> {
        override encode(value: number) {
          return value;
        }
        override decode(form: unknown) {
          if (typeof form !== 'number') throw new TypeError('no number');
          return form;
        }
        override deserialise(store: Store, name: string, form: unknown) {
          super.deserialise(store, name, form);
        }
      }
      const type = new Hooked();
      @StoredIn(service)
      class Pair extends Store {
        @Field() name = 'none';
        @Field.with(type) first = 1;
        @Field.with(type) second = 2;
      }
      const pair = new Pair('x');
      await refuses(() => pair.fromDict({ name: 'n', first: 5, second: 'x' }), 'CorruptDataError', /second/);
      expect(pair.toDict()).to.deep.equal({ name: 'none', first: 1, second: 2 });
    });

    it('keeps what no field claims, adds to it, and writes it after the fields', async () => {
      user.fromJson('{"zip": 1, "name": "B", "more": {"$date": "kept as it is"}}');
      user.fromDict({ extra: true });
      expect(Object.entries(user.toDict())).to.deep.equal([
        ['name', 'B'],
        ['joined', '1970-01-01T00:00:00.000Z'],
        ['tags', []],
        ['zip', 1],
        ['more', { $date: 'kept as it is' }],
        ['extra', true],
      ]);
      await user.save();
      User.manager.removeActive(user);
      expect((await User.load(user.key))?.toDict()).to.deep.equal(user.toDict());
    });

    it('takes __proto__ and the like as data', () => {
      user.fromJson('{"__proto__": {"polluted": 1}, "constructor": 2, "toDict": 3, "key": "other"}');
      expect(user.key).to.not.equal('other');
      expect((user as { polluted?: number }).polluted).to.equal(undefined);
      expect(({} as { polluted?: number }).polluted).to.equal(undefined);
      expect(user.toDict).to.be.a('function');
      expect(user.toJson()).to.match(/"__proto__":\{"polluted":1\},"constructor":2,"toDict":3,"key":"other"\}$/);
      expect(JSON.parse(user.toJson())).to.have.own.property('__proto__');
    });

    it('refuses what is no dict', async () => {
      for (const dict of [null, undefined, 'x', 5, [1]]) {
        await refuses(() => user.fromDict(dict as never), 'InvalidArgumentError', /fromDict: an object.*expected; got/);
      }
      await refuses(() => user.fromDict({ name: () => 1 }), 'InvalidArgumentError', /fromDict: .*could not be cloned/);
      await refuses(() => user.fromJson('[1]'), 'InvalidArgumentError');
      await refuses(() => user.fromJson('{'), 'CorruptDataError', /User "u\d+": fromJson: .*JSON/);
    });
  });

  it('is not in the way of structuredClone and util.inspect', () => {
    const { key } = user;
    expect(structuredClone(user)).to.deep.equal({ key, name: 'Ann', joined: new Date(0), tags: [], token: 'secret' });
    expect(inspect(user)).to.match(/^User \{\n? *key: 'u\d+',\n? *name: 'Ann',/);
    expect(inspect(User)).to.match(/class User extends/);
    expect(inspect(User.active())).to.contain("name: 'Ann'");
    expect(Object.keys(new User('plain')).sort()).to.satisfy((names: string[]) =>
      names.every((name) => ['joined', 'key', 'name', 'tags', 'token'].includes(name)),
    );
  });
});
