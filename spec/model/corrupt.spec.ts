import { once } from 'node:events';
import { expect } from 'chai';
import { Backend, Field, type KeepsakeError, Service, type ServiceOptions, Store, StoredIn, types } from 'keepsake';
import { BytesDriver, refuses } from '../support/models.js';

function open(options: Omit<ServiceOptions, 'backend'> = {}) {
  const driver = new BytesDriver();
  const service = new Service({ backend: new Backend(driver), ...options });
  @StoredIn(service)
  class User extends Store {
    @Field() name = '';
    @Field({ type: types.date }) joined?: Date;
  }
  driver.put('user:ann', '{"name": "Ann"}');
  driver.put('user:cut', '{"name": "C');
  driver.put('user:list', '["no", "object"]');
  driver.put('user:binary', '\ufffd');
  driver.stored.set('user:binary', Buffer.from([0x7b, 0xff, 0x7d]));
  driver.put('user:misfit', '{"name": "Mis", "joined": "soon"}');
  driver.put('user:zoe', '{"name": "Zoe"}');
  return { driver, service, User };
}

const BAD = ['binary', 'cut', 'list', 'misfit'];

describe('saved objects that cannot be read', () => {
  it('are left out of listings, and told to who listens, with the place', async () => {
    const { driver, service, User } = open();
    const before = new Map(driver.stored);
    const errors: KeepsakeError[] = [];
    service.on('corrupt', (error) => errors.push(error));
    expect([...(await User.saved()).keys()]).to.deep.equal(['ann', 'zoe']);
    expect(errors.map(({ key }) => key?.replace('user:', '')).sort()).to.deep.equal(BAD);
    for (const error of errors) {
      expect(error.code).to.equal('KEEPSAKE_CORRUPT_DATA');
      expect(error.message).to.match(/bytes\/user:/);
    }
    expect(errors.find(({ key }) => key === 'misfit')?.message).to.match(
      /^bytes\/user:misfit: User "misfit": joined: "soon" is not a date.*left as it is$/,
    );
    expect((await User.find({ name: 'Zoe' })).length).to.equal(1);
    expect(driver.stored).to.deep.equal(before);
  });

  it('are a process warning where nobody listens', async () => {
    const { User } = open();
    const warned = once(process, 'warning');
    await User.saved();
    const [warning] = (await warned) as [Error & { code?: string }];
    expect([warning.name, warning.code]).to.deep.equal(['KeepsakeWarning', 'KEEPSAKE_CORRUPT_DATA']);
  });

  it("make listings reject with onCorrupt: 'throw'", async () => {
    const { driver, User } = open({ onCorrupt: 'throw' });
    await refuses(() => User.saved(), 'CorruptDataError');
    for (const key of ['cut', 'list', 'binary']) driver.stored.delete(`user:${key}`);
    await refuses(() => User.find({ name: 'Zoe' }), 'CorruptDataError', /"misfit"/);
  });

  it('reject when their key is read, and are neither written over nor deleted unasked', async () => {
    const { driver, User } = open();
    const before = new Map(driver.stored);
    for (const key of BAD) {
      await refuses(() => User.load(key), 'CorruptDataError', new RegExp(`bytes/user:${key}`));
      await refuses(() => User.loadOrCreate(key), 'CorruptDataError');
      expect(User.get(key)).to.equal(undefined);
      const made = new User(key);
      await refuses(() => made.save(), 'DuplicateKeyError');
      User.manager.removeActive(made);
    }
    expect(driver.stored).to.deep.equal(before);
    expect((await User.load('ann'))?.name).to.equal('Ann');
    await new User('cut').save({ overwrite: true });
    expect(driver.text('user:cut')).to.contain('"name": ""');
    expect(await User.manager.delete('list')).to.equal(true);
  });

  it('are counted, since counting reads keys alone', async () => {
    const { User } = open();
    expect(await User.manager.count()).to.equal(6);
  });

  it('have no other policy', async () => {
    await refuses(async () => open({ onCorrupt: 'skip' as never }), 'InvalidArgumentError', /onCorrupt must be/);
  });
});
