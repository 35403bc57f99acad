import { expect } from 'chai';
import { Backend, Field, Service, Store, StoredIn } from 'keepsake';
import { BytesDriver, errorOf, refuses } from '../support/models.js';

function declareUser(driver: BytesDriver, concurrency: 'last' | 'optimistic' = 'last') {
  const service = new Service({ backend: new Backend(driver) });
  @StoredIn(service, { concurrency })
  class User extends Store {
    @Field() level = 0;
    @Field() odd: unknown;
  }
  return { service, User };
}

const text = (level: number) => `{\n  "level": ${level}\n}\n`;
const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('saving', () => {
  let driver: BytesDriver;
  let service: Service;
  let User: ReturnType<typeof declareUser>['User'];
  let user: InstanceType<typeof User>;
  beforeEach(() => {
    driver = new BytesDriver();
    ({ service, User } = declareUser(driver));
    user = new User('ann');
  });

  it('writes the fields, and nothing before', async () => {
    await User.load('bob');
    await User.all();
    expect(driver.written).to.deep.equal([]);
    await user.save();
    expect(driver.text('user:ann')).to.equal(text(0));
  });

  describe('of saves that overlap', () => {
    it('writes the first and the last state alone, and resolves all', async () => {
      const saves: Promise<void>[] = [];
      for (let level = 1; level <= 100; level++) {
        user.level = level;
        saves.push(user.save());
      }
      await Promise.all(saves);
      expect(driver.written).to.deep.equal([text(1), text(100)]);
    });

    it('writes the state at the time of the call', async () => {
      user.level = 1;
      const saved = user.save();
      user.level = 2;
      await saved;
      expect(driver.text('user:ann')).to.equal(text(1));
    });

    it('resolves when that state, or a newer one, is written', async () => {
      const release = driver.hold();
      user.level = 1;
      const first = user.save();
      user.level = 2;
      const second = user.save();
      user.level = 3;
      let done = 0;
      const third = user.save().then(() => {
        done = driver.written.length;
      });
      await turn();
      release();
      await Promise.all([first, second, third]);
      expect(driver.written).to.deep.equal([text(1), text(3)]);
      expect(done).to.equal(2);
    });

    it('writes once where the state is the same again', async () => {
      await Promise.all([user.save(), user.save(), user.save()]);
      expect(driver.written).to.have.length(1);
    });

    it('keeps what an earlier one asked for', async () => {
      driver.put('user:ann', text(7));
      const release = driver.hold();
      const first = errorOf(() => user.save());
      const second = user.save({ overwrite: true });
      const third = user.save();
      release();
      expect((await first).name).to.equal('DuplicateKeyError');
      await Promise.all([second, third]);
      expect(driver.text('user:ann')).to.equal(text(0));
    });
  });

  it('that fails rejects, keeps what is saved, and the next save writes', async () => {
    await user.save();
    user.level = 1;
    driver.failWith(new Error('disk full'));
    await refuses(() => user.save(), 'StorageError');
    expect(driver.text('user:ann')).to.equal(text(0));
    await user.save();
    expect(driver.text('user:ann')).to.equal(text(1));
  });

  it('that fails does not fail the one that waits', async () => {
    await user.save();
    driver.failWith(new Error('disk full'));
    user.level = 1;
    const first = errorOf(() => user.save());
    user.level = 2;
    const second = user.save();
    expect((await first).name).to.equal('StorageError');
    await second;
    expect(driver.text('user:ann')).to.equal(text(2));
  });

  it('that fails although it took effect is no duplicate of itself', async () => {
    driver.failLateWith(new Error('connection lost'));
    await refuses(() => user.save(), 'StorageError');
    user.level = 1;
    await user.save();
    expect(driver.text('user:ann')).to.equal(text(1));
    const other = new User('bob');
    driver.failLateWith(new Error('connection lost'));
    await refuses(() => other.save(), 'StorageError');
    driver.put('user:bob', text(9));
    await refuses(() => other.save(), 'DuplicateKeyError');
    await refuses(() => other.save(), 'DuplicateKeyError');
    expect(driver.text('user:bob')).to.equal(text(9));
  });

  it('of what cannot be saved rejects, and the file stays', async () => {
    await user.save();
    user.odd = [Number.NaN];
    await refuses(() => user.save(), 'EncodeError', /User "ann": odd\[0\]: NaN/);
    expect(driver.text('user:ann')).to.equal(text(0));
  });

  it('writes no text that was last read or written, unless forced', async () => {
    await user.save();
    await user.save();
    User.manager.removeActive(user);
    const again = await User.load('ann');
    await again?.save();
    expect(driver.written).to.have.length(1);
    await again?.save({ force: true });
    expect(driver.written).to.have.length(2);
  });

  it('notices changes inside arrays and objects', async () => {
    user.odd = { list: [1] };
    await user.save();
    (user.odd as { list: number[] }).list.push(2);
    await user.save();
    expect(driver.written).to.have.length(2);
  });

  describe('a new object under a saved key', () => {
    beforeEach(() => driver.put('user:ann', text(7)));

    it('is refused', async () => {
      await refuses(() => user.save(), 'DuplicateKeyError', /User "ann" is saved already.*\{ overwrite: true \}/);
      await refuses(() => user.save({ force: true }), 'DuplicateKeyError');
      expect(driver.text('user:ann')).to.equal(text(7));
    });

    it('is written with overwrite', async () => {
      await user.save({ overwrite: true });
      expect(driver.text('user:ann')).to.equal(text(0));
      user.level = 1;
      await user.save();
      expect(driver.text('user:ann')).to.equal(text(1));
    });

    it('is written once it has read what is there', async () => {
      expect(await user.load()).to.equal(true);
      expect(user.level).to.equal(7);
      user.level = 8;
      await user.save();
      expect(driver.text('user:ann')).to.equal(text(8));
    });
  });

  it('an object that is not active makes it so, and is refused where another is', async () => {
    await user.save();
    User.manager.removeActive(user);
    user.level = 1;
    await user.save();
    expect(User.get('ann')).to.equal(user);
    User.manager.removeActive(user);
    new User('ann');
    await refuses(() => user.save(), 'DuplicateKeyError', /is in memory already/);
  });

  describe('with optimistic concurrency', () => {
    beforeEach(async () => {
      driver = new BytesDriver();
      ({ service, User } = declareUser(driver, 'optimistic'));
      user = new User('ann');
      await user.save();
    });

    it('goes on from its own saves', async () => {
      for (const level of [1, 2, 3]) {
        user.level = level;
        await user.save();
      }
      expect(driver.text('user:ann')).to.equal(text(3));
    });

    it('refuses to replace what somebody else saved, until it is loaded', async () => {
      driver.put('user:ann', text(9));
      user.level = 1;
      const error = await errorOf(() => user.save());
      expect(error).to.include({ name: 'ConflictError', retryable: true, key: 'ann' });
      expect(error.message).to.match(/User "ann" was changed by somebody else/);
      expect(driver.text('user:ann')).to.equal(text(9));
      await user.load();
      expect(user.level).to.equal(9);
      user.level = 10;
      await user.save();
      expect(driver.text('user:ann')).to.equal(text(10));
    });

    it('refuses to bring back what somebody else deleted', async () => {
      driver.stored.clear();
      user.level = 1;
      await refuses(() => user.save(), 'ConflictError', /was deleted by somebody else/);
      expect(driver.stored.size).to.equal(0);
    });

    it('that fails although it took effect does not conflict with itself', async () => {
      user.level = 1;
      driver.failLateWith(new Error('connection lost'));
      await refuses(() => user.save(), 'StorageError');
      user.level = 2;
      await user.save();
      expect(driver.text('user:ann')).to.equal(text(2));
    });

    it('replaces it with overwrite', async () => {
      driver.put('user:ann', text(9));
      user.level = 1;
      await user.save({ overwrite: true });
      expect(driver.text('user:ann')).to.equal(text(1));
    });
  });

  it('without optimistic concurrency lets the last win', async () => {
    await user.save();
    driver.put('user:ann', text(9));
    user.level = 1;
    await user.save();
    expect(driver.text('user:ann')).to.equal(text(1));
  });

  describe('load', () => {
    it('reads the fields again, and gives those that are missing their default', async () => {
      user.odd = 'mine';
      user.level = 5;
      await user.save();
      driver.put('user:ann', '{"level": 6, "more": true}');
      expect(await user.load()).to.equal(true);
      expect([user.level, user.odd]).to.deep.equal([6, undefined]);
      expect(user.toDict()).to.deep.equal({ level: 6, more: true });
      driver.put('user:ann', '{"odd": 1}');
      await user.load();
      expect(user.toDict()).to.deep.equal({ level: 0, odd: 1 });
      expect(User.active().size).to.equal(1);
    });

    it('is false where nothing is saved, and the next save writes', async () => {
      user.level = 4;
      expect(await user.load()).to.equal(false);
      expect(user.level).to.equal(4);
      await user.save();
      driver.stored.clear();
      expect(await user.load()).to.equal(false);
      await user.save();
      expect(driver.text('user:ann')).to.equal(text(4));
    });

    it('of what cannot be read rejects, and the object stays as it was', async () => {
      user.fromDict({ level: 3, more: 1 });
      for (const bad of ['{', '[]', '{"odd": {"$date": 5}, "level": 9}']) {
        driver.put('user:ann', bad);
        await refuses(() => user.load(), 'CorruptDataError', /bytes\/user:ann/);
        expect(user.toDict()).to.deep.equal({ level: 3, more: 1 });
      }
    });

    it('that a save overtook reads again, so that object and file agree', async () => {
      await user.save();
      const release = driver.holdReads();
      const loading = user.load();
      await turn();
      user.level = 1;
      await user.save();
      release();
      expect(await loading).to.equal(true);
      expect([user.level, driver.text('user:ann')]).to.deep.equal([1, text(1)]);
      user.level = 0;
      await user.save();
      expect(driver.text('user:ann')).to.equal(text(0));
    });

    it('waits for the saves before it', async () => {
      const first = user.save();
      user.level = 1;
      const second = user.save();
      expect(await user.load()).to.equal(true);
      expect(user.level).to.equal(1);
      await Promise.all([first, second]);
    });
  });

  describe('delete', () => {
    it('removes the file and the active entry, and later saves reject', async () => {
      await user.save();
      expect(await user.delete()).to.equal(true);
      expect([driver.stored.size, User.get('ann'), user.active]).to.deep.equal([0, undefined, false]);
      await refuses(() => user.save(), 'DeletedError', /User "ann" was deleted; create it anew/);
      expect(await user.delete()).to.equal(false);
    });

    it('of what was never saved lets go of it', async () => {
      expect(await user.delete()).to.equal(false);
      expect(User.get('ann')).to.equal(undefined);
    });

    it('ends the saves under way first, those that wait too, so that none brings the file back', async () => {
      await user.save();
      user.level = 1;
      const first = user.save();
      user.level = 2;
      const second = user.save();
      const deleting = user.delete();
      await refuses(() => user.save(), 'DeletedError');
      expect(await deleting).to.equal(true);
      await Promise.all([first, second]);
      expect(driver.stored.size).to.equal(0);
    });

    it('that fails leaves everything as it was', async () => {
      await user.save();
      driver.failWith(new Error('read-only'));
      await refuses(() => user.delete(), 'StorageError');
      expect(user.active).to.equal(true);
      user.level = 1;
      await user.save();
      expect(driver.text('user:ann')).to.equal(text(1));
    });

    it('lets a new object of the key be made and saved at once', async () => {
      await user.save();
      const deleting = user.delete();
      const next = User.create('ann', { level: 5 });
      const saving = next.save();
      await Promise.all([deleting, saving]);
      expect(driver.text('user:ann')).to.equal(text(5));
      expect(User.get('ann')).to.equal(next);
      const again = next.delete();
      const third = User.create('ann', { level: 6 });
      await Promise.all([third.save(), again]);
      expect(driver.text('user:ann')).to.equal(text(6));
    });

    it('that fails while a new object was made leaves the new one', async () => {
      await user.save();
      driver.failWith(new Error('read-only'));
      const deleting = errorOf(() => user.delete());
      const next = User.create('ann', { level: 5 });
      expect((await deleting).name).to.equal('StorageError');
      expect(User.get('ann')).to.equal(next);
      await refuses(() => next.save(), 'DuplicateKeyError', /saved already/);
    });
  });

  describe('closing', () => {
    it('flush waits for saves and deletes under way', async () => {
      const other = new User('bob');
      await other.save();
      const release = driver.hold();
      void user.save();
      void other.delete();
      let flushed = false;
      const flushing = service.flush().then(() => {
        flushed = true;
      });
      await turn();
      expect(flushed).to.equal(false);
      release();
      await flushing;
      expect([...driver.stored.keys()]).to.deep.equal(['user:ann']);
      await service.flush();
    });

    it('close writes what was asked for before, also what waits, and is idempotent', async () => {
      user.level = 1;
      const first = user.save();
      user.level = 2;
      const second = user.save();
      const closing = service.close();
      expect(service.close()).to.equal(closing);
      await closing;
      expect(driver.text('user:ann')).to.equal(text(2));
      await Promise.all([first, second]);
    });

    it('leaves a backend that was passed in open', async () => {
      await user.save();
      await service.close();
      expect(driver.closed).to.equal(false);
    });

    it('closes a backend that the service opened', async () => {
      const own = new Service({ backend: 'memory:' });
      const Own = own.register(class User extends Store {}, {});
      await new Own('x').save();
      await own.close();
      await refuses(() => new Own('y').save(), 'ClosedError');
      const unused = new Service({ backend: 'memory:' });
      await unused.close();
    });

    it('rejects what is asked for afterwards', async () => {
      await user.save();
      await service.close();
      await refuses(() => user.save(), 'ClosedError', /the service is closed/);
      await refuses(() => user.load(), 'ClosedError');
      await refuses(() => user.delete(), 'ClosedError');
      await refuses(() => User.load('bob'), 'ClosedError');
      await refuses(() => User.manager.delete('bob'), 'ClosedError');
      await refuses(() => User.saved(), 'ClosedError');
      await refuses(() => service.open(), 'ClosedError');
      expect(user.active).to.equal(true);
    });

    it('is done by await using', async () => {
      {
        await using own = new Service({ backend: new Backend(driver) });
        void new (own.register(class Item extends Store {}))('x').save();
      }
      expect(driver.text('item:x')).to.equal('{}\n');
    });

    it('may be tried again where opening failed', async () => {
      const own = new Service({ backend: 'nowhere:at-all' });
      const Own = own.register(class User extends Store {});
      await errorOf(() => new Own('x').save());
      await errorOf(() => own.open());
      await own.close();
    });
  });
});
