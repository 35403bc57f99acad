import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { expect } from 'chai';
import {
  Backend,
  capabilities,
  Field,
  type Followed,
  type KeyChange,
  memory,
  Service,
  type ServiceOptions,
  SessionField,
  Store,
  StoredIn,
  TempStore,
  types,
  type WatchRequest,
} from 'keepsake';
import { Folders, rejection } from '../support/folders.js';
import { BytesDriver } from '../support/models.js';

const folders = new Folders();
const services: Service[] = [];

/** What a service tells, in words. */
class Heard {
  readonly events: string[] = [];
  readonly changes: Followed[] = [];

  constructor(service: Service) {
    service.on('followed', (change) => {
      this.changes.push(change);
      this.events.push(`${change.outcome} ${change.key}`);
    });
    service.on('corrupt', ({ key }) => this.events.push(`corrupt ${key}`));
    service.on('unfollowed', ({ message }, store) => this.events.push(`unfollowed ${store}: ${message}`));
  }

  /** The events from now on until so many are there. */
  async next(count = 1): Promise<string[]> {
    for (const end = Date.now() + 60_000; this.events.length < count; await setTimeout(5)) {
      if (Date.now() > end) throw new Error(`waited in vain; heard ${this.events}`);
    }
    return this.events.splice(0);
  }
}

function declareIn(service: Service) {
  @StoredIn(service)
  class User extends Store {
    @Field() name = '';
    @Field() marks: number[] = [];
    @Field({ type: types.date }) joined?: Date;
    @SessionField() client?: object;
  }
  return User;
}

/** A service on files, as one process has it. */
function open(folder = folders.make(), options: Partial<ServiceOptions> = {}) {
  const service = new Service({ backend: folder, ...options });
  services.push(service);
  const User = declareIn(service);
  const path = (key: string) => join(folder, 'user', `${key}.json`);
  const edit = (key: string, text: string) => {
    mkdirSync(join(folder, 'user'), { recursive: true });
    writeFileSync(path(key), text);
  };
  return { service, User, folder, path, edit, heard: new Heard(service) };
}

/** A driver whose changes are told by the spec. */
class ToldDriver extends BytesDriver {
  override readonly capabilities = capabilities({ ...new BytesDriver().capabilities, watch: true });
  requests: WatchRequest[] = [];

  watch(request: WatchRequest): void {
    this.requests.push(request);
    request.signal.addEventListener('abort', () => {
      this.requests = this.requests.filter((one) => one !== request);
    });
  }

  tell(type: KeyChange['type'], key: string): void {
    for (const { changed } of this.requests) changed({ type, key });
  }

  /** Somebody else saves it. */
  change(key: string, text: string): void {
    this.put(key, text);
    this.tell('set', key);
  }
}

function openTold() {
  const driver = new ToldDriver();
  const service = new Service({ backend: new Backend(driver) });
  services.push(service);
  return { driver, service, User: declareIn(service), heard: new Heard(service) };
}

