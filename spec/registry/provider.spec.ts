import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { Backend, BackendProvider, memory, provider } from 'keepsake';
import { TestClock } from '../support/clock.js';
import { Folders, rejection } from '../support/folders.js';

describe('BackendProvider', () => {
  const folders = new Folders();
  after(() => folders.clearAway());

  it('makes a new backend each time', async () => {
    const one: Backend<number> = await provider.create('lru', 2);
    const other: Backend<number> = await provider.create('lru', 2);
    for (const key of ['a', 'b', 'c']) await one.set(key, 1);
    expect(await one.count()).to.equal(2);
    expect(await other.count()).to.equal(0);
  });

  it('makes what was registered, by a function, an async one or a class', async () => {
    class Own extends Backend<number> {
      readonly size: number;
      constructor(size: number) {
        super(memory<number>().driver);
        this.size = size;
      }
    }
    const own = new BackendProvider()
      .register('function', (max: number) => memory({ max }))
      .register('async', async (max: number) => memory({ max }))
      .register('class', Own);
    for (const name of ['function', 'async', 'class']) {
      const backend = await own.create(name, 5);
      await backend.set('a', 1);
      expect(await backend.get('a'), name).to.equal(1);
    }
    expect((await own.create('class', 7)).constructor).to.equal(Own);
    expect(provider.names).not.to.include('class');
  });

  it('replaces a factory of the same name', async () => {
    const own = new BackendProvider().register('lru', () => memory({ max: 1 }));
    const backend = await own.create('lru', 100);
    await backend.setMany([
      ['a', 1],
      ['b', 1],
    ]);
    expect(await backend.count()).to.equal(1);
  });

  it('keeps a JSON file for each key', async () => {
    const folder = folders.make();
    const backend = await provider.create('storage.json', { folder });
    await backend.set('some_key', { text: 'Hello World!' });
    expect(readFileSync(join(folder, 'some_key.storage.json'), 'utf8')).to.equal('{"text":"Hello World!"}');
    expect(await backend.count()).to.equal(1);
    expect(await backend.delete('some_key')).to.equal(true);
    expect(await backend.get('some_key')).to.equal(undefined);
    await backend.close();
  });

  it('keeps whatever structured clone carries, also compressed', async () => {
    const value = { since: new Date(5), tags: new Set(['a']), deep: new Map([[1, 2n]]) };
    for (const [name, file] of [
      ['storage.pickle', 'key.storage.bin'],
      ['storage.pickle.gzip', 'key.storage.bin.gz'],
    ] as const) {
      const folder = folders.make();
      const backend = await provider.create(name, { folder });
      await backend.set('key', value);
      expect(readdirSync(folder)).to.deep.equal([file]);
      expect(await backend.get('key')).to.deep.equal(value);
      await backend.close();
    }
    expect((await rejection(provider.create('pickle.gzip'))).message).to.include('folder must be');
  });

  it('keeps at most so many files, and which they are over a restart', async () => {
    const folder = folders.make();
    const first = await provider.create('disklru', { folder, max: 100, durability: 'none' });
    for (let index = 0; index < 150; index++) await first.set(`key.${index}`, `value.${index}`);
    expect(await first.count()).to.equal(100);
    expect(await first.get('key.50')).to.equal('value.50');
    await first.close();
    const again = await provider.create('disklru', { folder, max: 100, durability: 'none' });
    await again.set('new', 1);
    expect(await again.get('key.50')).to.equal('value.50');
    expect(await again.get('key.51')).to.equal(undefined);
    await again.close();
  });

  it('lets entries of another backend expire', async () => {
    const clock = new TestClock();
    const backend = await provider.create('volatile', { backend: memory({ clock: clock.now }), ttl: '5s' });
    await backend.set('key', 'value');
    clock.advance(5000);
    expect(await backend.get('key')).to.equal(undefined);
  });

  it('opens URLs, also by the scheme as a name', async () => {
    const folder = folders.make();
    const opened = await provider.open(`file:${folder}?durability=none`);
    await opened.set('a', 'x');
    const created = await provider.create('file', `${folder}?durability=none`);
    expect(Buffer.from(await created.get('a')).toString()).to.equal('x');
    expect((await provider.create('memory')).name).to.equal('memory');
    await opened.close();
    await created.close();
  });

  it('names what there is, for a name that there is not', async () => {
    const error = await rejection(provider.create('storage.floppy'));
    expect(error).to.be.instanceOf(TypeError);
    expect(error.message).to.match(
      /no backend named "storage\.floppy"; there are disklru, dynamodb, file, http, https, json, lru, mariadb, memcached, memory, mongodb.*storage\.json/,
    );
    for (const name of ['lru', 'json', 'pickle', 'pickle.gzip', 'volatile', 'disklru', 's3', 'redis', 'redis.json']) {
      expect(provider.names).to.include(name).and.include(`storage.${name}`);
    }
  });

  it('names the options there are, for one that there is not', async () => {
    expect((await rejection(provider.create('lru', { size: 5 }))).message).to.match(
      /no option "size"; there are .*max/,
    );
    expect((await rejection(provider.create('json', { path: 'x' }))).message).to.match(/no option "path"; there are/);
    expect((await rejection(provider.create('volatile', { ttl: 5 }))).message).to.include('backend must be a Backend');
    expect((await rejection(provider.create('volatile', { expiration: 5 }))).message).to.match(
      /there are backend, ttl/,
    );
    expect((await rejection(provider.create('s3', {}))).message).to.include('bucket must be the name of a bucket');
  });

  it('passes on what a factory throws', async () => {
    const own = new Error('mine');
    const failing = new BackendProvider().register('failing', () => {
      throw own;
    });
    expect(await rejection(failing.create('failing'))).to.equal(own);
    const wrong = new BackendProvider().register('wrong', () => ({}) as Backend);
    expect((await rejection(wrong.create('wrong'))).message).to.include('"wrong" must make a Backend');
    expect(() => wrong.register('', () => memory())).to.throw(TypeError, /name must be text/);
    expect(() => wrong.register('x', {} as never)).to.throw(TypeError, /function or a class/);
  });
});
