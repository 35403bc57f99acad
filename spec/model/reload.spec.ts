import { setImmediate } from 'node:timers/promises';
import { expect } from 'chai';
import {
  Backend,
  Field,
  FieldType,
  type Purpose,
  type Ref,
  type ReloadReport,
  Service,
  SessionField,
  Store,
  StoredIn,
  TempStore,
  types,
} from 'keepsake';
import { rejection } from '../support/folders.js';
import { BytesDriver } from '../support/models.js';

/** Something that lives longer than any class of the models. */
class Client {
  user: unknown;
  readonly sent: string[] = [];
}

/** Lets a client know its user, whatever class that is of. */
class ClientField extends FieldType<Client> {
  encode(): unknown {
    throw new Error('a client has no form');
  }
  decode(): Client {
    throw new Error('a client has no form');
  }
  override serialise(store: Store, name: string, purpose: Purpose = 'save'): unknown {
    if (purpose !== 'reload') return undefined;
    const client = (store as unknown as Record<string, Client | undefined>)[name];
    if (client !== undefined) client.user = undefined;
    return client;
  }
  override deserialise(store: Store, name: string, client: unknown): void {
    (store as unknown as Record<string, unknown>)[name] = client;
    (client as Client).user = store;
  }
}

interface AnyUser extends Store {
  name: string;
  client?: Client | undefined;
  room?: unknown;
  friends?: unknown;
  best?: Ref<Store> | undefined;
  speak(): string;
}

type UserClass = (new (key: string) => AnyUser) & typeof Store;

let driver: BytesDriver;
let service: Service;
beforeEach(() => {
  driver = new BytesDriver();
  service = new Service({ backend: new Backend(driver) });
});

function declareUser(version = 1): UserClass {
  @StoredIn(service)
  class User extends Store {
    @Field() name = '';
    @Field() joined = new Date(0);
    @SessionField({ type: new ClientField() }) client?: Client;
    @SessionField() room?: unknown;
    @SessionField() friends?: unknown;
    @SessionField() best?: Ref<Store>;
    speak() {
      return `${this.name} of ${version}`;
    }
  }
  return User as unknown as UserClass;
}

const current = (): UserClass => service.stores.get('user') as unknown as UserClass;
const get = (key: string): AnyUser => current().get(key) as AnyUser;

