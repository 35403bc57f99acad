import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { Field, type KeepsakeError, Service, type ServiceOptions, Store, StoredIn, types } from 'keepsake';

describe('models on files', () => {
  let folder: string;
  const services: Service[] = [];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'keepsake-models-'));
  });

  afterEach(async () => {
    for (const service of services.splice(0)) await service.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** A class as a process would declare it. */
  function declare(options: Partial<ServiceOptions> = {}) {
    const service = new Service({ backend: folder, ...options });
    services.push(service);
    @StoredIn(service)
    class User extends Store {
      @Field() name = '';
      @Field({ type: types.set(types.bigint) }) badges = new Set<bigint>();
      @Field() nickname: string | null = null;
    }
    return { service, User };
  }

  const path = (...names: string[]) => join(folder, 'user', ...names);

  async function failure(work: Promise<unknown>): Promise<KeepsakeError> {
    try {
      await work;
    } catch (error) {
      return error as KeepsakeError;
    }
    throw new Error('it did not fail');
  }

  it('writes one readable file an object, in the order of the fields', async () => {
    const { User } = declare();
    await User.create('Ann', { name: 'Ann', badges: new Set([1n, 20n]) }).save();
    expect(readdirSync(join(folder, 'user'))).to.deep.equal(['ann.json']);
    expect(readFileSync(path('ann.json'), 'utf8')).to.equal(
      '{\n  "name": "Ann",\n  "badges": [\n    "1",\n    "20"\n  ],\n  "nickname": null\n}\n',
    );
  });

  it('finds the objects again in another process', async () => {
    const { User } = declare();
    await Promise.all(['con', '__proto__', 'nul', '-rf'].map((key) => User.create(key, { name: key }).save()));
    const again = declare().User;
    const saved = await again.saved();
    expect([...saved.keys()].sort()).to.deep.equal(['-rf', '__proto__', 'con', 'nul']);
    for (const [key, user] of saved) expect(user.name).to.equal(key);
    expect((await again.load('__proto__'))?.name).to.equal('__proto__');
  });

  it('makes nothing before the first save, and lists nothing then', async () => {
    const { User } = declare();
    expect((await User.saved()).size).to.equal(0);
    expect(await User.load('ann')).to.equal(undefined);
    expect(readdirSync(folder)).to.deep.equal([]);
  });

  it('reads what people wrote, and writes their own keys back', async () => {
    mkdirSync(path(), { recursive: true });
    writeFileSync(
      path('ann.json'),
      '\uFEFF{"colour": "red", "name":"Ann", "__proto__": {"polluted": true}, "badges": ["7"]}\r\n',
    );
    const { User } = declare();
    const ann = await User.load('ann');
    expect(ann?.name).to.equal('Ann');
    expect(ann?.badges).to.deep.equal(new Set([7n]));
    expect(({} as { polluted?: boolean }).polluted).to.equal(undefined);
    await ann?.save();
    const text = readFileSync(path('ann.json'), 'utf8');
    expect(text).to.contain('"colour": "red"').and.to.contain('"__proto__"');
    expect(Object.keys(JSON.parse(text))).to.deep.equal(['name', 'badges', 'nickname', 'colour', '__proto__']);
  });

  it('does not write what was last read or written', async () => {
    await declare().User.create('ann', { name: 'Ann' }).save();
    const { User } = declare();
    const ann = await User.load('ann');
    renameSync(path('ann.json'), path('moved'));
    await ann?.save();
    expect(readdirSync(path())).to.deep.equal(['moved']);
    await ann?.save({ force: true });
    expect(readFileSync(path('ann.json'), 'utf8')).to.equal(readFileSync(path('moved'), 'utf8'));
  });

  it('writes 100 overlapping saves of an object at most twice, the last one last', async () => {
    const { User } = declare();
    const ann = User.create('ann');
    const seen = new Set<string>();
    const saves = Array.from({ length: 100 }, (_, index) => {
      ann.name = `Ann ${index}`;
      return ann.save().then(() => seen.add(JSON.parse(readFileSync(path('ann.json'), 'utf8')).name));
    });
    await Promise.all(saves);
    expect(seen.size).to.be.at.most(2);
    expect(JSON.parse(readFileSync(path('ann.json'), 'utf8')).name).to.equal('Ann 99');
  });

  const broken: Record<string, (file: string) => void> = {
    'is cut in half': (file) => writeFileSync(file, '{\n  "name": "An'),
    'is empty': (file) => writeFileSync(file, ''),
    'holds null': (file) => writeFileSync(file, 'null'),
    'holds an array': (file) => writeFileSync(file, '[]'),
    'holds zeros': (file) => writeFileSync(file, new Uint8Array(100)),
    'is no UTF-8': (file) => writeFileSync(file, new Uint8Array([0x7b, 0xff, 0x7d])),
    'holds a value that is not its field’s': (file) => writeFileSync(file, '{"badges": ["one"]}'),
    'is of a newer version': (file) => writeFileSync(file, '{"$version": 3}'),
  };

  for (const [what, damage] of Object.entries(broken)) {
    it(`names a file that ${what}, leaves it as it is, and still lists the others`, async () => {
      await declare().User.create('good', { name: 'Good' }).save();
      damage(path('bad.json'));
      const before = readFileSync(path('bad.json'));
      const { service, User } = declare();
      const reported: KeepsakeError[] = [];
      service.on('corrupt', (error) => reported.push(error));
      const error = await failure(User.load('bad'));
      expect(error.code).to.be.oneOf(['KEEPSAKE_CORRUPT_DATA', 'KEEPSAKE_MIGRATION']);
      expect(error.message).to.match(/bad/);
      expect([...(await User.saved()).keys()]).to.deep.equal(['good']);
      expect(reported.map(({ key }) => key ?? 'bad')).to.deep.equal(['bad']);
      expect((await failure(User.create('bad').save())).code).to.equal('KEEPSAKE_DUPLICATE_KEY');
      expect(readFileSync(path('bad.json'))).to.deep.equal(before);
    });
  }

  it('throws at a bad file, or moves it aside, as asked', async () => {
    await declare().User.create('good').save();
    writeFileSync(path('bad.json'), '{');
    writeFileSync(path('worse.json'), '{"badges": 1}');
    const strict = declare({ onCorrupt: 'throw' }).User;
    expect((await failure(Promise.resolve(strict.saved()))).code).to.equal('KEEPSAKE_CORRUPT_DATA');
    const { service, User } = declare({ onCorrupt: 'quarantine' });
    const reported: KeepsakeError[] = [];
    service.on('corrupt', (error) => reported.push(error));
    expect([...(await User.saved()).keys()]).to.deep.equal(['good']);
    expect(reported).to.have.length(2);
    const names = readdirSync(path()).map((name) => name.replace(/\d+$/, ''));
    expect(names.sort()).to.deep.equal(['bad.json.corrupt-', 'good.json', 'worse.json.corrupt-']);
    expect(await User.load('bad')).to.equal(undefined);
  });

  it('refuses a link and a folder in place of a file, and leaves what they are', async () => {
    const { User } = declare();
    await User.create('good').save();
    writeFileSync(path('target'), '{"name": "secret"}');
    symlinkSync(path('target'), path('link.json'));
    mkdirSync(path('folder.json'));
    for (const key of ['link', 'folder']) {
      expect((await failure(User.load(key))).code, key).to.equal('KEEPSAKE_STORAGE');
      const error = await failure(User.create(key, { name: 'new' }).save({ overwrite: true }));
      expect(error.code).to.equal('KEEPSAKE_STORAGE');
      expect(error.message).to.contain(`${key}.json`);
    }
    expect(readFileSync(path('target'), 'utf8')).to.equal('{"name": "secret"}');
    expect((await declare().User.load('good'))?.name).to.equal('');
  });

  it('keeps what was saved when a value cannot be', async () => {
    const { User } = declare();
    const ann = User.create('ann', { name: 'Ann' });
    await ann.save();
    ann.badges.add(7 as unknown as bigint);
    const error = await failure(ann.save());
    expect(error).to.include({ code: 'KEEPSAKE_ENCODE', key: 'ann', path: 'badges[0]' });
    expect(error.message).to.equal('User "ann": badges[0]: 7 is not a bigint');
    expect(JSON.parse(readFileSync(path('ann.json'), 'utf8')).name).to.equal('Ann');
  });

  it('refuses a save over what another process saved, where asked to', async () => {
    const declareShared = () => {
      const service = new Service({ backend: `file:${folder}?shared=true` });
      services.push(service);
      @StoredIn(service, { concurrency: 'optimistic' })
      class Account extends Store {
        @Field() balance = 0;
      }
      return Account;
    };
    const Mine = declareShared();
    const Theirs = declareShared();
    const mine = Mine.create('ann');
    await mine.save();
    const theirs = await Theirs.load('ann');
    expect(theirs?.balance).to.equal(0);
    mine.balance = 1;
    await mine.save();
    if (theirs === undefined) throw new Error('it is saved');
    theirs.balance = 2;
    expect((await failure(theirs.save())).code).to.equal('KEEPSAKE_CONFLICT');
    await theirs.load();
    expect(theirs.balance).to.equal(1);
    theirs.balance = 3;
    await theirs.save();
    expect(JSON.parse(readFileSync(join(folder, 'account', 'ann.json'), 'utf8')).balance).to.equal(3);
  });
});