describe('follow', function () {
  this.timeout(90_000);

  afterEach(async () => {
    for (const service of services.splice(0)) await service.close();
    await folders.clearAway();
  });

  it('reads an active object again in place when its file is edited, however it is formatted', async () => {
    const { User, edit, heard } = open();
    const client = {};
    const ann = User.create('ann', { name: 'Ann', client });
    await ann.save();
    await User.manager.follow();
    for (const text of ['{"name":"One","marks":[1]}', '{ "name": "Two" }', '{"name":"Two","note":"kept"}']) {
      edit('ann', text);
      expect(await heard.next()).to.deep.equal(['reloaded ann']);
    }
    expect(User.get('ann')).to.equal(ann);
    expect([ann.name, ann.marks, ann.client]).to.deep.equal(['Two', [], client]);
    expect(heard.changes[0]).to.deep.equal({
      store: 'user',
      key: 'ann',
      type: 'set',
      outcome: 'reloaded',
      object: ann,
    });
    ann.marks = [3];
    await ann.save();
    edit('bob', '{}');
    expect(await heard.next(), 'our own save is not told').to.deep.equal(['inactive bob']);
    expect(ann.toDict()).to.deep.equal({ name: 'Two', marks: [3], note: 'kept' });
  });

  it('goes on with objects that are loaded later, and saved by another process', async () => {
    const { User, folder, edit, heard } = open();
    edit('ann', '{"name":  "Ann"}');
    await User.manager.follow();
    const ann = await User.load('ann');
    const other = open(folder);
    const theirs = await other.User.load('ann');
    if (theirs === undefined) throw new Error('ann is saved');
    theirs.name = 'Theirs';
    await theirs.save();
    expect(await heard.next()).to.deep.equal(['reloaded ann']);
    expect(ann?.name).to.equal('Theirs');
    await other.User.manager.delete('ann');
    expect(await heard.next()).to.deep.equal(['deleted ann']);
  });

  it('leaves an object with unsaved changes alone, and tells of the conflict', async () => {
    const { User, path, edit, heard } = open();
    const ann = User.create('ann', { name: 'Ann' });
    await ann.save();
    await User.manager.follow();
    ann.marks.push(5);
    edit('ann', '{"name":"Theirs"}');
    expect(await heard.next()).to.deep.equal(['conflict ann']);
    expect([ann.name, ann.marks]).to.deep.equal(['Ann', [5]]);
    rmSync(path('ann'));
    expect(await heard.next()).to.deep.equal(['conflict ann']);
    expect(heard.changes.at(-1)?.type).to.equal('delete');
    await ann.save();
    edit('ann', '{"name":"Theirs again"}');
    expect(await heard.next()).to.deep.equal(['reloaded ann']);
    ann.marks = [Number.NaN];
    edit('ann', '{"name":"Again"}');
    expect(await heard.next(), 'it cannot even be saved').to.deep.equal(['conflict ann']);
    expect(await ann.load()).to.equal(true);
    edit('ann', '{"name":"Last"}');
    expect(await heard.next()).to.deep.equal(['reloaded ann']);
  });

  it('does not take for unchanged what was set back to an earlier state', async () => {
    const { User, edit, heard } = open();
    edit('ann', '{"name":"First"}');
    await User.manager.follow();
    const ann = await User.load('ann');
    if (ann === undefined) throw new Error('ann is saved');
    ann.name = 'Second';
    await ann.save();
    ann.name = 'First';
    edit('ann', '{"name":"Theirs"}');
    expect(await heard.next()).to.deep.equal(['conflict ann']);
    expect(ann.name).to.equal('First');
  });

  it('warns of a conflict where nobody listens', async () => {
    const { service, User, edit } = open();
    const ann = User.create('ann');
    await ann.save();
    await service.follow();
    service.removeAllListeners('followed');
    ann.name = 'Mine';
    const warned = once(process, 'warning');
    edit('ann', '{"name":"Theirs"}');
    const [warning] = (await warned) as [Error & { code?: string }];
    expect([warning.name, warning.code]).to.deep.equal(['KeepsakeWarning', 'KEEPSAKE_CONFLICT']);
    expect(warning.message).to.match(/^user "ann" was changed by somebody else, and has unsaved changes here/);
  });

  it('keeps an object whose file is deleted, which its next save makes again', async () => {
    const { User, path, edit, heard } = open();
    const ann = User.create('ann', { name: 'Ann' });
    await ann.save();
    await User.manager.follow();
    rmSync(path('ann'));
    expect(await heard.next()).to.deep.equal(['deleted ann']);
    expect([ann.active, ann.name]).to.deep.equal([true, 'Ann']);
    edit('ann', '{"name":"Back"}');
    expect(await heard.next()).to.deep.equal(['reloaded ann']);
    expect(ann.name).to.equal('Back');
    rmSync(path('ann'));
    expect(await heard.next()).to.deep.equal(['deleted ann']);
    await ann.save();
    expect(JSON.parse(readFileSync(path('ann'), 'utf8')).name).to.equal('Back');
    rmSync(path('ann'));
    expect(await heard.next()).to.deep.equal(['deleted ann']);
    ann.name = 'Mine';
    edit('ann', '{"name":"Theirs"}');
    expect(await heard.next()).to.deep.equal(['conflict ann']);
    expect((await rejection(ann.save())).code).to.equal('KEEPSAKE_DUPLICATE_KEY');
  });

  it('tells of keys that are not active, without loading them, and not of names that are no keys', async () => {
    const { User, path, edit, heard } = open();
    await User.manager.follow();
    edit('Ann', '{}');
    edit('with.dot', '{}');
    edit('bob', '{"name":"Bob"}');
    expect(await heard.next()).to.deep.equal(['inactive bob']);
    expect(User.get('bob')).to.equal(undefined);
    rmSync(path('bob'));
    expect(await heard.next()).to.deep.equal(['inactive bob']);
    expect(heard.changes.at(-1)).to.include({ type: 'delete', object: undefined });
  });

  for (const onCorrupt of ['report', 'throw', 'quarantine'] as const) {
    it(`tells of a file that cannot be read, and leaves object and file alone, with onCorrupt: '${onCorrupt}'`, async () => {
      const { User, path, edit, heard } = open(undefined, { onCorrupt });
      const ann = User.create('ann', { name: 'Ann' });
      await ann.save();
      await User.manager.follow();
      edit('ann', '{"name":');
      expect(await heard.next()).to.deep.equal(['corrupt ann']);
      edit('ann', '{"name":"Other","joined":"soon"}');
      expect(await heard.next()).to.deep.equal(['corrupt ann']);
      expect([ann.name, ann.marks, existsSync(path('ann'))]).to.deep.equal(['Ann', [], true]);
      edit('ann', '{"name":"Mended"}');
      expect(await heard.next()).to.deep.equal(['reloaded ann']);
      expect(ann.name).to.equal('Mended');
    });
  }

  it('makes good what was changed before it began', async () => {
    const { User, path, edit, heard } = open();
    for (const key of ['same', 'edited', 'formatted', 'mine', 'gone', 'bad']) await User.create(key).save();
    edit('formatted', '{"name":"F"}');
    await User.get('formatted')?.load();
    User.create('new');
    edit('edited', '{"name":"Edited"}');
    (User.get('mine') as InstanceType<typeof User>).name = 'Mine';
    edit('mine', '{"name":"Theirs"}');
    rmSync(path('gone'));
    edit('bad', '{');
    await User.manager.follow();
    expect((await heard.next(4)).sort()).to.deep.equal([
      'conflict mine',
      'corrupt bad',
      'deleted gone',
      'reloaded edited',
    ]);
    expect(User.get('edited')?.name).to.equal('Edited');
    edit('formatted', '{"name":"G"}');
    expect(await heard.next()).to.deep.equal(['reloaded formatted']);
  });

  it('tells once, however many follow, until the last of them stops', async () => {
    const { service, User, edit, heard } = open();
    const [one, two] = await Promise.all([User.manager.follow(), service.follow()]);
    await using three = await User.manager.follow();
    edit('ann', '{"name":"1"}');
    expect(await heard.next()).to.deep.equal(['inactive ann']);
    await one.stop();
    await one.stop();
    await two.stop();
    edit('bob', '{}');
    expect(await heard.next()).to.deep.equal(['inactive bob']);
    await three.stop();
    edit('kim', '{}');
    await using _ = await User.manager.follow();
    edit('zoe', '{}');
    expect(await heard.next()).to.deep.equal(['inactive zoe']);
  });

  it('stops by a signal', async () => {
    const { service, User, edit, heard } = open();
    const reason = new Error('enough');
    expect(await rejection(User.manager.follow({ signal: AbortSignal.abort(reason) }))).to.equal(reason);
    const early = new AbortController();
    const starting = rejection(User.manager.follow({ signal: early.signal }));
    early.abort(reason);
    expect(await starting).to.equal(reason);
    const controller = new AbortController();
    await service.follow({ signal: controller.signal });
    controller.abort(reason);
    edit('ann', '{}');
    await User.manager.follow();
    edit('bob', '{}');
    expect(await heard.next()).to.deep.equal(['inactive bob']);
    expect((await rejection(User.manager.follow({ signal: 5 as never }))).code).to.equal('KEEPSAKE_INVALID_ARGUMENT');
  });

  it('ends with the service', async () => {
    const { service, User, heard } = open();
    const following = await User.manager.follow();
    await service.close();
    await following.stop();
    expect(heard.events).to.deep.equal([]);
    expect((await rejection(User.manager.follow())).code).to.equal('KEEPSAKE_CLOSED');
    expect((await rejection(service.follow())).code).to.equal('KEEPSAKE_CLOSED');
    const backend = folders.open(folders.make());
    const lent = new Service({ backend });
    declareIn(lent);
    await lent.follow();
    await lent.close();
    await backend.set('still', 'open');
  });

  it('goes on with the classes that a reload puts in place', async () => {
    const { service, User, edit, heard } = open();
    await User.create('ann', { name: 'Ann' }).save();
    await User.manager.follow();
    await service.reload(() => declareIn(service));
    const Next = service.stores.get('user') as unknown as typeof User;
    expect(Next).to.not.equal(User);
    edit('ann', '{"name":"Edited"}');
    expect(await heard.next()).to.deep.equal(['reloaded ann']);
    expect(Next.get('ann')?.name).to.equal('Edited');
    await service.reload(() => undefined);
    edit('ann', '{"name":"Nobody"}');
    await service.reload(() => declareIn(service));
    const Last = service.stores.get('user') as unknown as typeof User;
    edit('bob', '{}');
    await heard.next();
    expect(Last.get('ann')?.active).to.equal(true);
  });

  it('waits while the service is suspended, and makes good what it has missed', async () => {
    const { service, User, edit, heard } = open();
    const ann = User.create('ann', { name: 'Ann' });
    await ann.save();
    const following = await User.manager.follow();
    await service.suspend();
    edit('ann', '{"name":"Meanwhile"}');
    service.resume();
    expect(await heard.next()).to.deep.equal(['reloaded ann']);
    edit('ann', '{"name":"Later"}');
    expect(await heard.next()).to.deep.equal(['reloaded ann']);
    await service.suspend();
    await following.stop();
    await service.close();
    expect(heard.events).to.deep.equal([]);
  });

  it('says so when it cannot go on', async () => {
    const { service, User, folder, heard } = open();
    await User.manager.follow();
    rmSync(folder, { recursive: true });
    expect((await heard.next())[0]).to.match(/^unfollowed user: .*has vanished/);
    mkdirSync(folder);
    service.removeAllListeners('unfollowed');
    await User.manager.follow();
    const warned = once(process, 'warning');
    rmSync(folder, { recursive: true });
    const [warning] = (await warned) as [Error & { code?: string }];
    expect([warning.name, warning.code]).to.deep.equal(['KeepsakeWarning', 'KEEPSAKE_STORAGE']);
    expect(warning.message).to.match(/^user is followed no more: /);
  });

  it('is refused where the backend cannot be watched, and has nothing to do for what is never saved', async () => {
    const service = new Service({ backend: memory() });
    @StoredIn(service)
    class User extends Store {}
    @StoredIn(service)
    class Visit extends TempStore {}
    await (await Visit.manager.follow()).stop();
    expect((await rejection(User.manager.follow())).code).to.equal('KEEPSAKE_UNSUPPORTED');
    expect((await rejection(service.follow())).code).to.equal('KEEPSAKE_UNSUPPORTED');
  });

  describe('beside other work', () => {
    it('lets a load that is under way read again', async () => {
      const { driver, User, heard } = openTold();
      driver.put('user:ann', '{"name":"Old"}');
      await User.manager.follow();
      const release = driver.holdReads();
      const loading = User.load('ann');
      await setTimeout(1);
      driver.change('user:ann', '{"name":"New"}');
      expect(await heard.next()).to.deep.equal(['inactive ann']);
      release();
      expect((await loading)?.name).to.equal('New');
    });

    it('waits for a save, after which there is nothing to tell', async () => {
      const { driver, User, heard } = openTold();
      const ann = User.create('ann', { name: 'Ann' });
      await ann.save();
      await User.manager.follow();
      const release = driver.hold();
      ann.name = 'Mine';
      const saving = ann.save();
      driver.change('user:ann', '{"name":"Theirs"}');
      await setTimeout(1);
      release();
      await saving;
      driver.change('user:bob', '{}');
      expect(await heard.next()).to.deep.equal(['inactive bob']);
      expect(driver.text('user:ann')).to.include('Mine');
    });

    it('sees a change that is made while it reads', async () => {
      const { driver, User, heard } = openTold();
      const ann = User.create('ann', { name: 'Ann' });
      await ann.save();
      await User.manager.follow();
      const release = driver.holdReads();
      driver.change('user:ann', '{"name":"Theirs"}');
      await setTimeout(1);
      ann.name = 'Mine';
      release();
      expect(await heard.next()).to.deep.equal(['conflict ann']);
      expect(ann.name).to.equal('Mine');
    });

    it('takes the changes of a class one after the other', async () => {
      const { driver, User, heard } = openTold();
      const keys = Array.from({ length: 20 }, (_, index) => `k${index}`);
      for (const key of keys) await User.create(key).save();
      await User.manager.follow();
      for (const key of keys) driver.change(`user:${key}`, `{"name":"${key}"}`);
      expect(await heard.next(20)).to.deep.equal(keys.map((key) => `reloaded ${key}`));
    });

    it('goes on when a listener throws', async () => {
      const { driver, service, User, heard } = openTold();
      await User.manager.follow();
      service.once('followed', () => {
        throw new Error('a mistake of the listener');
      });
      const warned = once(process, 'warning');
      driver.change('user:ann', '{}');
      expect(((await warned) as [Error])[0].message).to.equal('a mistake of the listener');
      driver.change('user:bob', '{}');
      expect((await heard.next(2)).at(-1)).to.equal('inactive bob');
    });

    it('frees everything when it ends', async () => {
      const { driver, User } = openTold();
      const following = await User.manager.follow();
      expect(driver.requests).to.have.lengthOf(1);
      await following.stop();
      expect(driver.requests).to.have.lengthOf(0);
    });
  });
});
