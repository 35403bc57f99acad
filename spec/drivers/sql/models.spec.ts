import { setTimeout } from 'node:timers/promises';
import { expect } from 'chai';
import { Field, openBackend, Service, Store, StoredIn, TempStore, types } from 'keepsake';
import { failure } from '../../support/failure.js';
import { modelsOn } from '../../support/models-on.js';
import { DATABASES, newTable } from '../../support/sql.js';

for (const [engine, use] of Object.entries(DATABASES)) {
  describe(engine, function () {
    this.timeout(60_000);
    const database = use();
    let table: string;
    const reopen = () => database.open({ table });
    modelsOn({
      open: () => {
        table = newTable();
        return reopen();
      },
      reopen,
    });
  });
}

describe('models as they were', () => {
  const services: Service[] = [];

  function declare(place = 'sqlite::memory:?history=true') {
    const service = new Service({ backend: place });
    services.push(service);
    @StoredIn(service)
    class User extends Store {
      @Field() name = '';
      @Field() level = 0;
      @Field({ type: types.set(types.bigint) }) badges = new Set<bigint>();
    }
    return { service, User };
  }

  afterEach(async () => {
    for (const service of services.splice(0)) await service.close();
  });

  async function moment(): Promise<Date> {
    const now = Date.now();
    while (Date.now() === now) await setTimeout(1);
    return new Date(now);
  }

  it('are loaded, listed, found and counted', async () => {
    const { service, User } = declare();
    const ann = User.create('ann', { name: 'Ann', level: 1, badges: new Set([5n]) });
    await ann.save();
    await User.create('bob', { name: 'Bob', level: 2 }).save();
    const then = await moment();
    ann.level = 9;
    await ann.save();
    await User.get('bob')?.delete();
    await User.create('eve').save();

    const users = service.asOf(then).of(User);
    const former = await users.load('Ann');
    expect(former?.toDict()).to.deep.equal({ name: 'Ann', level: 1, badges: ['5'] });
    expect(former).to.be.instanceOf(User);
    expect(await users.load('eve')).to.equal(undefined);
    expect([await users.has('bob'), await users.has('eve')]).to.deep.equal([true, false]);
    expect([...(await users.saved()).keys()]).to.deep.equal(['ann', 'bob']);
    expect((await users.find({ level: 2 })).map(({ key }) => key)).to.deep.equal(['bob']);
    expect((await users.first((user) => user.level < 2))?.key).to.equal('ann');
    expect([await users.count(), await users.count({ level: 2 })]).to.deep.equal([2, 1]);
    expect(() => users.find({ age: 2 } as never)).to.throw('there is no field "age"');
  });

  it('are others than the active ones, and cannot be changed', async () => {
    const { service, User } = declare();
    const ann = User.create('ann', { level: 1 });
    await ann.save();
    const then = await moment();
    const former = await service.asOf(then).of(User).load('ann');
    if (former === undefined) throw new Error('ann is not found');
    expect(former).to.not.equal(ann);
    expect(User.get('ann')).to.equal(ann);
    expect(former.active).to.equal(false);
    User.manager.removeActive(ann);
    former.level = 7;
    const refused = [
      () => former.save(),
      () => former.load(),
      () => former.delete(),
      async () => User.manager.addActive(former),
    ];
    for (const work of refused) expect(await failure(work)).to.include({ code: 'KEEPSAKE_UNSUPPORTED', key: 'ann' });
    expect((await User.load('ann'))?.level).to.equal(1);
  });

  it('are refused where there is no history', async () => {
    const { service, User } = declare('memory:');
    await User.create('ann').save();
    const users = service.asOf(Date.now()).of(User);
    expect(await failure(() => users.load('ann'))).to.include({ code: 'KEEPSAKE_UNSUPPORTED' });
    expect(await failure(() => users.count())).to.include({ code: 'KEEPSAKE_UNSUPPORTED' });
    expect(() => service.asOf('now' as never)).to.throw('must be milliseconds');
    @StoredIn(service)
    class Visit extends TempStore {}
    expect(await failure(() => service.asOf(Date.now()).of(Visit).count())).to.include({
      code: 'KEEPSAKE_INVALID_ARGUMENT',
    });
  });

  it('leave out what cannot be read, and report it', async () => {
    const backend = await openBackend('sqlite::memory:?history=true');
    const service = new Service({ backend });
    services.push(service);
    @StoredIn(service)
    class User extends Store {
      @Field() name = '';
    }
    await User.create('ann', { name: 'Ann' }).save();
    await backend.set('user:broken', '{');
    const then = await moment();
    await backend.delete('user:broken');
    const reported: string[] = [];
    service.on('corrupt', (error) => reported.push(error.code));
    expect([...(await service.asOf(then).of(User).saved()).keys()]).to.deep.equal(['ann']);
    expect(reported).to.deep.equal(['KEEPSAKE_CORRUPT_DATA']);
    await service.close();
    await backend.close();
  });
});
