import { expect } from 'chai';
import { Field, Manager, memory, type Ref, Service, SessionField, Store, StoredIn, types } from 'keepsake';

const service = new Service({ backend: memory() });

class UserManager extends Manager<User> {
  byName(name: string) {
    return [...this.active().values()].find((user) => user.name === name);
  }
}

class Address {
  @Field() city = '';
  @Field({ type: types.nullable(types.date) }) since: Date | null = null;
}

@StoredIn(service)
class User extends Store {
  static override readonly manager = new UserManager();
  @Field() name = '';
  @Field() joined = new Date(0);
  @Field({ default: 3 }) level!: number;
  @Field({ type: types.set(types.bigint) }) badges = new Set<bigint>();
  @Field({ type: types.list(() => Address) }) addresses: Address[] = [];
  @Field({ type: types.ref(() => User) }) mentor?: Ref<User>;
  @SessionField() client?: { id: number };
  greet() {
    return `hi ${this.name}`;
  }
}

@StoredIn(service)
class Admin extends User {
  @Field() override name = 'root';
}

describe('models', () => {
  it('work', async () => {
    const ann = User.create('Ann', { name: 'Ann', badges: new Set([1n]) });
    const address = new Address();
    address.city = 'Ulm';
    ann.addresses.push(address);
    ann.mentor = User.ref('Bob');
    expect(ann.level).to.equal(3);
    expect(User.get('ANN')).to.equal(ann);
    await ann.save();
    expect(User.manager.byName('Ann')).to.equal(ann);
    User.manager.removeActive(ann);
    const again = await User.load('ann');
    expect(again).to.not.equal(ann);
    expect(again?.toDict()).to.deep.equal(ann.toDict());
    expect(again?.addresses[0]).to.be.instanceOf(Address);
    expect(again?.greet()).to.equal('hi Ann');
    expect(await again?.mentor?.load()).to.equal(undefined);
    const admin = new Admin('x');
    expect(admin.name).to.equal('root');
    expect(Admin.manager).to.be.instanceOf(UserManager);
    expect(Admin.manager).to.not.equal(User.manager);
    expect([...(await User.all()).keys()]).to.deep.equal(['ann']);
    expect(await User.find({ name: 'Ann' })).to.deep.equal([again]);
  });
});
