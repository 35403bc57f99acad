import { expect } from 'chai';
import { Backend, Field, Service, SessionField, Store, StoredIn, TempStore, TempStoreMixin } from 'keepsake';
import { BytesDriver } from '../support/models.js';

describe('temporary stores', () => {
  const driver = new BytesDriver();
  const service = new Service({ backend: new Backend(driver) });

  @StoredIn(service)
  class User extends Store {
    @Field() name = '';
  }

  @StoredIn(service)
  class Guest extends TempStore {
    @Field() name = 'guest';
    @SessionField() socket?: object;
  }

  @StoredIn(service)
  class Visitor extends TempStoreMixin(User) {
    @Field() visits = 1;
  }

  for (const Temporary of [Guest, Visitor]) {
    describe(Temporary.name, () => {
      it('is never saved and never loaded', async () => {
        const one = Temporary.create('one', { name: 'One' });
        await one.save();
        await one.save({ force: true });
        await Temporary.manager.saveAll();
        expect(await one.load()).to.equal(false);
        expect(one.name).to.equal('One');
        expect(await Temporary.load('two')).to.equal(undefined);
        expect(driver.stored.size + driver.reads).to.equal(0);
      });

      it('lives in memory as any other', async () => {
        const one = Temporary.get('one');
        expect(await Temporary.load('ONE')).to.equal(one);
        expect([...(await Temporary.all()).values()]).to.deep.equal([one]);
        expect((await Temporary.saved()).size).to.equal(0);
        expect(await Temporary.find({ name: 'One' })).to.deep.equal([one]);
        expect([await Temporary.manager.count(), await Temporary.manager.has('one')]).to.deep.equal([1, true]);
        expect(await Temporary.manager.has('two')).to.equal(false);
        const two = await Temporary.loadOrCreate('two');
        expect(await Temporary.manager.delete('two')).to.equal(true);
        expect(await Temporary.manager.delete('two')).to.equal(false);
        expect(two.active).to.equal(false);
        expect(await one?.delete()).to.equal(false);
        expect(Temporary.active().size).to.equal(0);
        expect(driver.stored.size + driver.reads + driver.removed).to.equal(0);
      });
    });
  }

  describe('beside others', () => {
    it('keep session fields, and give them when asked', () => {
      const socket = { id: 1 };
      const guest = Guest.create('x', { socket });
      expect(guest.toDict()).to.deep.equal({ name: 'guest' });
      expect(guest.toDict({ session: true })).to.deep.equal({ name: 'guest', socket });
    });

    it('leave the class they were made of as it is', async () => {
      const visitor = new Visitor('x');
      expect(visitor).to.be.instanceOf(User);
      expect(visitor.toDict()).to.deep.equal({ name: '', visits: 1 });
      await new User('x').save();
      expect([...driver.stored.keys()]).to.deep.equal(['user:x']);
    });
  });
});
