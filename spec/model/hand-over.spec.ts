import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import {
  Backend,
  Field,
  FieldType,
  type KeepsakeError,
  type Purpose,
  Ref,
  Service,
  SessionField,
  Store,
  StoredIn,
  types,
} from 'keepsake';
import { rejection } from '../support/folders.js';
import { BytesDriver } from '../support/models.js';

/** Live things with a number, which another process finds by it. */
class Connection {
  static readonly all = new Map<number, Connection>();
  readonly id: number;
  user: unknown;
  constructor(id: number) {
    this.id = id;
    Connection.all.set(id, this);
  }
}

class ConnectionField extends FieldType<Connection> {
  encode(connection: Connection): unknown {
    return connection.id;
  }
  decode(id: unknown): Connection {
    const connection = Connection.all.get(id as number);
    if (connection === undefined) throw new Error(`there is no connection ${id}`);
    return connection;
  }
  override deserialise(store: Store, name: string, form: unknown, purpose?: Purpose): void {
    super.deserialise(store, name, form, purpose);
    const connection = (store as unknown as Record<string, Connection | undefined>)[name];
    if (connection !== undefined) connection.user = store;
  }
}

function open(driver = new BytesDriver(), name = 'game') {
  const service = new Service({ backend: new Backend(driver), name });
  @StoredIn(service)
  class User extends Store {
    @Field() name = '';
    @Field({ type: types.set() }) badges = new Set<string>();
    @SessionField() since?: Date;
    @SessionField() room?: unknown;
    @SessionField() best?: Ref<Store>;
    @SessionField({ type: new ConnectionField() }) connection?: Connection;
  }
  return { driver, service, User };
}

