import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { expect } from 'chai';
import { Field, Manager, Service, SessionField, Store, StoredIn } from 'keepsake';
import { openForModels, refuses } from '../support/models.js';

describe('declaring classes', () => {
  let service: Service;
  beforeEach(() => {
    service = new Service({ backend: openForModels() });
  });

  describe('the service', () => {
    it('is needed', () =>
      refuses(
        () => {
          @StoredIn(undefined)
          class User extends Store {}
          void User;
        },
        'DeclarationError',
        /User.*needs a service; got undefined/,
      ));

    it('knows its classes by name', () => {
      @StoredIn(service)
      class User extends Store {}
      expect([...service.stores]).to.deep.equal([['user', User]]);
    });

    it('lets another service have a class of the same name, kept apart and closed apart', async () => {
      const backend = openForModels();
      const other = new Service({ backend });
      const first = (() => {
        @StoredIn(service)
        class User extends Store {
          @Field() name = 'first';
        }
        return User;
      })();
      const second = (() => {
        @StoredIn(other)
        class User extends Store {
          @Field() name = 'second';
        }
        return User;
      })();
      const [one, two] = [new first('ann'), new second('ann')];
      expect([one.service, two.service]).to.deep.equal([service, other]);
      await one.save();
      await service.close();
      await refuses(() => one.save(), 'ClosedError');
      await two.save();
      expect([...(await second.saved()).values()]).to.deep.equal([two]);
      await other.close();
      await refuses(() => two.save(), 'ClosedError');
    });

    it('takes no class once it is closed', async () => {
      await service.close();
      await refuses(() => service.register(class User extends Store {}), 'DeclarationError', /closed/);
    });

    it('refuses a backend that is none', () =>
      refuses(() => new Service({ backend: 7 as never }), 'InvalidArgumentError', /backend.*got 7/));
  });

  describe('names', () => {
    it('are the class name in lower case, of a–z, 0–9, _ and -', async () => {
      @StoredIn(service)
      class Größe_2 extends Store {}
      expect([...service.stores.keys()]).to.deep.equal(['gre_2']);
      await new Größe_2('x').save();
      expect(Größe_2.name).to.equal('Größe_2');
    });

    it('may be given', () => {
      @StoredIn(service, { name: 'US er!' })
      class Member extends Store {}
      expect(service.stores.get('user')).to.equal(Member);
    });

    it('are unique in their service, once they are stripped', () => {
      @StoredIn(service)
      class User extends Store {}
      void User;
      return refuses(
        () => service.register(class Other extends Store {}, { name: 'US er!' }),
        'DuplicateNameError',
        /Other: the name "user" is taken in this service by User/,
      );
    });

    it('must not be empty', async () => {
      await refuses(() => service.register(class extends Store {}), 'DeclarationError', /leaves no name/);
      await refuses(() => service.register(class Ö extends Store {}), 'DeclarationError', /"Ö" leaves no name/);
    });
  });

  describe('options', () => {
    it('are known ones', async () => {
      const options = { nope: 1 } as never;
      await refuses(() => service.register(class User extends Store {}, options), 'DeclarationError', /User.*"nope"/);
      await refuses(
        () => {
          @StoredIn(service, { abstract: true, ...(options as object) })
          class Base extends Store {}
          void Base;
        },
        'DeclarationError',
        /"nope"/,
      );
      await refuses(() => service.register(class User extends Store {}, null as never), 'DeclarationError', /null/);
      await refuses(
        () => service.register(class User extends Store {}, { concurrency: 'first' as never }),
        'DeclarationError',
        /'last' or 'optimistic'; got "first"/,
      );
    });
  });

  describe('abstract classes', () => {
    it('need no service, have no objects, and hand down their fields but not that they are abstract', async () => {
      @StoredIn(undefined, { abstract: true })
      class Base extends Store {
        @Field() name = 'none';
      }
      @StoredIn(service)
      class User extends Base {}
      await refuses(() => new (Base as new (key: string) => Base)('x'), 'UnregisteredClassError', /Base/);
      expect([...service.stores.keys()]).to.deep.equal(['user']);
      expect(new User('x').toDict()).to.deep.equal({ name: 'none' });
    });

    it('may be left undecorated', async () => {
      class Base extends Store {
        @Field() name = 'none';
        greet() {
          return `I am ${this.name}`;
        }
      }
      @StoredIn(service)
      class User extends Base {
        @Field() age = 3;
      }
      expect(new User('x').toDict()).to.deep.equal({ name: 'none', age: 3 });
      expect(User.create('y', { name: 'Y' }).greet()).to.equal('I am Y');
      await refuses(() => new Base('x'), 'UnregisteredClassError', /decorate it with @StoredIn\(service\)/);
    });
  });

  describe('subclasses', () => {
    it('have the fields of their bases first, overridden in place, objects and a folder of their own', async () => {
      @StoredIn(service)
      class User extends Store {
        @Field() name = 'user';
        @Field() level = 1;
        @SessionField() seen = 0;
      }
      @StoredIn(service)
      class Admin extends User {
        @Field() rights = ['all'];
        @Field() override name = 'admin';
        @Field() override seen = 7;
      }
      const admin = new Admin('ann');
      const user = new User('ann');
      expect(Object.entries(admin.toDict())).to.deep.equal([
        ['name', 'admin'],
        ['level', 1],
        ['seen', 7],
        ['rights', ['all']],
      ]);
      expect(user.toDict()).to.deep.equal({ name: 'user', level: 1 });
      expect([User.get('ann'), Admin.get('ann')]).to.deep.equal([user, admin]);
      await admin.save();
      expect((await User.saved()).size).to.equal(0);
      expect(admin).to.be.instanceOf(User);
    });

    it('must be decorated themselves', () => {
      @StoredIn(service)
      class User extends Store {}
      class Admin extends User {}
      return refuses(() => new Admin('ann'), 'UnregisteredClassError', /Admin is not registered/);
    });

    it('take fields from mixins', () => {
      function Named<C extends abstract new (...rest: never[]) => Store>(Base: C) {
        abstract class Mixed extends (Base as unknown as typeof Store) {
          @Field() name = 'mixed';
        }
        return Mixed;
      }
      @StoredIn(service)
      class User extends Named(Store) {
        @Field() level = 2;
      }
      expect(new User('x').toDict()).to.deep.equal({ name: 'mixed', level: 2 });
    });

    it('hold on to class decorators that replace nothing', () => {
      const seen: string[] = [];
      const note = (target: { name: string }, _?: unknown): void => void seen.push(target.name);
      @note
      @StoredIn(service)
      class User extends Store {}
      expect(new User('x').constructor).to.equal(User);
      expect(seen).to.deep.equal(['User']);
    });
  });

  describe('managers', () => {
    it('are objects of Manager', () =>
      refuses(
        () => {
          class Wrong extends Store {
            static override readonly manager = Manager as never;
          }
          service.register(Wrong);
        },
        'DeclarationError',
        /Wrong\.manager must be an object of Manager, not a function Manager/,
      ));

    it('belong to one class: a subclass gets a fresh one of the same type', () => {
      class UserManager extends Manager<User> {
        count2() {
          return this.active().size;
        }
      }
      @StoredIn(service)
      class User extends Store {
        static override readonly manager = new UserManager();
      }
      @StoredIn(service)
      class Admin extends User {}
      @StoredIn(service)
      class Plain extends Store {}
      new Admin('x');
      expect(Admin.manager).to.be.instanceOf(UserManager);
      expect([User.manager.count2(), Admin.manager.count2()]).to.deep.equal([0, 1]);
      expect(Plain.manager).to.not.equal(Store.manager);
      expect(new Plain('x').manager).to.equal(Plain.manager);
    });

    it('with constructor arguments override clone', async () => {
      class Limited extends Manager {
        readonly limit: number;
        constructor(limit: number) {
          super();
          if (limit === undefined) throw new TypeError('a limit is needed');
          this.limit = limit;
        }
        override clone() {
          return new Limited(this.limit * 2);
        }
      }
      @StoredIn(service)
      class User extends Store {
        static override readonly manager = new Limited(5);
      }
      @StoredIn(service)
      class Admin extends User {}
      expect([User.manager.limit, Admin.manager.limit]).to.deep.equal([5, 10]);
      class Same extends Manager {
        override clone() {
          return this;
        }
      }
      const manager = new Same();
      service.register(
        class A extends Store {
          static override readonly manager = manager;
        },
      );
      await refuses(
        () =>
          service.register(
            class B extends Store {
              static override readonly manager = manager;
            },
          ),
        'DeclarationError',
        /Same\.clone\(\) must give a new manager/,
      );
    });

    it('contribute to their class when it is declared', () => {
      const calls: unknown[] = [];
      class Noting extends Manager {
        override contributeToClass(storeClass: typeof Store, name: string) {
          calls.push(storeClass.name, name, this.active().size);
        }
      }
      service.register(
        class User extends Store {
          static override readonly manager = new Noting();
        },
      );
      expect(calls).to.deep.equal(['User', 'manager', 0]);
    });

    it('of no class say so', () => refuses(() => new Manager().active(), 'DeclarationError', /belongs to no class/));
  });

  describe('register', () => {
    it('does without decorators', async () => {
      const User = service.register(
        class User extends Store {
          name = '';
          client?: object;
          greet() {
            return `hi ${this.name}`;
          }
        },
        { name: 'people', fields: { name: Field(), client: SessionField() } },
      );
      const ann = User.create('Ann', { name: 'Ann', client: {} });
      expect(ann.greet()).to.equal('hi Ann');
      expect(ann.toDict()).to.deep.equal({ name: 'Ann' });
      await ann.save();
      User.manager.removeActive(ann);
      expect((await User.load('ann'))?.toDict()).to.deep.equal({ name: 'Ann' });
    });

    it('refuses what is no field', () =>
      refuses(
        () => service.register(class User extends Store {}, { fields: { name: '' as never } }),
        'DeclarationError',
        /fields: name must be Field\(…\) or SessionField\(…\); got ""/,
      ));

    it('refuses what is no Store', () =>
      refuses(() => service.register(class User {} as never), 'DeclarationError', /extends Store.*a function User/));
  });

  it('lets model files import each other', async () => {
    const { Author, Book } = await import('./fixtures/author.js');
    const author = Author.create('poe', { name: 'Poe' });
    const book = Book.create('raven', { author: Author.ref(author) });
    author.books = [Book.ref('raven')];
    expect(book.author?.current).to.equal(author);
    expect(author.books[0]?.current).to.equal(book);
  });

  it('notices a second copy of the package', async function () {
    this.timeout(20_000);
    const root = fileURLToPath(new URL('../../../../', import.meta.url));
    const folder = mkdtempSync(join(tmpdir(), 'keepsake-copy-'));
    try {
      cpSync(join(root, 'dist'), join(folder, 'dist'), { recursive: true });
      cpSync(join(root, 'package.json'), join(folder, 'package.json'));
      const { symlinkSync } = await import('node:fs');
      symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
      const copy = (await import(pathToFileURL(join(folder, 'dist/index.js')).href)) as typeof import('keepsake');
      expect(copy.Store).to.not.equal(Store);
      await refuses(
        () => service.register(class User extends copy.Store {} as never),
        'DeclarationError',
        /User is of another copy of keepsake/,
      );
      await refuses(
        () => copy.StoredIn(service as never)(class User extends copy.Store {}),
        'DeclarationError',
        /the service of User is of another copy of keepsake/,
      );
      const error = new copy.InvalidKeyError('x');
      const { isKeepsakeError } = await import('keepsake');
      expect(isKeepsakeError(error, 'KEEPSAKE_INVALID_KEY')).to.equal(true);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
