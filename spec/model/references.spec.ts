import { inspect } from 'node:util';
import { expect } from 'chai';
import { Field, Ref, Service, Store, StoredIn, types } from 'keepsake';
import { openForModels, refuses, textOf } from '../support/models.js';

const backend = openForModels();
const service = new Service({ backend });

@StoredIn(service)
class User extends Store {
  @Field() name = '';
  @Field({ type: types.ref(() => User) }) mentor?: Ref<User>;
  @Field({ type: types.nullable(types.ref(() => Club)) }) club: Ref<Club> | null = null;
}

@StoredIn(service)
class Admin extends User {}

@StoredIn(service)
class Club extends Store {
  @Field() title = '';
  @Field({ type: types.set(types.ref(() => User)) }) members = new Set<Ref<User>>();
}

describe('references', () => {
  beforeEach(async () => {
    for (const store of [...User.active().values(), ...Club.active().values()]) store.manager.removeActive(store);
    await backend.clear();
  });

  it('are written as the key', async () => {
    const ann = User.create('ann', { mentor: User.ref('BOB') });
    expect(ann.toDict()).to.deep.equal({ name: '', mentor: 'bob', club: null });
    await ann.save();
    expect(await textOf(backend, 'user:ann')).to.contain('"mentor": "bob"');
    User.manager.removeActive(ann);
    const again = await User.load('ann');
    expect(again?.mentor).to.be.instanceOf(Ref);
    expect(again?.mentor?.key).to.equal('bob');
    expect(again?.mentor?.target).to.equal(User);
  });

  it('give the active object at once, and load others', async () => {
    const bob = new User('bob');
    const ref = User.ref(bob);
    expect(ref.current).to.equal(bob);
    expect(await ref.load()).to.equal(bob);
    await bob.save();
    User.manager.removeActive(bob);
    expect(ref.current).to.equal(undefined);
    const loaded = await ref.load();
    expect(loaded?.key).to.equal('bob');
    expect(ref.current).to.equal(loaded);
  });

  it('to what is missing never create it', async () => {
    const ref = User.ref('nobody');
    expect([ref.current, await ref.load()]).to.deep.equal([undefined, undefined]);
    expect(User.active().size).to.equal(0);
    expect(await backend.count()).to.equal(0);
    expect(new User('ann').fromDict({ mentor: 'nobody' }).mentor?.current).to.equal(undefined);
  });

  it('may go round in a circle', async () => {
    const ann = User.create('ann');
    const club = Club.create('chess', { title: 'Chess', members: new Set([User.ref(ann)]) });
    ann.club = Club.ref(club);
    ann.mentor = User.ref(ann);
    await User.manager.saveAll();
    await Club.manager.saveAll();
    User.manager.removeActive(ann);
    Club.manager.removeActive(club);
    const loaded = await User.load('ann');
    const chess = await loaded?.club?.load();
    const [member] = chess?.members ?? [];
    expect(member?.current).to.equal(loaded);
    expect(loaded?.mentor?.current).to.equal(loaded);
  });

  it('to another class are refused, a subclass too', async () => {
    const ann = new User('ann');
    ann.mentor = Admin.ref('bob');
    await refuses(() => ann.toDict(), 'EncodeError', /User "ann": mentor: .*reference to User, but to Admin/);
    ann.mentor = Club.ref('chess') as never;
    await refuses(() => ann.save(), 'EncodeError', /but to Club/);
    ann.mentor = new User('bob') as never;
    await refuses(() => ann.save(), 'EncodeError', /a User is not a Ref; write User\.ref\(user\)/);
    ann.mentor = 'bob' as never;
    await refuses(() => ann.save(), 'EncodeError', /"bob" is not a Ref/);
    await refuses(
      () => User.ref(new Admin('root')),
      'InvalidArgumentError',
      /ref: an object of User is expected; got a Admin/,
    );
    await refuses(() => User.ref(undefined as never), 'InvalidKeyError');
  });

  it('have valid keys, wherever they come from', async () => {
    expect(new Ref(() => User, 'ANN').key).to.equal('ann');
    await refuses(() => new Ref(() => User, 'a b'), 'InvalidKeyError');
    const ann = new User('ann');
    expect(ann.fromDict({ mentor: 'Bob' }).mentor?.key).to.equal('bob');
    await refuses(() => ann.fromDict({ mentor: '../x' }), 'CorruptDataError', /mentor: .*"\.\.\/x"/);
    await refuses(() => ann.fromDict({ mentor: 5 }), 'CorruptDataError', /mentor: 5 is not a key/);
  });

  it('are found by their key', async () => {
    const ann = User.create('ann', { mentor: User.ref('bob') });
    User.create('cat', { mentor: User.ref('dan') });
    expect(await User.find({ mentor: User.ref('bob') })).to.deep.equal([ann]);
  });

  it('show their key', () => {
    expect(inspect(User.ref('ann'))).to.equal("Ref { key: 'ann' }");
  });
});