describe('a reload', () => {
  it('puts all active objects together again by the new class', async () => {
    const User = declareUser(1);
    const ann = User.create('ann', { name: 'Ann' } as never) as AnyUser;
    await ann.save();
    User.create('bob', { name: 'Bob' } as never);
    const report = await service.reload(() => declareUser(2));
    expect([...report.restored]).to.deep.equal([['user', 2]]);
    expect(report).to.deep.include({ vanishedClasses: [], vanishedFields: [], dropped: [] });
    expect(get('ann')).not.to.equal(ann);
    expect(get('ann')).to.be.instanceOf(current());
    expect(get('ann').speak()).to.equal('Ann of 2');
    expect(get('bob').speak()).to.equal('Bob of 2');
    expect((get('ann') as unknown as { joined: Date }).joined).to.deep.equal(new Date(0));
  });

  it('hands session values over as they are', async () => {
    declareUser(1);
    const socket = { open: true };
    const ann = current().create('ann') as AnyUser;
    ann.room = socket;
    await service.reload(() => declareUser(2));
    expect(get('ann').room).to.equal(socket);
  });

  it('lets a field take a long-lived object from the former object to the next', async () => {
    declareUser(1);
    const client = new Client();
    const ann = current().create('ann') as AnyUser;
    ann.client = client;
    client.user = ann;
    await service.reload(() => declareUser(2));
    expect(get('ann').client).to.equal(client);
    expect(client.user).to.equal(get('ann'));
    expect(ann.client).to.equal(client);
  });

  it('finds objects that lead to each other, in circles, in what holds them and by reference', async () => {
    declareUser(1);
    const ann = current().create('ann', { name: 'Ann' } as never) as AnyUser;
    const bob = current().create('bob', { name: 'Bob' } as never) as AnyUser;
    ann.room = bob;
    bob.room = ann;
    const circle = {
      members: new Set([ann, bob]),
      byName: new Map([['ann', ann]]),
      list: [ann, { deep: bob }],
      self: {},
    };
    circle.self = circle;
    const { members } = circle;
    ann.friends = circle;
    bob.friends = circle;
    ann.best = current().ref('bob') as Ref<Store>;
    await service.reload(() => declareUser(2));
    const [newAnn, newBob] = [get('ann'), get('bob')];
    expect(newAnn.room).to.equal(newBob);
    expect(newBob.room).to.equal(newAnn);
    expect(newAnn.friends).to.equal(circle);
    expect(circle.members).to.equal(members);
    expect([...members]).to.deep.equal([newAnn, newBob]);
    expect(circle.byName.get('ann')).to.equal(newAnn);
    expect(circle.list[0]).to.equal(newAnn);
    expect((circle.list[1] as { deep: unknown }).deep).to.equal(newBob);
    expect(newAnn.best?.current).to.equal(newBob);
  });

  it('lets the present classes go on while the new ones load', async () => {
    declareUser(1);
    const ann = current().create('ann', { name: 'Ann' } as never) as AnyUser;
    await service.reload(async () => {
      declareUser(2);
      await setImmediate();
      expect(current().get('ann')).to.equal(ann);
      ann.name = 'Anna';
      current().create('late', { name: 'Late' } as never);
    });
    expect(get('ann').speak()).to.equal('Anna of 2');
    expect(get('late').speak()).to.equal('Late of 2');
  });

  it('lets saves under way and queued end, and later saves follow them', async () => {
    declareUser(1);
    const ann = current().create('ann', { name: 'first' } as never) as AnyUser;
    const release = driver.hold();
    const saves = [ann.save()];
    await setImmediate();
    ann.name = 'second';
    saves.push(ann.save());
    ann.name = 'third';
    await service.reload(() => declareUser(2));
    const next = get('ann');
    expect(next.name).to.equal('third');
    next.name = 'fourth';
    saves.push(next.save());
    release();
    await Promise.all(saves);
    expect(driver.written.map((text) => JSON.parse(text).name)).to.deep.equal(['first', 'fourth']);
    await next.save();
    expect(driver.written).to.have.length(2);
  });

  it('lets a removal under way end before the key is saved again', async () => {
    declareUser(1);
    const ann = current().create('ann', { name: 'old' } as never) as AnyUser;
    await ann.save();
    const release = driver.hold();
    const removal = ann.delete();
    await setImmediate();
    await service.reload(() => declareUser(2));
    expect(get('ann')).to.equal(undefined);
    const saving = (current().create('ann', { name: 'new' } as never) as AnyUser).save();
    release();
    expect(await removal).to.equal(true);
    await saving;
    expect(JSON.parse(driver.written.at(-1) ?? '').name).to.equal('new');
    expect(driver.stored.size).to.equal(1);
  });

  it('refuses what is left of before, and says where the new is', async () => {
    const User = declareUser(1);
    const ann = User.create('ann') as AnyUser;
    await service.reload(() => declareUser(2));
    for (const call of [
      () => ann.save(),
      () => ann.load(),
      () => ann.delete(),
      async () => User.get('ann'),
      async () => User.create('x'),
    ]) {
      const error = await rejection(call());
      expect(error.code).to.equal('KEEPSAKE_RETIRED');
      expect(error.message).to.include('service.stores.get("user")');
    }
    expect(driver.written).to.deep.equal([]);
  });

  it('refuses a class that is declared twice outside a reload, and within one', async () => {
    declareUser(1);
    expect(() => declareUser(2)).to.throw(/is taken/);
    const twice = service.reload(() => {
      declareUser(2);
      declareUser(3);
    });
    expect((await rejection(twice)).code).to.equal('KEEPSAKE_DUPLICATE_NAME');
    expect(current().create('ann').constructor).to.equal(current());
  });

  it('refuses another reload while one is under way', async () => {
    declareUser(1);
    const first = service.reload(async () => {
      await setImmediate();
      declareUser(2);
    });
    const second = await rejection(service.reload(() => declareUser(3)));
    expect(second.code).to.equal('KEEPSAKE_RELOAD');
    expect(second.message).to.include('under way');
    await first;
    await service.reload(() => declareUser(4));
    expect((current().create('ann', { name: 'Ann' } as never) as AnyUser).speak()).to.equal('Ann of 4');
  });

  it('emits events before and after', async () => {
    declareUser(1);
    const events: unknown[] = [];
    service.on('reloading', () => events.push('reloading'));
    service.on('reloaded', (report) => events.push(report));
    const report = await service.reload(() => declareUser(2));
    expect(events).to.deep.equal(['reloading', report]);
  });

  it('keeps what people wrote into the file', async () => {
    declareUser(1);
    const ann = current().create('ann', { name: 'Ann' } as never) as AnyUser;
    ann.fromDict({ name: 'Ann', note: 'kind' });
    await service.reload(() => declareUser(2));
    expect(get('ann').toDict()).to.include({ name: 'Ann', note: 'kind' });
  });

  it('keeps temporary objects', async () => {
    const declareVisitor = () => {
      @StoredIn(service)
      class Visitor extends TempStore {
        @SessionField() name = '';
      }
      return Visitor;
    };
    declareVisitor().create('v', { name: 'Vera' });
    await service.reload(declareVisitor);
    expect(service.stores.get('visitor')?.get('v')).to.have.property('name', 'Vera');
    expect(driver.written).to.deep.equal([]);
  });

  it('migrates the data of the former version', async () => {
    const declare = (version: number) => {
      @StoredIn(service, {
        version,
        migrations: version === 1 ? {} : { 2: (data) => ({ ...data, title: `${data.name}!` }) },
      })
      class Page extends Store {
        @Field() name = '';
        @Field() title = '';
      }
      return Page;
    };
    declare(1).create('home', { name: 'Home' });
    await service.reload(() => declare(2));
    expect(service.stores.get('page')?.get('home')).to.have.property('title', 'Home!');
  });

  describe('of a part', () => {
    it('leaves classes alone that were not declared again, but for what they hold', async () => {
      declareUser(1);
      @StoredIn(service)
      class Room extends Store {
        @SessionField() owner?: unknown;
        @SessionField() members = new Set<unknown>();
      }
      const ann = current().create('ann', { name: 'Ann' } as never);
      const hall = Room.create('hall', { owner: ann });
      hall.members.add(ann);
      (ann as AnyUser).room = hall;
      const report = await service.reload(() => declareUser(2), { partial: true });
      expect([...report.restored.keys()]).to.deep.equal(['user']);
      expect(Room.get('hall')).to.equal(hall);
      expect(hall.owner).to.equal(get('ann'));
      expect([...hall.members]).to.deep.equal([get('ann')]);
      expect(get('ann').room).to.equal(hall);
    });
  });

  describe('without a class or field', () => {
    const declareRoom = () => {
      @StoredIn(service)
      class Room extends Store {
        @Field() title = '';
        @SessionField() crowd = 0;
      }
      return Room;
    };
    const declareLess = () => {
      @StoredIn(service)
      class User extends Store {
        @Field() title = '';
      }
      return User;
    };

    it('reports a class that is gone, and keeps its objects until it returns', async () => {
      declareUser(1);
      const Room = declareRoom();
      const hall = Room.create('hall', { title: 'Hall', crowd: 5 });
      await hall.save();
      hall.title = 'Great hall';
      (current().create('ann') as AnyUser).room = hall;
      const report = await service.reload(() => declareUser(2));
      expect(report.vanishedClasses).to.deep.equal(['room']);
      expect(service.stores.has('room')).to.equal(false);
      expect(report.dropped).to.deep.equal([
        { store: 'user', key: 'ann', field: 'room', reason: 'room "hall", to which it led, is not in memory' },
      ]);
      await service.reload(() => {
        declareUser(3);
        declareRoom();
      });
      const back = service.stores.get('room')?.get('hall') as unknown as InstanceType<typeof Room>;
      expect(back).to.include({ title: 'Great hall', crowd: 5 });
      await back.save();
      expect(JSON.parse(driver.written.at(-1) ?? '').title).to.equal('Great hall');
    });

    it('reports a field that is gone, and keeps what is saved of it', async () => {
      const User = declareUser(1);
      const ann = User.create('ann', { name: 'Ann' } as never) as AnyUser;
      ann.room = 'kitchen';
      const report = await service.reload(declareLess);
      expect(report.vanishedFields).to.deep.equal([
        { store: 'user', field: 'name' },
        { store: 'user', field: 'joined' },
      ]);
      expect(report.dropped.map(({ field }) => field)).to.deep.equal(['room']);
      expect(get('ann').toDict()).to.include({ name: 'Ann', title: '' });
      await service.reload(() => declareUser(3));
      expect(get('ann').name).to.equal('Ann');
    });

    it('refuses either when told to, and everything is as before', async () => {
      declareUser(1);
      declareRoom();
      const ann = current().create('ann', { name: 'Ann' } as never) as AnyUser;
      const lessClass = await rejection(service.reload(() => declareUser(2), { vanished: 'refuse' }));
      expect(lessClass.code).to.equal('KEEPSAKE_RELOAD');
      expect(lessClass.message).to.include('the class Room was not declared again');
      const lessField = await rejection(service.reload(declareLess, { vanished: 'refuse', partial: true }));
      expect(lessField.message).to.include('user has no field name any more');
      expect(get('ann')).to.equal(ann);
      await ann.save();
      expect(driver.written).to.have.length(1);
    });
  });

  describe('that fails', () => {
    const client = new Client();
    let ann: AnyUser;
    let bob: AnyUser;
    let friends: unknown[];
    beforeEach(() => {
      declareUser(1);
      ann = current().create('ann', { name: 'Ann' } as never) as AnyUser;
      bob = current().create('bob', { name: 'Bob' } as never) as AnyUser;
      ann.client = client;
      client.user = ann;
      friends = [bob];
      ann.friends = friends;
    });

    async function fails(load: () => unknown, message: string | RegExp): Promise<void> {
      expect((await rejection(service.reload(load))).message).to.match(new RegExp(message));
      expect(get('ann')).to.equal(ann);
      expect(ann.speak()).to.equal('Ann of 1');
      expect(ann.client).to.equal(client);
      expect(client.user).to.equal(ann);
      expect(ann.friends).to.equal(friends);
      expect(friends).to.deep.equal([bob]);
      const written = driver.written.length;
      ann.name = `Ann${written}`;
      await ann.save();
      expect(driver.written).to.have.length(written + 1);
      ann.name = 'Ann';
      // The next good version reloads.
      await service.reload(() => declareUser(2));
      expect(get('ann').speak()).to.equal('Ann of 2');
      expect(client.user).to.equal(get('ann'));
      expect(friends).to.deep.equal([get('bob')]);
    }

    it('in loading leaves everything as before', () =>
      fails(() => Promise.reject(new Error('no such module')), 'no such module'));

    it('in loading, after a class was declared, leaves everything as before', () =>
      fails(() => {
        declareUser(2);
        throw new SyntaxError('unexpected token');
      }, 'unexpected token'));

    it('in declaring leaves everything as before', () =>
      fails(() => {
        @StoredIn(service, { version: -1 })
        class User extends Store {}
        return User;
      }, 'version'));

    it('in building an object leaves everything as before', () =>
      fails(() => {
        @StoredIn(service)
        class User extends Store {
          constructor(key: string) {
            super(key);
            if (key === 'bob') throw new Error('no bobs');
          }
        }
        return User;
      }, 'no bobs'));

    it('in reading a form leaves everything as before', () =>
      fails(() => {
        @StoredIn(service)
        class User extends Store {
          @Field({ type: types.date }) name = new Date();
        }
        return User;
      }, 'User "ann": name'));

    it("in a field's own deserialise leaves everything as before", () => {
      class Failing extends ClientField {
        override deserialise(store: Store, name: string, form: unknown): void {
          super.deserialise(store, name, form);
          throw new Error('cannot attach');
        }
      }
      return fails(() => {
        @StoredIn(service)
        class User extends Store {
          @Field() name = '';
          @SessionField({ type: new Failing() }) client?: Client;
          @SessionField() friends?: unknown;
        }
        return User;
      }, 'cannot attach');
    });

    it('in a listener leaves everything as before', () => {
      service.once('reloading', () => {
        throw new Error('not now');
      });
      return fails(() => declareUser(2), 'not now');
    });

    it('in taking an object apart leaves everything as before', async () => {
      bob.name = Number.NaN as never;
      expect((await rejection(service.reload(() => declareUser(2)))).message).to.match(/User "bob".*name.*NaN/);
      expect(client.user).to.equal(ann);
      expect(get('ann')).to.equal(ann);
      bob.name = 'Bob';
    });

    it('leaves its classes of no use', async () => {
      let User: UserClass | undefined;
      await rejection(
        service.reload(() => {
          User = declareUser(2);
          throw new Error('late');
        }),
      );
      expect(() => User?.create('carl')).to.throw(/of before a reload|reload/);
    });
  });

  it('knows its options', async () => {
    declareUser(1);
    expect((await rejection(service.reload('x' as never))).message).to.include('load must be a function');
    const reload = (options: object): Promise<ReloadReport> => service.reload(() => undefined, options);
    expect((await rejection(reload({ vanished: 'x' }))).message).to.include("'keep' or 'refuse'");
    expect((await rejection(reload({ some: 1 }))).message).to.include('there are partial, vanished');
    await service.close();
    expect((await rejection(reload({}))).code).to.equal('KEEPSAKE_CLOSED');
  });
});
