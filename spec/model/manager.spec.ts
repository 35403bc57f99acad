import { expect } from 'chai';
import { Backend, Field, Manager, memory, Service, Store, StoredIn, types } from 'keepsake';
import { BytesDriver, errorOf, refuses } from '../support/models.js';

function declareUser(driver: BytesDriver) {
  class UserManager extends Manager<User> {
    byName(name: string) {
      return this.first((user) => user.name === name);
    }
  }
  @StoredIn(new Service({ backend: new Backend(driver) }))
  class User extends Store {
    static override readonly manager = new UserManager();
    @Field() name = '';
    @Field() tags: string[] = [];
    @Field({ type: types.date }) joined?: Date;
  }
  return User;
}

describe('managers', () => {
  let driver: BytesDriver;
  let User: ReturnType<typeof declareUser>;
  beforeEach(() => {
    driver = new BytesDriver();
    User = declareUser(driver);
  });

  const save = (key: string, name: string) => driver.put(`user:${key}`, JSON.stringify({ name }));

  describe('active', () => {
    it('is a live Map by key, unsaved objects included, in order of birth', () => {
      const active = User.active();
      expect(active.size).to.equal(0);
      const [ann, bob] = [new User('ann'), new User('bob')];
      expect([...active]).to.deep.equal([
        ['ann', ann],
        ['bob', bob],
      ]);
      expect([...active.keys(), ...active.values()]).to.deep.equal(['ann', 'bob', ann, bob]);
      expect([active.has('ann'), active.get('cat')]).to.deep.equal([true, undefined]);
      const met: unknown[] = [];
      active.forEach((store, key, map) => void met.push(store, key, map === active));
      expect(met).to.deep.equal([ann, 'ann', true, bob, 'bob', true]);
      expect(User.active()).to.equal(active);
    });

    it('cannot be changed', () => {
      new User('ann');
      const active = User.active() as Map<string, unknown>;
      expect([active.set, active.delete, active.clear]).to.deep.equal([undefined, undefined, undefined]);
      expect(() => Map.prototype.clear.call(active)).to.throw(TypeError);
    });
  });

  describe('saved and all', () => {
    it('are empty before the first save', async () => {
      expect([(await User.saved()).size, (await User.all()).size]).to.deep.equal([0, 0]);
      expect(await User.manager.count()).to.equal(0);
      expect(await User.find(() => true)).to.deep.equal([]);
    });

    it('give everything saved; the active object stands for its key', async () => {
      save('ann', 'saved');
      save('bob', 'Bob');
      const ann = User.create('ann', { name: 'active' });
      const cat = new User('cat');
      const saved = await User.saved();
      expect([...saved.keys()]).to.deep.equal(['ann', 'bob']);
      expect(saved.get('ann')).to.equal(ann);
      expect(saved.get('bob')?.name).to.equal('Bob');
      const all = await User.all();
      expect([...all.keys()]).to.deep.equal(['ann', 'cat', 'bob']);
      expect(all.get('cat')).to.equal(cat);
      expect(await User.manager.count()).to.equal(3);
    });

    it('give detached objects, which become active by addActive or save', async () => {
      save('ann', 'Ann');
      save('bob', 'Bob');
      const saved = await User.saved();
      const ann = saved.get('ann');
      const bob = saved.get('bob');
      if (ann === undefined || bob === undefined) throw new Error('both are saved');
      expect([ann.active, User.active().size]).to.deep.equal([false, 0]);
      expect((await User.saved()).get('ann')).to.not.equal(ann);
      User.manager.addActive(ann);
      expect((await User.saved()).get('ann')).to.equal(ann);
      bob.name = 'Robert';
      await bob.save();
      expect(User.get('bob')).to.equal(bob);
    });

    it('refuse two objects of one key', async () => {
      save('ann', 'Ann');
      const ann = (await User.saved()).get('ann');
      if (ann === undefined) throw new Error('it is saved');
      await User.load('ann');
      await refuses(() => User.manager.addActive(ann), 'DuplicateKeyError', /get it by User\.get\("ann"\)/);
      await refuses(() => ann.save(), 'DuplicateKeyError');
    });

    it('stream, and leave nothing open when a loop ends early', async () => {
      for (const key of ['a', 'b', 'c']) save(key, key);
      const met: string[] = [];
      for await (const [key, user] of User.all()) {
        met.push(key, user.name);
        if (met.length === 4) break;
      }
      expect(met).to.deep.equal(['a', 'a', 'b', 'b']);
      for await (const [key] of User.saved()) met.push(key);
      expect(met).to.have.length(7);
    });

    it('read nothing before they are awaited, and again each time', async () => {
      const saved = User.saved();
      save('ann', 'Ann');
      expect((await saved).size).to.equal(1);
      save('bob', 'Bob');
      expect((await saved).size).to.equal(2);
    });

    it('leave out what is no key of a model', async () => {
      for (const key of ['user:Ann', 'user:a b', 'user:sub:x', 'user', 'users:x', 'other:x']) driver.put(key, '{}');
      save('ann', 'Ann');
      expect([...(await User.saved()).keys()]).to.deep.equal(['ann']);
      expect(await User.manager.count()).to.equal(1);
    });

    it('give each key once while objects come and go', async () => {
      for (const key of ['a', 'b', 'c', 'd']) save(key, key);
      const b = await User.load('b');
      const met: string[] = [];
      for await (const [key] of User.all()) {
        met.push(key);
        if (key === 'b' && b !== undefined) User.manager.removeActive(b);
        await User.load('c');
      }
      expect(met.sort()).to.deep.equal(['a', 'b', 'c', 'd']);
    });
  });

  describe('addActive and removeActive', () => {
    it('take objects of their class alone', async () => {
      class Other extends Store {}
      const Registered = new Service({ backend: new Backend(driver) }).register(Other);
      for (const wrong of [new Registered('x'), undefined, 'ann', {}]) {
        await refuses(
          () => User.manager.addActive(wrong as never),
          'InvalidArgumentError',
          /object of User is expected/,
        );
        await refuses(() => User.manager.removeActive(wrong as never), 'InvalidArgumentError');
      }
    });

    it('say whether there was something to do', () => {
      const ann = new User('ann');
      User.manager.addActive(ann);
      expect(User.manager.removeActive(ann)).to.equal(true);
      expect(User.manager.removeActive(ann)).to.equal(false);
      const other = new User('ann');
      expect(User.manager.removeActive(ann)).to.equal(false);
      expect(User.get('ann')).to.equal(other);
    });

    it('leave what is saved', async () => {
      const ann = new User('ann');
      await ann.save();
      User.manager.removeActive(ann);
      expect(driver.stored.has('user:ann')).to.equal(true);
    });
  });

  describe('get', () => {
    it('looks in memory alone', async () => {
      save('bob', 'Bob');
      const ann = new User('ann');
      expect([User.get('ANN'), User.get('bob')]).to.deep.equal([ann, undefined]);
      expect([...User.manager.get(['ann', 'BOB'])]).to.deep.equal([
        ['ann', ann],
        ['bob', undefined],
      ]);
      expect([...User.manager.get(new Set(['ann'])).keys()]).to.deep.equal(['ann']);
      expect(driver.reads).to.equal(0);
      await refuses(() => User.manager.get(5 as never), 'InvalidArgumentError', /key or an iterable of keys.*got 5/);
    });
  });

  describe('load', () => {
    it('gives the active object, else the saved one, active from then on, else undefined', async () => {
      save('bob', 'Bob');
      const ann = new User('ann');
      expect(await User.load('Ann')).to.equal(ann);
      const bob = await User.load('BOB');
      expect([bob?.name, User.get('bob')]).to.deep.equal(['Bob', bob]);
      expect(await User.load('cat')).to.equal(undefined);
      expect(driver.reads).to.equal(2);
    });

    it('of many keys gives a Map in their order', async () => {
      save('bob', 'Bob');
      const ann = new User('ann');
      const found = await User.manager.load(['cat', 'BOB', 'ann']);
      expect([...found.keys()]).to.deep.equal(['cat', 'bob', 'ann']);
      expect([found.get('cat'), found.get('bob')?.name, found.get('ann')]).to.deep.equal([undefined, 'Bob', ann]);
      expect((await User.manager.load([])).size).to.equal(0);
      await refuses(() => User.manager.load(undefined as never), 'InvalidArgumentError');
      await refuses(() => User.manager.load(['a b']), 'InvalidKeyError');
    });

    it('at once gives one object, read once', async () => {
      save('bob', 'Bob');
      const loaded = await Promise.all([User.load('bob'), User.load('BOB'), User.manager.load('bob')]);
      expect(new Set(loaded).size).to.equal(1);
      expect(driver.reads).to.equal(1);
    });

    it('gives what was created meanwhile', async () => {
      save('bob', 'Bob');
      const release = driver.hold();
      const loading = User.load('bob');
      const created = new User('bob');
      release();
      expect(await loading).to.equal(created);
    });

    it('gives nothing that was deleted meanwhile', async () => {
      const ann = new User('ann');
      await ann.save();
      User.manager.removeActive(ann);
      const release = driver.hold();
      const loading = User.load('ann');
      await new Promise((resolve) => setImmediate(resolve));
      const deleting = User.manager.delete('ann');
      release();
      expect(await deleting).to.equal(true);
      expect(await loading).to.equal(undefined);
      expect(User.get('ann')).to.equal(undefined);
    });

    it('gives nothing that was deleted while it read', async () => {
      const ann = new User('ann');
      await ann.save();
      User.manager.removeActive(ann);
      const release = driver.holdReads();
      const loading = User.load('ann');
      await new Promise((resolve) => setImmediate(resolve));
      await User.manager.delete('ann');
      release();
      expect(await loading).to.equal(undefined);
      expect(User.active().size).to.equal(0);
    });

    it('waits for a delete, and gives the object again where that fails', async () => {
      const ann = new User('ann');
      await ann.save();
      driver.failWith(new Error('read-only'));
      const deleting = errorOf(() => ann.delete());
      const loading = User.load('ann');
      expect((await deleting).name).to.equal('StorageError');
      expect((await loading)?.key).to.equal('ann');
      await ann.delete();
      expect(await User.load('ann')).to.equal(undefined);
    });
  });

  describe('loadOrCreate', () => {
    it('loads, or creates with values', async () => {
      save('bob', 'Bob');
      expect((await User.loadOrCreate('bob', { name: 'x' })).name).to.equal('Bob');
      const cat = await User.loadOrCreate('cat', { name: 'Cat' });
      expect([cat.name, cat.active, driver.stored.has('user:cat')]).to.deep.equal(['Cat', true, false]);
    });

    it('at once gives one object', async () => {
      const made = await Promise.all([User.loadOrCreate('cat'), User.loadOrCreate('cat'), User.loadOrCreate('CAT')]);
      expect(new Set(made).size).to.equal(1);
    });
  });

  it('has looks in memory and on the backend', async () => {
    save('bob', 'Bob');
    const ann = new User('ann');
    const has = (key: string) => User.manager.has(key);
    expect([await has('ANN'), await has('bob'), await has('cat')]).to.deep.equal([true, true, false]);
    await ann.save();
    const deleting = ann.delete();
    expect(await has('ann')).to.equal(false);
    await deleting;
    expect(User.active().size).to.equal(0);
  });

  describe('delete', () => {
    it('takes a key or an object, and says whether there was one', async () => {
      save('bob', 'Bob');
      const ann = new User('ann');
      const cat = new User('cat');
      await cat.save();
      expect(await User.manager.delete('ANN')).to.equal(true);
      expect(ann.active).to.equal(false);
      expect(await User.manager.delete('bob')).to.equal(true);
      expect(await User.manager.delete(cat)).to.equal(true);
      expect(await User.manager.delete('dan')).to.equal(false);
      expect([driver.stored.size, User.active().size]).to.deep.equal([0, 0]);
      await refuses(() => cat.save(), 'DeletedError');
    });
  });

  describe('saveAll', () => {
    it('saves every active object that has changed', async () => {
      const [ann, bob] = [new User('ann'), new User('bob')];
      await User.manager.saveAll();
      expect(driver.written).to.have.length(2);
      bob.name = 'Bob';
      await User.manager.saveAll();
      expect(driver.written).to.have.length(3);
      expect(ann.active).to.equal(true);
    });

    it('tries all, and throws what failed: the error of one, an AggregateError of several', async () => {
      for (const key of ['a', 'b', 'c']) new User(key);
      const [a, b] = [User.get('a'), User.get('b')];
      if (a === undefined || b === undefined) throw new Error('they are active');
      a.tags = [Number.NaN as never];
      await refuses(() => User.manager.saveAll(), 'EncodeError', /User "a": tags\[0\]/);
      expect(driver.stored.size).to.equal(2);
      b.tags = a.tags;
      const error = (await errorOf(() => User.manager.saveAll())) as AggregateError;
      expect([error.name, error.message]).to.deep.equal(['AggregateError', '2 objects could not be saved']);
      expect(error.errors.map(({ key }) => key)).to.deep.equal(['a', 'b']);
    });

    describe('where many are stored as one', () => {
      const declare = () => {
        const backend = memory<unknown>();
        @StoredIn(new Service({ backend }))
        class Account extends Store {
          @Field() name = '';
          @Field() balance: unknown = 0;
        }
        return { Account, backend };
      };

      it('saves those that can be saved, and tells of the others', async () => {
        const { Account, backend } = declare();
        for (const key of ['a', 'b', 'c']) Account.create(key, { name: key });
        await backend.set('account:c', { name: 'somebody else' });
        const b = Account.get('b') as InstanceType<typeof Account>;
        b.balance = Number.NaN;
        const error = (await errorOf(() => Account.manager.saveAll())) as AggregateError;
        expect(error.errors.map(({ name }) => name)).to.deep.equal(['EncodeError', 'DuplicateKeyError']);
        expect(await backend.getMany(['account:a', 'account:b', 'account:c'])).to.deep.equal([
          { name: 'a', balance: 0 },
          undefined,
          { name: 'somebody else' },
        ]);
        b.balance = 5;
        await refuses(() => Account.manager.saveAll(), 'DuplicateKeyError');
        expect(await backend.get('account:b')).to.deep.equal({ name: 'b', balance: 5 });
      });

      it('saves all or none where asked', async () => {
        const { Account, backend } = declare();
        const [a, b] = [Account.create('a', {}), Account.create('b', {})];
        await Account.manager.saveAll({ atomic: true });
        a.balance = -5;
        b.balance = () => 5;
        await refuses(() => Account.manager.saveAll({ atomic: true }), 'EncodeError', /Account "b": balance/);
        expect(await backend.get('account:a')).to.deep.equal({ name: '', balance: 0 });
        b.balance = 5;
        await Account.manager.saveAll({ atomic: true });
        expect(await backend.get('account:a')).to.deep.equal({ name: '', balance: -5 });
        await refuses(() => Account.manager.saveAll({ atomic: 1 as never }), 'InvalidArgumentError');
      });

      it('has its turn beside objects that are saved all the time', async () => {
        const { Account } = declare();
        const accounts = Array.from({ length: 50 }, (_, number) => Account.create(`a${number}`, {}));
        let going = true;
        const savers = accounts.map(async (account) => {
          for (let number = 0; going; number++) {
            account.balance = number;
            await account.save();
          }
        });
        for (let round = 0; round < 3; round++) await Account.manager.saveAll({ atomic: true });
        going = false;
        await Promise.all(savers);
      });

      it('waits for saves under way, and lets later ones wait', async () => {
        const { Account, backend } = declare();
        const a = Account.create('a', {});
        const saves = [a.save(), Account.manager.saveAll()];
        a.balance = 1;
        saves.push(a.save());
        a.balance = 2;
        saves.push(Account.manager.saveAll(), a.save());
        await Promise.all(saves);
        expect(await backend.get('account:a')).to.deep.equal({ name: '', balance: 2 });
      });
    });

    it('refuses atomic where many are not stored as one, and where a class saves in its own way', async () => {
      new User('ann');
      await refuses(() => User.manager.saveAll({ atomic: true }), 'UnsupportedError', /capabilities\.setMany/);
      @StoredIn(new Service({ backend: memory() }))
      class Own extends Store {
        override async save(): Promise<void> {}
      }
      Own.create('a', {});
      await Own.manager.saveAll();
      await refuses(() => Own.manager.saveAll({ atomic: true }), 'UnsupportedError', /a save\(\) of its own/);
    });

    it('leaves alone what was removed or deleted meanwhile', async () => {
      for (let number = 0; number < 40; number++) new User(`u${number}`);
      const last = User.get('u39');
      const deleted = User.get('u38');
      if (last === undefined || deleted === undefined) throw new Error('they are active');
      const saving = User.manager.saveAll();
      User.manager.removeActive(last);
      await deleted.delete();
      await saving;
      expect(last.active).to.equal(false);
      expect(driver.stored.size).to.equal(38);
    });
  });

  describe('find, first and count', () => {
    beforeEach(() => {
      save('ann', 'Ann');
      save('bob', 'Bob');
      User.create('cat', { name: 'Ann', tags: ['x'], joined: new Date(5) });
    });

    it('look at active and saved objects, by a function or by values', async () => {
      expect((await User.find({ name: 'Ann' })).map(({ key }) => key)).to.deep.equal(['cat', 'ann']);
      expect((await User.find((user) => user.name < 'B')).length).to.equal(2);
      expect((await User.find({ tags: ['x'], joined: new Date(5) })).map(({ key }) => key)).to.deep.equal(['cat']);
      expect(await User.find({ name: 'Ann', tags: ['y'] })).to.deep.equal([]);
      expect((await User.find({})).length).to.equal(3);
      expect((await User.manager.byName('Bob'))?.key).to.equal('bob');
      expect(await User.manager.first({ name: 'Dan' })).to.equal(undefined);
      expect(await User.manager.count({ name: 'Ann' })).to.equal(2);
      expect(await User.manager.count()).to.equal(3);
    });

    it('stream', async () => {
      for await (const user of User.find({ name: 'Ann' })) {
        expect(user.key).to.equal('cat');
        break;
      }
    });

    it('hold nothing of what they only looked at', async () => {
      await User.find(() => true);
      expect(User.active().size).to.equal(1);
    });

    it('refuse fields that are undefined or unknown, and what is no query', async () => {
      await refuses(
        () => User.find({ name: undefined }),
        'InvalidArgumentError',
        /find: name is undefined.*everything/,
      );
      await refuses(
        () => User.find({ nope: 1 } as never),
        'InvalidArgumentError',
        /User\.find: there is no field "nope"/,
      );
      await refuses(() => User.manager.first({ key: 'ann' } as never), 'InvalidArgumentError', /"key"/);
      await refuses(() => User.manager.count({ name: undefined }), 'InvalidArgumentError');
      for (const wrong of [undefined, null, 'ann']) {
        await refuses(() => User.find(wrong as never), 'InvalidArgumentError', /function or values of fields/);
      }
    });
  });
});
