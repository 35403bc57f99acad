import { expect } from 'chai';
import { type Backend, Field, Manager, type Ref, Service, type ServiceOptions, Store, StoredIn, types } from 'keepsake';
import { errorOf, refuses, textOf } from './models.js';

/** Where the specs of models keep them. */
export interface ModelsOnOptions {
  /** Gives a fresh, empty backend of bytes every time. It is closed in the end. */
  readonly open: () => Backend | Promise<Backend>;
  /** Gives another backend over the storage of the one that `open` gave last, as another process has it. */
  readonly reopen: () => Backend | Promise<Backend>;
}

/** Holds models to what they promise on any engine: call it in the `describe` of the engine. */
export function modelsOn({ open, reopen }: ModelsOnOptions): void {
  describe('models', () => {
    const services: Service[] = [];
    const backends: Backend[] = [];
    let backend: Backend;

    beforeEach(async () => {
      backend = await open();
      backends.push(backend);
    });

    afterEach(async () => {
      for (const service of services.splice(0)) await service.close();
      for (const one of backends.splice(0)) await one.close();
    });

    /** Classes as a process would declare them. */
    function declare(on: Backend, options: Partial<ServiceOptions> = {}, level = 0) {
      const service = new Service({ backend: on, ...options });
      services.push(service);

      class Users extends Manager<User> {
        named(name: string): Promise<User | undefined> {
          return this.first({ name });
        }
      }

      @StoredIn(service, { concurrency: 'optimistic', version: level, migrations: level > 0 ? { 1: migrate } : {} })
      class User extends Store {
        static override readonly manager = new Users();
        @Field() name = '';
        @Field() level = 0;
        @Field() seen: Date | null = null;
        @Field({ type: types.set(types.bigint) }) badges = new Set<bigint>();
        @Field({ type: types.map(types.bytes) }) keys = new Map<string, Uint8Array>();
        @Field({ type: types.nullable(types.ref(() => User)) }) mentor: Ref<User> | null = null;
      }
      return { service, User, users: User.manager };
    }

    async function declareAnother(level = 0) {
      const other = await reopen();
      backends.push(other);
      return declare(other, {}, level);
    }

    it('are found as they were saved, by another process', async () => {
      const { User } = declare(backend);
      const seen = new Date(1_900_000_000_000);
      const ann = User.create('Ann', { name: 'Ann É 😀', seen, badges: new Set([1n, 2n ** 70n]) });
      ann.keys.set('a', Uint8Array.of(0, 255, 10));
      ann.mentor = User.ref('bob');
      await ann.save();
      await User.create('bob', { name: 'Bob' }).save();

      const other = await declareAnother();
      const found = await other.User.load('ann');
      expect(found?.toDict()).to.deep.equal(ann.toDict());
      expect(found?.keys.get('a')).to.deep.equal(Uint8Array.of(0, 255, 10));
      expect((await found?.mentor?.load())?.name).to.equal('Bob');
    });

    it('are text that people can read, under their class and key', async () => {
      const { User } = declare(backend);
      await User.create('ann', { name: 'Ann' }).save();
      const text = await textOf(backend, 'user:ann');
      expect(text).to.match(/^\{\n {2}"name": "Ann",\n(.*\n)*\}\n$/);
    });

    it('change on the backend only when they are saved', async () => {
      const { User } = declare(backend);
      const ann = User.create('ann', { level: 1 });
      expect(await backend.count()).to.equal(0);
      await ann.save();
      ann.level = 2;
      expect(JSON.parse((await textOf(backend, 'user:ann')) ?? '')).to.include({ level: 1 });
      await ann.save();
      expect(JSON.parse((await textOf(backend, 'user:ann')) ?? '')).to.include({ level: 2 });
    });

    it('read again what another process saved', async () => {
      const { User } = declare(backend);
      const ann = User.create('ann', { level: 1 });
      await ann.save();
      const other = await declareAnother();
      const same = await other.User.load('ann');
      if (same === undefined) throw new Error('ann is not found');
      same.level = 7;
      await same.save();
      expect(ann.level).to.equal(1);
      expect(await ann.load()).to.equal(true);
      expect(ann.level).to.equal(7);
    });

    it('are never saved over what they have not loaded', async () => {
      const { User } = declare(backend);
      const ann = User.create('ann', { level: 1 });
      await ann.save();
      const other = await declareAnother();
      const same = await other.User.load('ann');
      if (same === undefined) throw new Error('ann is not found');
      same.level = 7;
      await same.save();
      ann.level = 2;
      await refuses(() => ann.save(), 'ConflictError');
      await refuses(
        () =>
          other.User.create('bob')
            .save()
            .then(() => User.create('bob').save()),
        'DuplicateKeyError',
      );
      await ann.load();
      ann.level += 1;
      await ann.save();
      expect(JSON.parse((await textOf(backend, 'user:ann')) ?? '')).to.include({ level: 8 });
    });

    it('are gone when they are deleted, for all', async () => {
      const { User } = declare(backend);
      const ann = User.create('ann');
      await ann.save();
      const other = await declareAnother();
      expect(await other.users.has('ann')).to.equal(true);
      expect(await ann.delete()).to.equal(true);
      expect(await ann.delete().catch((error: { code: string }) => error.code)).to.be.oneOf([
        false,
        'KEEPSAKE_DELETED',
      ]);
      expect(await other.User.load('ann')).to.equal(undefined);
      expect((await errorOf(() => ann.save())).code).to.equal('KEEPSAKE_DELETED');
      expect(await backend.count()).to.equal(0);
    });

    it('are listed, found, counted and streamed, in memory and saved', async () => {
      const { User } = declare(backend);
      const names = Array.from({ length: 120 }, (_, index) => `user-${index}`);
      await Promise.all(names.map((key, index) => User.create(key, { name: key, level: index % 10 }).save()));
      const other = await declareAnother();
      other.User.create('unsaved', { level: 3 });
      expect([...(await other.User.saved()).keys()].sort()).to.deep.equal([...names].sort());
      expect((await other.User.all()).size).to.equal(121);
      expect(await other.users.count({ level: 3 })).to.equal(13);
      expect((await other.User.find((user) => user.level === 9)).length).to.equal(12);
      expect((await other.users.named('user-77'))?.key).to.equal('user-77');
      const streamed: string[] = [];
      for await (const [key] of other.User.saved()) streamed.push(key);
      expect(streamed.sort()).to.deep.equal([...names].sort());
      const loaded = await other.users.load(['user-1', 'nobody', 'user-2']);
      expect([...loaded.keys()]).to.deep.equal(['user-1', 'nobody', 'user-2']);
      expect(loaded.get('user-2')?.name).to.equal('user-2');
      expect(loaded.get('nobody')).to.equal(undefined);
    });

    it('keep what no field claims, and step over what cannot be read', async () => {
      const { User, service } = declare(backend);
      await backend.set('user:ann', '{"name":"Ann","colour":"red"}');
      await backend.set('user:broken', '{"name":');
      const ann = await User.load('ann');
      if (ann === undefined) throw new Error('ann is not found');
      ann.level = 5;
      await ann.save();
      expect(JSON.parse((await textOf(backend, 'user:ann')) ?? '')).to.include({ colour: 'red', level: 5 });
      const corrupt: string[] = [];
      service.on('corrupt', (error) => corrupt.push(error.code));
      expect([...(await User.all()).keys()]).to.deep.equal(['ann']);
      expect(corrupt).to.deep.equal(['KEEPSAKE_CORRUPT_DATA']);
      expect((await errorOf(() => User.load('broken'))).code).to.equal('KEEPSAKE_CORRUPT_DATA');
      expect(await textOf(backend, 'user:broken')).to.equal('{"name":');
    });

    it('are brought to the version of their class when they are loaded', async () => {
      const { User } = declare(backend);
      await User.create('ann', { name: 'ann' }).save();
      const other = await declareAnother(1);
      const ann = await other.User.load('ann');
      expect(ann?.name).to.equal('ANN');
      await ann?.save({ force: true });
      expect(JSON.parse((await textOf(backend, 'user:ann')) ?? '')).to.include({ $version: 1, name: 'ANN' });
    });

    it('coalesce saves that overlap, and end with the last state', async () => {
      const { User } = declare(backend);
      const ann = User.create('ann');
      await ann.save();
      const saves = Array.from({ length: 100 }, (_, index) => {
        ann.level = index + 1;
        return ann.save();
      });
      await Promise.all(saves);
      const other = await declareAnother();
      expect((await other.User.load('ann'))?.level).to.equal(100);
    });

    it('take keys as people write them', async () => {
      const { User } = declare(backend);
      await User.create('Ann-Lee_2').save();
      expect(await backend.has('user:ann-lee_2')).to.equal(true);
      expect((await User.load('ANN-LEE_2'))?.key).to.equal('ann-lee_2');
      await refuses(() => User.create('ann lee'), 'InvalidKeyError');
    });
  });
}

function migrate(data: Record<string, unknown>): Record<string, unknown> {
  return { ...data, name: String(data.name).toUpperCase() };
}
