import { expect } from 'chai';
import { Field, FieldType, Service, SessionField, Store, StoredIn, types } from 'keepsake';
import { decorators, openForModels, refuses } from '../support/models.js';

describe('fields', () => {
  let service: Service;
  beforeEach(() => {
    service = new Service({ backend: openForModels() });
  });

  const declareField = (name: string) =>
    service.register(class User extends Store {}, { fields: { [name]: Field() } as never });

  describe('names', () => {
    const members = [Store.prototype, Object.prototype].flatMap((one) => Object.getOwnPropertyNames(one));
    const reserved = new Set([...members, 'service', 'manager', 'key', 'active', 'abstract', 'then', '__proto__']);
    for (const name of reserved) {
      it(`refuse ${name}`, () =>
        refuses(
          () =>
            service.register(class User extends Store {}, {
              fields: Object.defineProperty({}, name, { value: Field(), enumerable: true }),
            }),
          'ReservedNameError',
          new RegExp(`User\\.${name}: (the name is taken|a field cannot start)`),
        ));
    }

    for (const name of ['_', '_name', '__name', '$', '$version', '$name']) {
      it(`refuse ${name}, for how it starts`, () =>
        refuses(() => declareField(name), 'ReservedNameError', /a field cannot start with "[_$]"/));
    }

    it('refuse a reserved one of a decorated property, with class and field', () =>
      refuses(
        () => {
          @StoredIn(service)
          class Trap extends Store {
            // biome-ignore lint/suspicious/noThenProperty: what is refused here
            @Field() then = 1;
          }
          void Trap;
        },
        'ReservedNameError',
        /Trap\.then/,
      ));

    it('refuse a reserved one of an undecorated base, at the class that is registered', () => {
      class Base extends Store {
        @Field() _secret = 1;
      }
      return refuses(() => service.register(class User extends Base {}), 'ReservedNameError', /User\._secret/);
    });

    it('take others: a middle underscore, digits, letters of any script', () => {
      for (const name of ['first_name', 'a$', 'größe', 'x1', 'constructor2', 'length', 'name']) {
        const User = service.register(class User extends Store {}, { name, fields: { [name]: Field() } as never });
        expect(User.create('x', { [name]: 1 } as never).toDict()).to.deep.equal({ [name]: 1 });
      }
    });
  });

  describe('what is no field', () => {
    it('is a static property', () =>
      refuses(
        () => {
          class User extends Store {
            @(Field() as unknown as (...parts: unknown[]) => void) static count = 0;
          }
          void User;
        },
        'DeclarationError',
        /count is static; fields belong to objects/,
      ));

    it('is a property named by a symbol', () =>
      refuses(
        () => {
          const symbol = Symbol('secret');
          class User extends Store {
            @(Field() as unknown as (...parts: unknown[]) => void) [symbol] = 0;
          }
          void User;
        },
        'DeclarationError',
        /symbol|Symbol\(secret\)/,
      ));

    it('is a private property, or one of a compiler that gives no metadata', async () => {
      const decorate = Field() as unknown as (target: undefined, context: object) => void;
      const context = { kind: 'field', name: '#secret', static: false, private: true, metadata: {} };
      await refuses(
        () => decorate(undefined, context),
        'DeclarationError',
        /#secret is private; fields must be public/,
      );
      await refuses(
        () => decorate(undefined, { kind: 'field', name: 'name', static: false, private: false }),
        'DeclarationError',
        /gave no metadata for name/,
      );
    });

    it('is a method', () => {
      return refuses(
        () => {
          class User extends Store {
            @(Field() as unknown as (...parts: unknown[]) => void) greet() {}
          }
          void User;
        },
        'DeclarationError',
        /greet is a method; only properties can be fields/,
      );
    });
  });

  it('may be auto-accessors', async () => {
    @StoredIn(service)
    class User extends Store {
      @Field() accessor name = 'none';
      @Field({ default: 3 }) accessor level!: number;
    }
    const user = User.create('x', { name: 'X' });
    expect(user.toDict()).to.deep.equal({ name: 'X', level: 3 });
    user.level = 4;
    await user.save();
    User.manager.removeActive(user);
    expect((await User.load('x'))?.level).to.equal(4);
  });

  describe('options', () => {
    it('are known ones', async () => {
      await refuses(() => Field({ typ: 1 } as never), 'InvalidArgumentError', /no option "typ"/);
      await refuses(() => Field(null as never), 'InvalidArgumentError', /got null/);
      await refuses(() => Field({ type: Date as never }), 'InvalidArgumentError', /such as \(\) => Date/);
      await refuses(() => Field({ type: 'date' as never }), 'InvalidArgumentError', /got "date"/);
    });

    it('may say session, as SessionField does', () => {
      @StoredIn(service)
      class User extends Store {
        @Field({ session: true }) seen = 1;
        @SessionField() heard = 2;
      }
      const user = new User('x');
      expect(user.toDict()).to.deep.equal({});
      expect(user.toDict({ session: true })).to.deep.equal({ seen: 1, heard: 2 });
    });
  });

  describe('defaults', () => {
    it('are copied for each object', () => {
      const list = [[1]];
      @StoredIn(service)
      class User extends Store {
        @Field({ default: list }) list!: number[][];
        @Field({ default: { a: new Map([['b', new Set([1])]]) } }) tree!: { a: Map<string, Set<number>> };
        @Field({ default: new Date(5) }) since!: Date;
      }
      const [one, two] = [new User('one'), new User('two')];
      one.list[0]?.push(2);
      one.tree.a.get('b')?.add(2);
      one.since.setTime(6);
      expect(two.list).to.deep.equal([[1]]);
      expect(two.tree.a.get('b')?.size).to.equal(1);
      expect(two.since.getTime()).to.equal(5);
      expect(list).to.deep.equal([[1]]);
    });

    it('of initialisers are not shared either', () => {
      @StoredIn(service)
      class User extends Store {
        @Field() list: number[] = [];
      }
      new User('one').list.push(1);
      expect(new User('two').list).to.deep.equal([]);
    });

    it('are made by a function for each object, without arguments', () => {
      let made = 0;
      @StoredIn(service)
      class User extends Store {
        @Field({ default: (...rest: unknown[]) => ({ made: ++made, given: rest.length }) }) id!: {
          made: number;
          given: number;
        };
      }
      expect([new User('one').id, new User('two').id]).to.deep.equal([
        { made: 1, given: 0 },
        { made: 2, given: 0 },
      ]);
      expect(User.create('three', { id: { made: 0, given: 0 } }).id.made).to.equal(0);
    });

    it('stand only where the initialiser left nothing', () => {
      @StoredIn(service)
      class User extends Store {
        @Field({ default: 3 }) level = 5;
        @Field({ default: 3 }) nothing: number | null = null;
      }
      const user = new User('x');
      expect([user.level, user.nothing]).to.deep.equal([5, null]);
    });

    it('that would not be the same once copied are refused, parts of them too', async () => {
      class Point {}
      const values = [new Point(), [new Point()], { deep: new Map([[1, new Point()]]) }, { make: () => 1 }];
      for (const [index, value] of values.entries()) {
        await refuses(
          () =>
            service.register(class User extends Store {}, {
              name: `user${index}`,
              fields: { point: Field({ default: value as object }) as never },
            }),
          'DeclarationError',
          /User\.point: a (Point|function make) cannot be copied.*give a function/,
        );
      }
    });
  });

  describe('Field.with', () => {
    it('makes a decorator of a type', () => {
      class Celsius extends FieldType<number> {
        override encode(value: number) {
          return `${value} °C`;
        }
        override decode(form: unknown) {
          return Number.parseFloat(String(form));
        }
      }
      const Temperature = Field.with(new Celsius());
      const Fever = Field.with(new Celsius(), { default: 39 });
      @StoredIn(service)
      class Patient extends Store {
        @Temperature now = 37;
        @Temperature before?: number;
        @Fever limit!: number;
        @Field.with(new Celsius(), { session: true }) last = 36;
      }
      const patient = new Patient('x');
      expect(patient.toDict()).to.deep.equal({ now: '37 °C', limit: '39 °C' });
      expect(patient.fromDict({ before: '38.5 °C' }).before).to.equal(38.5);
      expect(patient.toDict({ session: true }).last).to.equal('36 °C');
    });
  });

  it('refuse to be made with no type by Field.with', () =>
    refuses(() => Field.with(undefined as never), 'InvalidArgumentError', /type must be.*got undefined/));

  it('read what people write by hand for the type that the legacy mode wrote down', async () => {
    @StoredIn(service)
    class User extends Store {
      @Field() joined: Date = new Date(0);
      @Field() tags: Set<string> = new Set();
      @Field() points: bigint = 0n;
      @Field() name: string = '';
    }
    const user = new User('x');
    const own = user.toDict();
    expect(own.joined).to.deep.equal({ $date: '1970-01-01T00:00:00.000Z' });
    expect(user.fromDict(structuredClone(own)).toDict()).to.deep.equal(own);
    user.fromDict({ joined: '1970-01-01T00:00:00.005Z', tags: ['a'], points: 5, name: '2026-01-01' });
    expect(user.name).to.equal('2026-01-01');
    const typed = { joined: new Date(5), tags: new Set(['a']), points: 5n };
    const plain = { joined: '1970-01-01T00:00:00.005Z', tags: ['a'], points: 5 };
    const { joined, tags, points } = user as unknown as typeof typed;
    expect({ joined, tags, points }).to.deep.equal(decorators === 'legacy' ? typed : plain);
  });

  it('may share one definition among classes', () => {
    const Name = Field({ type: types.list(types.date) });
    @StoredIn(service)
    class A extends Store {
      @Name dates: Date[] = [new Date(0)];
    }
    @StoredIn(service)
    class B extends Store {
      @Name others: Date[] = [];
    }
    expect([new A('x').toDict(), new B('x').toDict()]).to.deep.equal([
      { dates: ['1970-01-01T00:00:00.000Z'] },
      { others: [] },
    ]);
  });
});
