import { expect } from 'chai';
import { type Backend, BackendRegistry, encoded, files, json, memory } from 'keepsake';
import { all, Folders, rejection } from '../support/folders.js';

describe('BackendRegistry', () => {
  it('makes the backend of a name once, by default in memory', async () => {
    const registry = new BackendRegistry<number>();
    const store = registry.get('a');
    await store.set('key', 1);
    expect(registry.get('a')).to.equal(store);
    expect(await registry.get('b').get('key')).to.equal(undefined);
    await registry.get('b').clear();
    expect(await store.count()).to.equal(1);
    expect([...registry].map(([name]) => name)).to.deep.equal(['a', 'b']);
    await registry.close();
  });

  it('asks the default factory exactly once for a name', () => {
    const asked: string[] = [];
    const registry = new BackendRegistry({
      defaultFactory: (name) => {
        asked.push(name);
        return memory();
      },
    });
    registry.get('a');
    registry.get('a');
    registry.get('b');
    expect(asked).to.deep.equal(['a', 'b']);
    expect(registry.has('a')).to.equal(true);
    expect(registry.has('c')).to.equal(false);
  });

  it('gives what was registered, by its options or afterwards', () => {
    const sessions = memory();
    const pages = memory();
    for (const backends of [{ sessions }, new Map([['sessions', sessions]])]) {
      const registry = new BackendRegistry({ backends });
      expect(registry.get('sessions')).to.equal(sessions);
      expect(registry.register('pages', pages)).to.equal(registry);
      expect(registry.get('pages')).to.equal(pages);
    }
  });

  it('copies the backends that it is given', () => {
    const backends = {};
    new BackendRegistry({ backends }).register('a', memory());
    expect(backends).to.deep.equal({});
  });

  it('refuses a name that is taken, unless told to override', () => {
    const registry = new BackendRegistry({ backends: { a: memory() } });
    expect(() => registry.register('a', memory()))
      .to.throw(/already/)
      .with.property('code', 'KEEPSAKE_DUPLICATE_NAME');
    const other = memory();
    registry.register('a', other, { override: true });
    expect(registry.get('a')).to.equal(other);
  });

  it('gives several users one backend by its name', async () => {
    const file = memory<number>();
    const registry = new BackendRegistry({ backends: { file } });
    const [cache, sessions] = ['file', 'sessions'].map((name) => registry.get(name)) as [
      Backend<number>,
      Backend<number>,
    ];
    await cache.set('a', 1);
    expect(await registry.get('file').get('a')).to.equal(1);
    expect(await sessions.get('a')).to.equal(undefined);
  });

  it('opens nothing before its first use, and closes what it made, also what was replaced', async () => {
    const given = memory();
    const registry = new BackendRegistry({ backends: { given } });
    const made = registry.get('made');
    const replaced = registry.get('replaced');
    registry.register('replaced', memory(), { override: true });
    expect(made.ready).to.equal(false);
    await Promise.all([made, replaced, given].map((backend) => backend.set('a', 1)));
    await registry.close();
    await registry.close();
    for (const closed of [made, replaced]) expect((await rejection(closed.get('a'))).code).to.equal('KEEPSAKE_CLOSED');
    expect(await given.get('a')).to.equal(1);
    expect(() => registry.get('made'))
      .to.throw(/closed/)
      .with.property('code', 'KEEPSAKE_CLOSED');
    expect(() => registry.register('x', memory())).to.throw(/closed/);
  });

  it('takes one backend for every name, and closes it once', async () => {
    const one = memory<number>();
    const registry = new BackendRegistry({ defaultFactory: () => one });
    await registry.get('a').set('key', 1);
    expect(await registry.get('b').get('key')).to.equal(1);
    await registry.close();
  });

  it('closes all even if one of them fails', async () => {
    const folders = new Folders();
    const failing = memory();
    failing.close = () => Promise.reject(new Error('stuck'));
    const registry = new BackendRegistry({ defaultFactory: (name) => (name === 'bad' ? failing : memory()) });
    registry.get('bad');
    const good = registry.get('good');
    expect((await rejection(registry.close())).message).to.equal('stuck');
    expect((await rejection(good.get('a'))).code).to.equal('KEEPSAKE_CLOSED');
    await folders.clearAway();
  });

  describe('with a namespace for each name', () => {
    const folders = new Folders();
    after(() => folders.clearAway());

    it('shows each name its own entries, whatever the keys are', async () => {
      const root = encoded(files(folders.make(), { durability: 'none' }), json<string>());
      const registry = new BackendRegistry<string>({ defaultFactory: (name) => root.namespace(name) });
      const names = ['sessions', 'session', 'sessions.old', '__proto__', 'constructor'];
      // What an attacker might try to reach another name with.
      const keys = [
        'sessions:admin',
        '../sessions/admin',
        ':sessions:admin',
        '%2e%2e/sessions',
        'admin',
        '..',
        '__proto__',
      ];
      for (const name of names) {
        for (const key of keys) await registry.get(name).set(key, `${name} ${key}`);
      }
      for (const name of names) {
        const store = registry.get(name);
        expect((await all(store.keys())).sort()).to.deep.equal([...keys].sort());
        for (const key of keys) expect(await store.get(key)).to.equal(`${name} ${key}`);
      }
      await registry.get('session').clear();
      expect(await registry.get('sessions').count()).to.equal(keys.length);
      expect(await registry.get('sessions.old').count()).to.equal(keys.length);
      await registry.close();
      expect(await root.count()).to.equal(keys.length * (names.length - 1));
      await root.close();
    });

    it('refuses names that are no namespaces', () => {
      const registry = new BackendRegistry();
      for (const name of ['', 'a:b', '../a', '.a', 'a/b', 5 as never]) {
        expect(() => registry.get(name), String(name)).to.throw(/namespace/);
      }
    });
  });

  it('refuses what is no backend, and options there are not', () => {
    expect(() => new BackendRegistry({ backends: { a: {} as Backend<unknown> } })).to.throw(TypeError, /"a"/);
    expect(() => new BackendRegistry({ defaultFactory: () => ({}) as never }).get('a')).to.throw(TypeError, /"a"/);
    expect(() => new BackendRegistry({ stores: {} } as never)).to.throw(
      TypeError,
      /there are backends, defaultFactory/,
    );
  });
});
