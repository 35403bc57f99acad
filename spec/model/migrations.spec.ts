import { expect } from 'chai';
import { type Backend, Field, type Migrations, type ModelOptions, Service, Store, StoredIn } from 'keepsake';
import { openForModels, refuses, textOf } from '../support/models.js';

describe('versions of data', () => {
  let backend: Backend;
  let service: Service;
  beforeEach(() => {
    backend = openForModels();
    service = new Service({ backend });
  });

  function declareUser(version: number, migrations: Migrations = {}) {
    @StoredIn(service, { version, migrations })
    class User extends Store {
      @Field() name = 'none';
      @Field() level = 0;
    }
    return User;
  }

  const put = (key: string, data: object) => backend.set(`user:${key}`, JSON.stringify(data));

  it('are written down as $version, first, unless 0', async () => {
    await declareUser(3).create('x').save();
    expect(await textOf(backend, 'user:x')).to.equal('{\n  "$version": 3,\n  "name": "none",\n  "level": 0\n}\n');
    const other = new Service({ backend: openForModels() });
    const User = other.register(class User extends Store {}, { version: 0 });
    expect(new User('x').toDict()).to.deep.equal({});
  });

  it('are brought up step by step when loaded, and the file changes at the next save', async () => {
    const steps: unknown[] = [];
    const User = declareUser(3, {
      1: (data) => {
        steps.push(1, structuredClone(data));
        return { ...data, name: data.title };
      },
      3: ({ title: _, ...data }) => {
        steps.push(3, structuredClone(data));
        return { ...data, level: 9 };
      },
    });
    await put('old', { title: 'Ann', kept: [1] });
    const before = await textOf(backend, 'user:old');
    const user = await User.load('old');
    expect([user?.name, user?.level]).to.deep.equal(['Ann', 9]);
    expect(steps).to.deep.equal([1, { title: 'Ann', kept: [1] }, 3, { kept: [1], name: 'Ann' }]);
    expect(await textOf(backend, 'user:old')).to.equal(before);
    await user?.save();
    expect(JSON.parse((await textOf(backend, 'user:old')) ?? '')).to.deep.equal({
      $version: 3,
      name: 'Ann',
      level: 9,
      kept: [1],
    });
  });

  it('start where the data is, and run in listings and in fromDict too', async () => {
    const User = declareUser(2, { 1: () => ({ name: 'one' }), 2: (data) => ({ ...data, level: 2 }) });
    await put('one', { $version: 1, name: 'Ann' });
    await put('two', { $version: 2, name: 'Bob', level: 7 });
    const saved = [...(await User.saved()).values()].map(({ name, level }) => [name, level]);
    expect(saved).to.deep.equal([
      ['Ann', 2],
      ['Bob', 7],
    ]);
    expect(new User('x').fromDict({ $version: 1, name: 'Cat' }).level).to.equal(2);
    expect(new User('y').fromDict({ name: 'Cat' }).name).to.equal('one');
  });

  it('do not show in the data that steps get', () => {
    const User = declareUser(2, {
      2: (data) => {
        expect(data).to.not.have.property('$version');
        return data;
      },
    });
    new User('x').fromDict({ $version: 1 });
  });

  it('newer than the class are refused, and left alone', async () => {
    const User = declareUser(1);
    await put('new', { $version: 2, name: 'Ann' });
    await refuses(
      () => User.load('new'),
      'MigrationError',
      /bytes\/user:new|User "new" was saved by version 2 of its class; this is version 1/,
    );
    expect(JSON.parse((await textOf(backend, 'user:new')) ?? '')).to.deep.equal({ $version: 2, name: 'Ann' });
    const seen: unknown[] = [];
    service.on('corrupt', ({ code, key }) => seen.push(code, key));
    expect((await User.saved()).size).to.equal(0);
    expect(seen).to.deep.equal(['KEEPSAKE_MIGRATION', 'new']);
  });

  it('that are no whole numbers make the data corrupt', async () => {
    const User = declareUser(1);
    for (const version of ['1', 1.5, -1, null, {}]) {
      await put('odd', { $version: version });
      await refuses(() => User.load('odd'), 'CorruptDataError', /\$version must be a whole number from 0/);
    }
  });

  it('whose step throws, or gives no object, are refused with the cause', async () => {
    let answer: () => unknown = () => {
      throw new RangeError('broken step');
    };
    const User = declareUser(1, { 1: () => answer() as Record<string, unknown> });
    await put('old', {});
    await refuses(
      () => User.load('old'),
      'MigrationError',
      /User "old": the migration to version 1 threw: broken step/,
    );
    for (const wrong of [undefined, null, [], 5, Promise.resolve({})]) {
      answer = () => wrong;
      await refuses(() => User.load('old'), 'MigrationError', /must answer an object; got/);
    }
    expect(User.active().size).to.equal(0);
  });

  it('are checked when the class is declared', async () => {
    const register = (options: ModelOptions) => () => service.register(class User extends Store {}, options);
    const step = (data: Record<string, unknown>) => data;
    await refuses(register({ version: 1.5 }), 'DeclarationError', /User: version must be a whole number.*1\.5/);
    await refuses(register({ version: -1 }), 'DeclarationError');
    await refuses(register({ version: '1' as never }), 'DeclarationError');
    await refuses(
      register({ version: 1, migrations: { 2: step } }),
      'DeclarationError',
      /leads to version 2, past.* 1/,
    );
    await refuses(register({ migrations: { 1: step } }), 'DeclarationError', /past the class's 0/);
    await refuses(
      register({ version: 1, migrations: { 0: step } }),
      'DeclarationError',
      /whole numbers from 1; got "0"/,
    );
    await refuses(register({ version: 2, migrations: { '1.0': step } as never }), 'DeclarationError', /got "1.0"/);
    await refuses(register({ version: 2, migrations: { one: step } as never }), 'DeclarationError', /got "one"/);
    await refuses(register({ version: 2, migrations: { 2: 5 as never } }), 'DeclarationError', /2 must be a function/);
    await refuses(register({ version: 2, migrations: 'x' as never }), 'DeclarationError', /migrations must be/);
  });

  it('let a field go and come back: what it held is kept', async () => {
    await put('x', { name: 'Ann', level: 4 });
    @StoredIn(service, { name: 'user' })
    class Without extends Store {
      @Field() name = '';
    }
    const user = await Without.load('x');
    if (user !== undefined) user.name = 'Bob';
    await user?.save();
    const later = new Service({ backend });
    @StoredIn(later)
    class User extends Store {
      @Field() name = '';
      @Field() level = 0;
    }
    expect((await User.load('x'))?.toDict()).to.deep.equal({ name: 'Bob', level: 4 });
  });
});
