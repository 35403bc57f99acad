import { linkSync, mkdirSync, mkdtempSync, renameSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { expect } from 'chai';
import type { Backend } from 'keepsake';
import { all, Folders } from '../../support/folders.js';
import { WatchedFs } from '../../support/watched-fs.js';

const TMPFS = 0x01021994;

/** Makes files of keys `user:0`, `user:1` and so on; most of them are links to one, which is quicker. */
function makeFiles(folder: string, count: number): void {
  mkdirSync(join(folder, 'user'));
  const first = join(folder, 'user', '0.bin');
  writeFileSync(first, 'x');
  for (let index = 1; index < count; index++) linkSync(first, join(folder, 'user', `${index}.bin`));
}

const keysUpTo = (count: number) => Array.from({ length: count }, (_, index) => `user:${index}`).sort();

describe('files, listings', () => {
  const folders = new Folders();
  const fs = new WatchedFs();
  let backend: Backend;
  let folder: string;
  beforeEach(() => {
    folder = folders.make();
    backend = folders.open(folder);
  });
  afterEach(async () => {
    fs.restore();
    await folders.clearAway();
  });

  /** The folders that are read meanwhile, below the root. */
  async function foldersRead(work: () => Promise<unknown>): Promise<string[]> {
    const read: string[] = [];
    fs.watch('opendirSync', (path) => read.push(String(path).slice(folder.length)));
    await work();
    fs.restore();
    return read.sort();
  }

  describe('of a prefix', () => {
    beforeEach(async () => {
      let swept = false;
      fs.watch('opendirSync', () => {
        swept = true;
      });
      await backend.open();
      // The sweep that follows an opening reads the folder, which is empty yet.
      for (let turn = 0; turn < 10_000 && !swept; turn++) await setImmediate();
      fs.restore();
      for (const key of ['top', 'user:ann', 'user:bob', 'user:work:ann', 'group:a', 'users:x', 'user']) {
        await backend.set(key, key);
      }
    });

    const listings: Readonly<Record<string, (prefix: string) => Promise<unknown>>> = {
      keys: (prefix) => all(backend.keys({ prefix })),
      entries: (prefix) => all(backend.entries({ prefix })),
      count: (prefix) => backend.count({ prefix }),
      page: (prefix) => backend.page({ prefix }),
    };
    for (const [name, list] of Object.entries(listings)) {
      it(`read by ${name} only the folders that can hold it`, async () => {
        expect(await foldersRead(() => list('user:'))).to.deep.equal(['/user', '/user/work']);
        expect(await foldersRead(() => list('user:a'))).to.deep.equal(['/user']);
        expect(await foldersRead(() => list('user:work:'))).to.deep.equal(['/user/work']);
        expect(await foldersRead(() => list('user:w'))).to.deep.equal(['/user', '/user/work']);
      });
    }

    it('give what starts with it', async () => {
      expect((await all(backend.keys({ prefix: 'user' }))).sort()).to.deep.equal([
        'user',
        'user:ann',
        'user:bob',
        'user:work:ann',
        'users:x',
      ]);
      expect(await backend.count({ prefix: 'user' })).to.equal(5);
      expect(await backend.count({ prefix: 'user:a' })).to.equal(1);
      expect(await backend.count({ prefix: 'user:work' })).to.equal(1);
      expect(await backend.count({ prefix: 'none:' })).to.equal(0);
      expect(await backend.count()).to.equal(7);
    });
  });

  it('count only files that are of keys, and open none', async () => {
    await backend.setMany([
      ['a', '1'],
      ['b.c', '2'],
      ['Ann Lee', '3'],
      ['con', '4'],
      ['e:', '5'],
    ]);
    for (const name of ['A.bin', 'a.txt', '%zz.bin', 'con.bin', '..bin', '.bin', 'b c.bin']) {
      writeFileSync(join(folder, name), 'not of a key');
    }
    mkdirSync(join(folder, 'folder.bin'));
    const keys = await all(backend.keys());
    let opened = 0;
    fs.watch('openSync', () => opened++);
    expect(await backend.count()).to.equal(keys.length);
    expect(opened).to.equal(0);
    fs.restore();
    expect(keys.sort()).to.deep.equal(['Ann Lee', 'a', 'b.c', 'con', 'e:']);
  });

  it('count keys that are too long for a name', async () => {
    await backend.setMany(['x', 'y'].map((end) => ['k'.repeat(300) + end, end]));
    writeFileSync(join(folder, `%h${'0'.repeat(64)}.bin`), 'of no key');
    expect(await backend.count()).to.equal(2);
    expect(await all(backend.keys())).to.have.length(2);
  });

  it('page through more keys than a page holds, in order, each once', async () => {
    makeFiles(folder, 3500);
    const found: string[] = [];
    let cursor: string | undefined;
    let pages = 0;
    do {
      const page = await backend.page({ prefix: 'user:', limit: 1000, ...(cursor === undefined ? {} : { cursor }) });
      expect(page.keys.length).to.be.at.most(1000);
      found.push(...page.keys);
      cursor = page.cursor;
      pages++;
    } while (cursor !== undefined);
    expect(found).to.deep.equal(keysUpTo(3500));
    expect(pages).to.be.within(4, 5);
  });

  describe('while files are replaced, in a folder', () => {
    /** All keys, with `change` after each part of them. */
    async function keysWhile(of: Backend, change: (done: number) => Promise<unknown> | unknown): Promise<string[]> {
      const found: string[] = [];
      for await (const key of of.keys()) {
        found.push(key);
        if (found.length % 1500 === 0) await change(found.length);
      }
      return found.sort();
    }

    for (const count of [3000, 12_000]) {
      it(`of ${count.toLocaleString('en-GB')}, give each key once`, async () => {
        makeFiles(folder, count);
        const found = await keysWhile(backend, (done) =>
          backend.setMany(Array.from({ length: 400 }, (_, index) => [`user:${(index * 29 + done) % count}`, 'new'])),
        );
        expect(found).to.deep.equal(keysUpTo(count));
      });
    }

    it('that another process writes to, give each key once', async function () {
      // Elsewhere a file that was replaced may be missed; see the docs.
      if (process.platform !== 'linux' || statfsSync(folder).type !== 0xef53) return this.skip();
      makeFiles(folder, 12_000);
      const found = await keysWhile(backend, (done) => {
        for (let index = 0; index < 400; index++) {
          const temporary = join(folder, 'user', `%t${index}`);
          writeFileSync(temporary, 'new');
          renameSync(temporary, join(folder, 'user', `${(index * 29 + done) % 12_000}.bin`));
        }
      });
      expect(found).to.deep.equal(keysUpTo(12_000));
    });

    it('whose file system gives a new file another place, give each key once', async function () {
      // The disk in memory does.
      if (process.platform !== 'linux' || statfsSync('/dev/shm').type !== TMPFS) return this.skip();
      const memory = folders.own(mkdtempSync('/dev/shm/keepsake-'));
      makeFiles(memory, 8000);
      const listed = folders.open(memory);
      const found = await keysWhile(listed, (done) =>
        listed.setMany(Array.from({ length: 500 }, (_, index) => [`user:${(index * 16 + done) % 8000}`, 'new'])),
      );
      expect(found).to.deep.equal(keysUpTo(8000));
    });

    it('give no key twice that is deleted and made anew', async () => {
      makeFiles(folder, 3000);
      const found = await keysWhile(backend, async () => {
        const keys = Array.from({ length: 500 }, (_, index) => `user:${index * 6}`);
        await backend.deleteMany(keys);
        await backend.setMany(keys.map((key) => [key, 'anew']));
      });
      expect(new Set(found).size).to.equal(found.length);
      expect(found).to.include.members(keysUpTo(3000).filter((key) => Number(key.slice(5)) % 6 !== 0));
    });
  });
});