describe('a service that hands over', () => {
  let folder: string;
  let path: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'keepsake-'));
    path = join(folder, 'hand-over.json');
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('leaves all active objects to the next, with what is in no file', async () => {
    const first = open();
    const bob = first.User.create('bob', { name: 'Bob' });
    const connection = new Connection(7);
    const ann = first.User.create('ann', {
      name: 'Ann',
      badges: new Set(['kind']),
      since: new Date(5),
      room: bob,
      best: first.User.ref('bob') as unknown as Ref<Store>,
      connection,
    });
    await bob.save();
    expect(await first.service.handOver(path)).to.deep.equal({ dropped: [] });
    expect(ann.connection).to.equal(connection);

    const next = open(first.driver);
    const report = (await next.service.takeOver(path))?.report;
    expect([...(report?.restored ?? [])]).to.deep.equal([['user', 2]]);
    const newAnn = next.User.get('ann');
    const newBob = next.User.get('bob');
    expect(newAnn).to.be.instanceOf(next.User);
    expect(newAnn?.toDict()).to.deep.equal(ann.toDict());
    expect(newAnn?.since).to.deep.equal(new Date(5));
    expect(newAnn?.room).to.equal(newBob);
    expect(newAnn?.best).to.be.instanceOf(Ref);
    expect(newAnn?.best?.current).to.equal(newBob);
    expect(newAnn?.connection).to.equal(connection);
    expect(connection.user).to.equal(newAnn);
    // What was saved is known to be, and what was not can be.
    const written = first.driver.written.length;
    await newBob?.save();
    expect(first.driver.written).to.have.length(written);
    await newAnn?.save();
    expect(first.driver.written).to.have.length(written + 1);
  });

  it('waits for saves under way', async () => {
    const { driver, service, User } = open();
    const ann = User.create('ann', { name: 'Ann' });
    const release = driver.hold();
    const saving = ann.save();
    const handing = service.handOver(path);
    expect(existsSync(path)).to.equal(false);
    release();
    await saving;
    await handing;
    const next = open(driver);
    await next.service.takeOver(path);
    await next.User.get('ann')?.save();
    expect(driver.written).to.have.length(1);
  });

  it('writes a file that its user alone can read', async function () {
    if (process.platform === 'win32') this.skip();
    await open().service.handOver(path);
    expect(statSync(path).mode & 0o777).to.equal(0o600);
    expect(readdirSync(folder)).to.deep.equal(['hand-over.json']);
  });

  it('names the session values that have no form, and leaves them', async () => {
    const { service, User } = open();
    const ann = User.create('ann', { name: 'Ann', room: { on: () => undefined } });
    User.create('bob', { room: new (class Hall {})() });
    const { dropped } = await service.handOver(path);
    expect(dropped.map(({ store, key, field }) => `${store} ${key} ${field}`)).to.deep.equal([
      'user ann room',
      'user bob room',
    ]);
    expect(dropped[0]?.reason).to.include('User "ann"').and.include('room.on');
    expect(ann.room).to.have.property('on');
    const next = open();
    expect((await next.service.takeOver(path))?.report?.dropped).to.deep.equal(dropped);
    expect(next.User.get('ann')?.room).to.equal(undefined);
  });

  it('hands over once', async () => {
    const { service, User } = open();
    User.create('ann');
    await service.handOver(path);
    const others = Array.from({ length: 5 }, () => open().service);
    const reports = await Promise.all(others.map((other) => other.takeOver(path)));
    expect(reports.filter((report) => report !== undefined)).to.have.length(1);
    expect(readdirSync(folder)).to.deep.equal([]);
    expect(await others[0]?.takeOver(path)).to.equal(undefined);
  });

  describe('and is suspended', () => {
    it('waits for saves under way, and lets later ones and loads wait until it goes on', async () => {
      const { driver, service, User } = open();
      const release = driver.hold();
      const early = User.create('ann', { name: 'Ann' }).save();
      const suspending = service.suspend();
      release();
      await early;
      await suspending;
      const done: string[] = [];
      const late = User.create('bob', { name: 'Bob' })
        .save()
        .then(() => done.push('save'));
      const loading = User.load('carl').then(() => done.push('load'));
      await service.handOver(path);
      expect(done).to.deep.equal([]);
      expect(driver.written).to.have.length(1);
      expect((await rejection(service.suspend())).code).to.equal('KEEPSAKE_RELOAD');
      service.resume();
      service.resume();
      await Promise.all([late, loading]);
      expect(driver.written).to.have.length(2);
      const next = open(driver);
      await next.service.takeOver(path);
      expect([...next.User.active().keys()]).to.deep.equal(['ann', 'bob']);
    });

    it('makes what waits reject when it is closed', async () => {
      const { service, User } = open();
      const ann = User.create('ann');
      await service.suspend();
      const saving = rejection(ann.save());
      await service.close();
      expect((await saving).code).to.equal('KEEPSAKE_CLOSED');
    });

    it('opens again what it had opened, and keeps what is in memory alone', async () => {
      for (const backend of [join(folder, 'data'), 'memory:']) {
        const service = new Service({ backend });
        const User = service.register(class User extends Store {}, { fields: {} });
        await User.create('ann').save();
        await service.suspend();
        service.resume();
        await User.create('bob').save();
        expect([...(await User.saved()).keys()].sort()).to.deep.equal(['ann', 'bob']);
        await service.close();
      }
    });

    it('lets the next have a folder that one alone may write, and has it back when that goes', async () => {
      const backend = `file:${join(folder, 'game')}?durability=journal&lockTimeout=0`;
      const declare = () => {
        const service = new Service({ backend, name: 'game' });
        @StoredIn(service)
        class Player extends Store {
          @Field() gold = 0;
        }
        return { service, Player };
      };
      const [first, second] = [declare(), declare()];
      const ann = first.Player.create('ann', { gold: 1 });
      await ann.save();
      expect((await rejection(second.service.open())).code).to.equal('KEEPSAKE_LOCKED');
      await first.service.suspend();
      expect((await second.Player.load('ann'))?.gold).to.equal(1);
      await second.service.close();
      first.service.resume();
      ann.gold = 2;
      await ann.save();
      await first.service.close();
    });
  });

  it('gives the newest state when it hands over again', async () => {
    const { service, User } = open();
    const ann = User.create('ann', { name: 'one' });
    await service.handOver(path);
    ann.name = 'two';
    await service.handOver(path);
    const next = open();
    await next.service.takeOver(path);
    expect(next.User.get('ann')?.name).to.equal('two');
  });

  describe('to one that does not want it', () => {
    async function refused(change: () => void, message: string | RegExp, options = {}): Promise<void> {
      const { service, User } = open();
      User.create('ann');
      await service.handOver(path);
      change();
      const next = open(undefined, 'game');
      const events: KeepsakeError[] = [];
      next.service.on('corrupt', (error) => events.push(error));
      const error = (await next.service.takeOver(path, options))?.error as KeepsakeError;
      expect(error.code).to.equal('KEEPSAKE_HAND_OVER');
      expect(error.message).to.match(new RegExp(message));
      expect(events).to.deep.equal([error]);
      const [left, ...others] = readdirSync(folder);
      expect(left).to.match(/^hand-over\.json\.refused-[0-9]+$/);
      expect(others).to.deep.equal([]);
      expect(error.message).to.include(String(left));
      expect(next.User.active().size).to.equal(0);
      expect(await next.service.takeOver(path)).to.equal(undefined);
    }

    const edit = (from: string | RegExp, to: string) => () =>
      writeFileSync(path, readFileSync(path, 'utf8').replace(from, to), { mode: 0o600 });

    it('sets aside what is damaged', () => refused(edit('"ann"', '"bob"'), 'damaged'));
    it('sets aside what was cut', () =>
      refused(() => writeFileSync(path, readFileSync(path, 'utf8').slice(0, -20)), 'damaged'));
    it('sets aside what is empty', () => refused(() => writeFileSync(path, ''), 'no JSON'));
    it('sets aside what is of something else', () =>
      refused(() => writeFileSync(path, '{"a":1}\n{}\n'), 'no hand-over'));
    it('sets aside what holds null', () => refused(() => writeFileSync(path, 'null\n'), 'no hand-over'));
    it('sets aside what a later version wrote', () => refused(edit('"version":1', '"version":9'), 'version 9'));
    it('sets aside what another service left', () =>
      refused(edit('"game"', '"shop"'), 'service "shop", and this one is "game"'));
    it('sets aside what is too old', () =>
      refused(() => undefined, /is [0-9]+ ms old, and at most 300000 are taken/, {
        clock: () => Date.now() + 301_000,
      }));
    it('sets aside what others may write', function () {
      if (process.platform === 'win32') this.skip();
      return refused(() => chmodSync(path, 0o666), 'others may write');
    });
  });

  it('puts the file back when an object does not fit, and changes nothing', async () => {
    const { service, User } = open();
    User.create('bob', { name: 'Bob' });
    User.create('ann', { name: 'Ann', connection: new Connection(8) });
    await service.handOver(path);
    const text = readFileSync(path, 'utf8');
    Connection.all.delete(8);
    const next = open();
    const there = next.User.create('bob', { name: 'here before' });
    const error = await rejection(next.service.takeOver(path));
    expect(error.message).to.match(/User "ann": connection: .*there is no connection 8/);
    expect([...next.User.active().values()]).to.deep.equal([there]);
    expect(there.name).to.equal('here before');
    expect(readFileSync(path, 'utf8')).to.equal(text);
    new Connection(8);
    await next.service.takeOver(path);
    expect(there.name).to.equal('Bob');
  });

  it('keeps objects of classes that there are not, and hands them on', async () => {
    const first = open();
    @StoredIn(first.service)
    class Room extends Store {
      @Field() title = '';
    }
    Room.create('hall', { title: 'Hall' });
    await first.service.handOver(path);
    const second = open();
    expect((await second.service.takeOver(path))?.report?.vanishedClasses).to.deep.equal(['room']);
    await second.service.handOver(path);
    const third = open();
    @StoredIn(third.service, { name: 'room' })
    class Hall extends Store {
      @Field() title = '';
    }
    await third.service.takeOver(path);
    expect(Hall.get('hall')?.title).to.equal('Hall');
  });

  it('says so when the file cannot be written', async () => {
    const error = await rejection(open().service.handOver(join(folder, 'missing', 'file')));
    expect(error).to.include({ code: 'KEEPSAKE_STORAGE', path: join(folder, 'missing', 'file') });
    expect(readdirSync(folder)).to.deep.equal([]);
  });

  it('refuses what serialise did not give', () => {
    const { service, User } = open();
    const wrong = [
      null,
      {},
      { stores: [] },
      { stores: {}, dropped: 5 },
      { stores: { user: { ann: {} } }, dropped: [] },
    ];
    for (const one of [...wrong, { stores: { user: { ann: { fields: 1 } } }, dropped: [] }]) {
      expect(() => service.deserialise(one as never), JSON.stringify(one)).to.throw(/deserialise/);
    }
    const key = {
      stores: { user: { 'Not A Key': { version: 0, fields: {}, session: {}, stores: {}, references: {} } } },
      dropped: [],
    };
    expect(() => service.deserialise(key)).to.throw(/key/);
    expect(User.active().size).to.equal(0);
  });

  it('survives its own process', function () {
    this.timeout(30_000);
    const program = join(folder, 'program.mjs');
    writeFileSync(
      program,
      `import { Field, Service, SessionField, Store } from ${JSON.stringify(import.meta.resolve('keepsake'))};
      const service = new Service({ backend: ${JSON.stringify(join(folder, 'data'))} });
      const User = service.register(class User extends Store { name = ''; visits = 0; }, { fields: { name: Field(), visits: SessionField() } });
      await service.takeOver(${JSON.stringify(path)});
      const ann = await User.loadOrCreate('ann', { name: 'Ann' });
      ann.visits++;
      console.log(ann.visits);
      await service.handOver(${JSON.stringify(path)});
      await service.close();`,
    );
    const run = () => execFileSync(process.execPath, [program], { encoding: 'utf8' });
    expect([run(), run(), run()].join('')).to.equal('1\n2\n3\n');
    expect(existsSync(join(folder, 'data', 'user'))).to.equal(false);
  });
});
