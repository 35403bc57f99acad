import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { all, Folders, rejection, text } from '../../support/folders.js';

describe("files, layout 'tree'", () => {
  const folders = new Folders();
  let folder: string;
  let temporary: string;
  beforeEach(() => {
    folder = folders.make();
    temporary = folders.make();
  });
  afterEach(() => folders.clearAway());

  for (const durability of ['file', 'none'] as const) {
    it(`keeps keys as paths, with names as they are, durability '${durability}'`, async () => {
      writeFileSync(join(folder, 'README'), 'there before');
      const backend = folders.open(folder, { layout: 'tree', temporary, durability });
      await backend.set('tmp/Ann Lee:1', 'x');
      expect(readFileSync(join(folder, 'tmp', 'Ann Lee:1'), 'utf8')).to.equal('x');
      expect((await all(backend.keys())).sort()).to.deep.equal(['README', 'tmp/Ann Lee:1']);
      expect(await all(backend.keys({ prefix: 'tmp/A' }))).to.deep.equal(['tmp/Ann Lee:1']);
      expect(await text(backend, 'README')).to.equal('there before');
      expect(await backend.delete('tmp/Ann Lee:1')).to.equal(true);
      expect(readdirSync(folder)).to.deep.equal(['README', 'tmp']);
      expect(readdirSync(temporary)).to.deep.equal([]);
    });

    it(`refuses keys that would make one name both file and folder, durability '${durability}'`, async () => {
      const backend = folders.open(folder, { layout: 'tree', temporary, durability });
      await backend.set('foo', 'x');
      await backend.set('a/b', 'x');
      for (const key of ['foo/bar', 'foo/bar/baz', 'a']) {
        const error = await rejection(backend.set(key, 'y'));
        expect(error.code, key).to.equal('KEEPSAKE_INVALID_KEY');
        expect(error.message).to.include('both file and folder');
        expect(await backend.get(key)).to.equal(undefined);
        expect(await backend.has(key)).to.equal(false);
        expect(await backend.delete(key)).to.equal(false);
      }
      expect(await text(backend, 'foo')).to.equal('x');
      expect(readdirSync(temporary)).to.deep.equal([]);
    });
  }

  it('refuses keys that are no plain path', async () => {
    const backend = folders.open(folder, { layout: 'tree', temporary });
    for (const key of [
      '/a',
      'a/',
      'a//b',
      '.',
      '..',
      '../x',
      'a/../b',
      './a',
      '/',
      'a\0b',
      'x'.repeat(256),
      `../${folder.split('/').pop()}_evil/x`,
    ]) {
      for (const failing of [backend.set(key, 'x'), backend.get(key), backend.delete(key)]) {
        expect((await rejection(failing)).code, key).to.equal('KEEPSAKE_INVALID_KEY');
      }
      if (key !== '.' && key !== '/a') expect(await all(backend.keys({ prefix: `${key}/` }))).to.deep.equal([]);
    }
  });

  it('wants its temporary folder outside, on the same file system, by real paths', async () => {
    const opening = (scratch: string) => rejection(folders.open(folder, { layout: 'tree', temporary: scratch }).open());
    expect((await opening(folder)).message).to.include('the folder of the files itself');
    expect((await opening(join(folder, 'inside'))).message).to.include('inside the folder');
    symlinkSync(folder, join(temporary, 'link'));
    expect((await opening(join(temporary, 'link', 'inside'))).message).to.include('inside the folder');
    const outer = join(folder, '..');
    expect((await opening(outer)).message).to.include('must not lie inside temporary');
    const sibling = `${folder}_2`;
    await folders.open(folder, { layout: 'tree', temporary: sibling }).open();
    await folders.open(sibling, { layout: 'tree', temporary: folder }).open();
    if (process.platform === 'linux')
      expect((await opening('/dev/shm/keepsake-spec')).message).to.include('same file system');
  });

  it('honours deadlines, pages in order, and clears with its folders', async () => {
    let now = 0;
    const backend = folders.open(folder, { layout: 'tree', temporary, clock: () => now });
    const keys = ['b/c', 'b', 'b.x', 'b!', 'a/z/y', 'a:b', 'ab'].filter((key) => key !== 'b');
    for (const key of keys) await backend.set(key, key);
    await backend.set('b/gone', 'x', { expiresAt: 10 });
    now = 10;
    const expected = [...keys].sort();
    const found: string[] = [];
    for (let cursor: string | undefined, first = true; first || cursor !== undefined; first = false) {
      const page = await backend.page(cursor === undefined ? { limit: 2 } : { limit: 2, cursor });
      found.push(...page.keys);
      cursor = page.cursor;
    }
    expect(found).to.deep.equal(expected);
    expect(await backend.deleteExpired()).to.equal(1);
    mkdirSync(join(folder, 'empty'));
    await backend.clear({ prefix: 'b' });
    expect((await all(backend.keys())).sort()).to.deep.equal(['a/z/y', 'a:b', 'ab']);
    expect(readdirSync(folder).sort()).to.deep.equal(['a', 'a:b', 'ab', 'empty']);
  });

  it('sets a bad file aside in its temporary folder, where it is no key', async () => {
    const backend = folders.open(folder, {
      layout: 'tree',
      temporary,
      clock: () => 5,
      onCorrupt: 'quarantine',
      report: () => undefined,
    });
    writeFileSync(join(folder, 'bad'), '\0ksp1');
    expect(await all(backend.entries())).to.deep.equal([]);
    expect(readdirSync(folder)).to.deep.equal([]);
    expect(readdirSync(temporary)).to.deep.equal(['bad.corrupt-5']);
  });

  it('takes an extension, if given', async () => {
    const backend = folders.open(folder, { layout: 'tree', temporary, extension: '.json' });
    writeFileSync(join(folder, 'other'), '');
    await backend.set('a', '1');
    await backend.set('a/b', '2');
    expect(readdirSync(folder).sort()).to.deep.equal(['a', 'a.json', 'other']);
    expect((await all(backend.keys())).sort()).to.deep.equal(['a', 'a/b']);
  });
});
