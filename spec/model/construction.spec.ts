import { expect } from 'chai';
import { Field, FieldType, Service, SessionField, Store, StoredIn } from 'keepsake';
import { openForModels, refuses } from '../support/models.js';

describe('construction', () => {
  let service: Service;
  beforeEach(() => {
    service = new Service({ backend: openForModels() });
  });

  it('checks the key, runs initialisers and constructors, sets defaults and values, lets types contribute, and makes active', async () => {
    const log: string[] = [];
    class Noting extends FieldType<unknown> {
      override encode = (value: unknown) => value;
      override decode = (form: unknown) => form;
      override contributeToInstance(store: Store, name: string) {
        const { level } = store as unknown as User;
        log.push(`contribute ${name} ${level} ${String(store.active)}`);
      }
    }
    function initial<T>(name: string, value: T): T {
      log.push(`initialise ${name}`);
      return value;
    }
    @StoredIn(service)
    class User extends Store {
      @Field.with(new Noting()) noted = initial('noted', 1);
      @Field({ default: () => initial('default', 3) }) level!: number;
      constructor(key: string) {
        super(key);
        log.push(`body ${this.key} ${String(this.level)} ${String(this.active)}`);
      }
    }
    await refuses(() => new User('a b'), 'InvalidKeyError');
    expect(log).to.deep.equal([]);
    User.create('ANN', { level: 7 });
    expect(log).to.deep.equal([
      'initialise noted',
      'body ann undefined false',
      'initialise default',
      'contribute noted 7 false',
    ]);
    expect(User.get('ann')?.active).to.equal(true);
  });

  it('gives the same object by new and by create', () => {
    @StoredIn(service)
    class User extends Store {
      @Field() name = 'none';
      @Field({ default: 1 }) level!: number;
    }
    const one = new User('one');
    const two = User.create('two');
    expect({ ...one, key: '' }).to.deep.equal({ ...two, key: '' });
    expect([...User.active().values()]).to.deep.equal([one, two]);
    expect(one.constructor).to.equal(User);
  });

  it('lets given values win over initialisers, constructors and defaults, and skips those that are undefined', () => {
    @StoredIn(service)
    class User extends Store {
      @Field() name = 'initial';
      @Field({ default: 1 }) level!: number;
      @Field() note: string | null = 'x';
      @SessionField() seen = 0;
      constructor(key: string) {
        super(key);
        this.name = 'body';
      }
    }
    const user = User.create('x', { name: 'given', level: 9, note: null, seen: 4 });
    expect([user.name, user.level, user.note, user.seen]).to.deep.equal(['given', 9, null, 4]);
    const other = User.create('y', { name: undefined, level: undefined });
    expect([other.name, other.level]).to.deep.equal(['body', 1]);
    expect(Object.hasOwn(other.toDict(), 'seen')).to.equal(false);
  });

  it('refuses values of no field, and leaves nothing behind', async () => {
    @StoredIn(service)
    class User extends Store {
      @Field() name = '';
    }
    await refuses(
      () => User.create('x', { nope: 1 } as never),
      'InvalidArgumentError',
      /User\.create: there is no field "nope"; there are name/,
    );
    await refuses(() => User.create('x', JSON.parse('{"__proto__": 1}')), 'InvalidArgumentError', /"__proto__"/);
    await refuses(() => User.create('x', { key: 'y' } as never), 'InvalidArgumentError', /"key"/);
    await refuses(() => User.create('x', 5 as never), 'InvalidArgumentError', /values must be an object/);
    await refuses(() => new (User as never as new (...rest: unknown[]) => User)('x', {}), 'InvalidArgumentError');
    expect(User.active().size).to.equal(0);
  });

  it('of an object whose constructor throws leaves nothing behind', async () => {
    let fail = true;
    @StoredIn(service)
    class User extends Store {
      constructor(key: string) {
        super(key);
        if (fail) throw new RangeError('not today');
      }
    }
    await refuses(() => new User('x'), 'RangeError', /not today/);
    expect(User.active().size).to.equal(0);
    fail = false;
    expect(new User('x').active).to.equal(true);
  });

  it('of an object whose type throws leaves nothing behind', async () => {
    class Failing extends FieldType<unknown> {
      override encode = (value: unknown) => value;
      override decode = (form: unknown) => form;
      override contributeToInstance() {
        throw new RangeError('no');
      }
    }
    @StoredIn(service)
    class User extends Store {
      @Field.with(new Failing()) name = 1;
    }
    await refuses(() => new User('x'), 'RangeError');
    expect(User.active().size).to.equal(0);
  });

  it('under an active key is refused, and the active object stays', async () => {
    @StoredIn(service)
    class User extends Store {}
    const user = new User('x');
    await refuses(() => new User('X'), 'DuplicateKeyError', /User\.get\("x"\)/);
    await refuses(() => User.create('x'), 'DuplicateKeyError');
    expect(User.get('x')).to.equal(user);
  });

  it('works with private members, of objects and of the class', () => {
    // The legacy mode has no syntax for a decorated class with private statics.
    class Plain extends Store {
      static #made = 0;
      #count = 1;
      @Field() step = 2;
      static made() {
        return Plain.#made;
      }
      constructor(key: string) {
        super(key);
        Plain.#made++;
      }
      #add() {
        this.#count += this.step;
      }
      next() {
        this.#add();
        return this.#count;
      }
      static of(key: string) {
        return new this(key);
      }
    }
    const Counter = StoredIn(service)(Plain);
    const counter = Counter.of('x');
    expect([counter.next(), counter.next(), Counter.made()]).to.deep.equal([3, 5, 1]);
    expect(counter).to.be.instanceOf(Counter);
    expect(counter.active).to.equal(true);
  });

  it('by the class name inside the class works as outside', () => {
    @StoredIn(service)
    class User extends Store {
      static of(key: string) {
        return new User(key);
      }
      twin() {
        return User.create(`${this.key}-twin`);
      }
    }
    expect(User.of('x').twin()).to.equal(User.get('x-twin'));
  });

  it('runs once for a class with decorated bases', () => {
    let built = 0;
    @StoredIn(service)
    class User extends Store {
      @Field({ default: () => ++built }) number!: number;
    }
    @StoredIn(service)
    class Admin extends User {}
    expect(new Admin('x').number).to.equal(1);
    expect([User.active().size, Admin.active().size]).to.deep.equal([0, 1]);
  });
});
