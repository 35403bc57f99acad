import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { type FilesOptions, files } from 'keepsake';
import { all, Folders, rejection, text } from '../../support/folders.js';

const LOOK_ALIKES = [
  'foo/bar',
  'foobar',
  'foo\\\\bar',
  'foo\\bar',
  'foo/../bar',
  'fook-',
  'fook45',
  'foo\u212a',
  'fooK',
  'foo\n',
  'foo92n',
  '\r\n',
  '\n',
  '\0',
  'a\0',
  'a',
  'Foo',
  'foo',
  'fooß',
  'fooss',
  'fooẞ',
  'é',
  'e\u0301',
  '\u00c5',
  '\u212b',
  '\u03bf',
  'o',
  '\u0430',
  '\u00a0',
  ' ',
  '\t',
  'foo%2Fbar',
  'foo%2e%2e%2fbar',
  `${'a'.repeat(255)}X`,
  `${'a'.repeat(255)}Y`,
  'a:b',
  'a/b',
  'con',
  'CON',
  'x',
  'x.json',
  '__proto__',
  'constructor',
  '.',
  '..',
  'a//b',
  '*',
  '[a-z]',
  '%',
  '_',
  'foo:bar',
  'foo.bin:bar',
  'foo.bin',
  ':',
  '::',
  'k'.repeat(1024),
  `${'k'.repeat(1023)}j`,
  'ab:'.repeat(341),
  '\u{1f600}'.repeat(256),
  '.keepsake',
  '.keepsake:locks',
  '.expiring',
  '%t0123456789abcdef-0',
  '~',
  '-rf',
]; // prettier-ignore

describe('files', () => {
  const folders = new Folders();
  afterEach(() => folders.clearAway());

  for (const durability of ['file', 'none'] as const) {
    describe(`with durability '${durability}'`, () => {
      it('keeps look-alike keys apart, over a new start too', async () => {
        const folder = folders.make();
        const first = folders.open(folder, { durability });
        await Promise.all(LOOK_ALIKES.map((key) => first.set(key, `value of ${key}`)));
        await first.close();
        const second = folders.open(folder, { durability });
        for (const key of LOOK_ALIKES) expect(await text(second, key), key).to.equal(`value of ${key}`);
        expect((await all(second.keys())).sort()).to.deep.equal([...LOOK_ALIKES].sort());
        expect(await second.count()).to.equal(LOOK_ALIKES.length);
        for (const key of LOOK_ALIKES) expect(await second.delete(key), key).to.equal(true);
        expect(await second.count()).to.equal(0);
      });

      it('writes just the bytes, in a file that can be read by all as the umask says', async () => {
        const backend = folders.open(folders.make(), { durability, extension: '.json' });
        await backend.set('user:ann', '{"age":5}');
        const path = backend.locate('user:ann') as string;
        expect(readFileSync(path, 'utf8')).to.equal('{"age":5}');
        expect(statSync(path).mode & 0o777).to.equal(0o666 & ~process.umask());
        expect(readdirSync(dirname(path))).to.deep.equal(['ann.json']);
      });

      it('keeps the rights of the file that it replaces', async () => {
        const backend = folders.open(folders.make(), { durability });
        await backend.set('a', '1');
        chmodSync(backend.locate('a') as string, 0o640);
        await backend.set('a', '2');
        expect(statSync(backend.locate('a') as string).mode & 0o777).to.equal(0o640);
      });

      it('holds values of any size, as plain Uint8Array of their own', async () => {
        const backend = folders.open(folders.make(), { durability });
        for (const size of [0, 1, 16383, 16384, 16385, 65535, 65536, 65537, 3_000_000]) {
          const value = new Uint8Array(size).map((_, index) => index * 7);
          await backend.set('a', value);
          for (const read of [
            await backend.get('a'),
            (await backend.getMany(['a']))[0],
            (await all(backend.values()))[0],
          ]) {
            expect(Object.getPrototypeOf(read)).to.equal(Uint8Array.prototype);
            expect(Buffer.compare(read as Uint8Array, value), String(size)).to.equal(0);
            expect(read?.buffer.byteLength).to.equal(size);
          }
        }
      });

      it('ends 100 overlapping saves with the last, in order with deletes', async () => {
        const backend = folders.open(folders.make(), { durability });
        await Promise.all(Array.from({ length: 100 }, (_, index) => backend.set('a', String(index))));
        expect(await text(backend, 'a')).to.equal('99');
        const [, deleted] = await Promise.all([backend.set('a', 'x'), backend.delete('a'), backend.set('a', 'y')]);
        expect(deleted).to.equal(true);
        expect(await text(backend, 'a')).to.equal('y');
      });

      it('takes a burst of more writes and reads than a process may open files', async () => {
        const backend = folders.open(folders.make(), { durability });
        const keys = Array.from({ length: 3000 }, (_, index) => `k${index}`);
        await Promise.all(keys.map((key) => backend.set(key, key)));
        expect(
          (await Promise.all(keys.map((key) => text(backend, key)))).every((value, at) => value === keys[at]),
        ).to.equal(true);
      });

      it('refuses a symbolic link, a folder and a pipe in place of a file, and leaves the others alone', async () => {
        const folder = folders.make();
        const backend = folders.open(folder, { durability });
        await backend.set('good', 'good');
        writeFileSync(join(folder, 'target'), 'secret');
        symlinkSync(join(folder, 'target'), join(folder, 'link.bin'));
        mkdirSync(join(folder, 'folder.bin'));
        if (process.platform !== 'win32') execFileSync('mkfifo', [join(folder, 'pipe.bin')]);
        for (const [key, what] of [
          ['link', 'symbolic link'],
          ['folder', 'folder stands there'],
          ...(process.platform === 'win32' ? [] : ([['pipe', 'regular file']] as const)),
        ] as const) {
          for (const operation of [
            () => backend.get(key),
            () => backend.set(key, 'x'),
            () => backend.delete(key),
            () => backend.set(key, 'x', { if: 'absent' }),
            () => backend.getMany([key]),
          ]) {
            const error = await rejection(operation());
            expect(error).to.include({ code: 'KEEPSAKE_STORAGE', path: backend.locate(key) });
            expect(error.message).to.include(what);
          }
        }
        expect(readFileSync(join(folder, 'target'), 'utf8')).to.equal('secret');
        const reported: string[] = [];
        const listed = folders.open(folder, { report: (error) => reported.push(String(error.path)) });
        expect(await all(listed.entries())).to.have.length(1);
        const pipes = process.platform === 'win32' ? [] : ['pipe.bin'];
        const left = ['folder.bin', 'link.bin', ...pipes];
        expect(reported.sort()).to.deep.equal(left.map((name) => join(folder, name)));
        expect(readdirSync(folder).sort()).to.deep.equal(['good.bin', 'target', ...left].sort());
      });

      it('refuses a file in place of a folder', async () => {
        const folder = folders.make();
        const backend = folders.open(folder, { durability });
        writeFileSync(join(folder, 'user'), '');
        for (const failing of [backend.get('user:ann'), backend.set('user:ann', 'x')]) {
          const error = await rejection(failing);
          expect(error.code).to.equal('KEEPSAKE_STORAGE');
          expect(error.message).to.include('a file stands');
        }
        expect(await backend.set('users:ann', 'x')).to.equal(true);
      });

      it('makes folders that vanish again, but not its root', async () => {
        const folder = folders.make();
        const backend = folders.open(folder, { durability });
        await backend.set('a:b:c', '1');
        rmSync(join(folder, 'a'), { recursive: true });
        await backend.set('a:b:c', '2');
        expect(await text(backend, 'a:b:c')).to.equal('2');
        rmSync(folder, { recursive: true });
        const error = await rejection(backend.set('a:b:c', '3'));
        expect(error).to.include({ code: 'KEEPSAKE_STORAGE' });
        expect(error.message).to.include(`the folder ${folder} has vanished`);
        expect(existsSync(folder)).to.equal(false);
        expect((await rejection(all(backend.keys()))).code).to.equal('KEEPSAKE_STORAGE');
      });
    });
  }

  it('checks its options', () => {
    const bad: [FilesOptions, string][] = [
      [{ extension: 'json' }, 'extension must be'],
      [{ extension: '' }, 'extension must be'],
      [{ extension: '.JSON' }, 'extension must be'],
      [{ extension: '.a/b' }, 'extension must be'],
      [{ extension: '.' }, 'extension must be'],
      [{ extension: '.123' }, 'extension must be'],
      [{ durability: 'log' as 'file' }, "durability must be 'file' or 'journal' or 'none'"],
      [{ layout: 'flat' as 'tree' }, "layout must be 'encoded' or 'tree'"],
      [{ layout: 'tree' }, 'needs temporary'],
      [{ temporary: '/tmp/x' }, "temporary is for layout 'tree'"],
      [{ shared: 1 as unknown as boolean }, 'shared must be'],
      [{ clock: 5 as unknown as () => number }, 'clock must be'],
      [{ lockTimeout: -1 }, 'lockTimeout must be'],
      [{ sweepEvery: 'soon' }, 'sweepEvery must be'],
    ];
    for (const [options, message] of bad) expect(() => files('/tmp/x', options), message).to.throw(message);
    expect(() => files('')).to.throw('folder must be the path');
    expect(files('/tmp/never').capabilities).to.include({
      conditionalSet: 'process',
      ordered: false,
      persistent: true,
    });
    expect(files('/tmp/never', { shared: true }).capabilities).to.include({
      conditionalSet: 'storage',
      touch: 'storage',
    });
    expect(existsSync('/tmp/never')).to.equal(false);
  });

  it('holds conditions, also on overlapping calls', async () => {
    const backend = folders.open(folders.make());
    const made = await Promise.all(
      Array.from({ length: 20 }, (_, index) => backend.set('a', String(index), { if: 'absent' })),
    );
    expect(made.filter(Boolean)).to.have.length(1);
    const version = (await backend.getEntry('a'))?.version as string;
    expect(await backend.set('a', 'new', { if: { version: 'other' } })).to.equal(false);
    expect(await backend.set('a', 'new', { if: { version } })).to.equal(true);
    expect(await backend.delete('a', { if: { version } })).to.equal(false);
    expect(await backend.set('b', 'new', { if: 'present' })).to.equal(false);
    await Promise.all(Array.from({ length: 50 }, () => backend.increment('n')));
    expect(await text(backend, 'n')).to.equal('50');
    await Promise.all(
      Array.from({ length: 50 }, () =>
        backend.update('n', (current) => String(Number(Buffer.from(current as Uint8Array)) + 1)),
      ),
    );
    expect(await text(backend, 'n')).to.equal('100');
  });

  it('lets update change the bytes it was given in place', async () => {
    const backend = folders.open(folders.make());
    await backend.set('a', Uint8Array.of(1));
    await backend.update('a', (bytes) => {
      (bytes as Uint8Array)[0] = 2;
      return bytes as Uint8Array;
    });
    expect([...((await backend.get('a')) as Uint8Array)]).to.deep.equal([2]);
  });

  describe('expiry', () => {
    it('hides an entry from its deadline on, and removes it when it is read', async () => {
      let now = 1000;
      const folder = folders.make();
      const backend = folders.open(folder, { clock: () => now });
      await backend.set('a:x', 'value', { ttl: 100 });
      await backend.set('a:y', 'value');
      expect(await backend.getEntry('a:x')).to.include({ expiresAt: 1100 });
      const { version } = (await backend.getEntry('a:x')) as { version: string };
      expect(await backend.touch('a:x', 200)).to.equal(true);
      expect(await backend.getEntry('a:x')).to.include({ expiresAt: 1200, version });
      expect(Buffer.from((await backend.get('a:x', { renewFor: 300 })) as Uint8Array).toString()).to.equal('value');
      now = 1300;
      expect(await all(backend.keys())).to.deep.equal(['a:y']);
      expect((await backend.page()).keys).to.deep.equal(['a:y']);
      expect(await backend.set('a:x', 'no', { if: 'present' })).to.equal(false);
      expect(await backend.touch('a:x', 200)).to.equal(false);
      expect(await backend.get('a:x')).to.equal(undefined);
      expect(existsSync(backend.locate('a:x') as string)).to.equal(false);
      expect(readdirSync(join(folder, 'a')).sort()).to.deep.equal(['.expiring', 'y.bin']);
      expect(await backend.set('a:x', 'fresh', { ttl: 10 })).to.equal(true);
      expect(await backend.touch('a:x', null)).to.equal(true);
      now = 9999;
      expect(await text(backend, 'a:x')).to.equal('fresh');
    });

    it('never removes a fresh value when an expired one was read', async () => {
      let now = 0;
      const backend = folders.open(folders.make(), { clock: () => now });
      for (let round = 0; round < 200; round++) {
        const key = `k${round}`;
        await backend.set(key, 'old', { expiresAt: now + 10 });
        now += 10;
        const fresh = round % 2 === 0 ? backend.set(key, 'fresh') : undefined;
        const reads = [backend.get(key), backend.get(key)];
        await (fresh ?? backend.set(key, 'fresh'));
        await Promise.all(reads);
        expect(await text(backend, key)).to.equal('fresh');
      }
    });

    it('is swept by deleteExpired, in folders and for hashed names too', async () => {
      let now = 0;
      const backend = folders.open(folders.make(), { clock: () => now });
      const long = 'x'.repeat(900);
      for (const key of ['a', 'b:c', long, 'b:later'])
        await backend.set(key, key, { expiresAt: key === 'b:later' ? 20 : 10 });
      await backend.set('stays', 'x');
      now = 10;
      expect(await backend.deleteExpired()).to.equal(3);
      expect(existsSync(backend.locate(long) as string)).to.equal(false);
      expect((await all(backend.keys())).sort()).to.deep.equal(['b:later', 'stays']);
    });
  });

  it('says what is wrong with a header that is cut, and lets it be replaced, deleted or set aside', async () => {
    const folder = folders.make();
    const errors: Error[] = [];
    const backend = folders.open(folder, {
      onCorrupt: 'quarantine',
      report: (error) => errors.push(error),
      clock: () => 7,
    });
    for (const key of ['a', 'b', 'c']) {
      await backend.set(key, 'value', { expiresAt: 1e12 });
      const path = backend.locate(key) as string;
      writeFileSync(path, readFileSync(path).subarray(0, 8));
    }
    await backend.set('good', 'good');
    const error = await rejection(backend.get('a'));
    expect(error).to.include({ code: 'KEEPSAKE_CORRUPT_DATA', path: backend.locate('a') });
    expect(error.message).to.include('header is cut off');
    expect((await rejection(backend.set('a', 'x', { if: 'present' }))).code).to.equal('KEEPSAKE_CORRUPT_DATA');
    expect(await all(backend.keys())).to.have.length(4);
    await backend.set('a', 'mended');
    expect(await backend.delete('b')).to.equal(true);
    expect((await all(backend.entries())).map(([key]) => key).sort()).to.deep.equal(['a', 'good']);
    expect(errors.map((one) => one.message).join()).to.include(`${join(folder, 'c.bin')}.corrupt-7`);
    expect(readdirSync(folder)).to.include('c.bin.corrupt-7');
    expect((await all(backend.keys())).sort()).to.deep.equal(['a', 'good']);
  });

  it('lists pages in the order of UTF-8 bytes, each key once, whatever the size', async () => {
    const backend = folders.open(folders.make());
    const keys = [...LOOK_ALIKES, ...Array.from({ length: 60 }, (_, index) => `p:${index % 7}:${index}`)];
    await Promise.all(keys.map((key) => backend.set(key, '')));
    const expected = keys.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    for (const prefix of ['', 'p:', 'p:3', 'f', 'foo:', 'k', 'ab:ab:', 'zz']) {
      for (const limit of [1, 3, 50, 10_000]) {
        const found: string[] = [];
        let cursor: string | undefined;
        do {
          const page = await backend.page(cursor === undefined ? { prefix, limit } : { prefix, limit, cursor });
          expect(page.keys.length).to.be.at.most(limit);
          found.push(...page.keys);
          cursor = page.cursor;
        } while (cursor !== undefined);
        expect(found, `${prefix} by ${limit}`).to.deep.equal(expected.filter((key) => key.startsWith(prefix)));
      }
      expect((await all(backend.keys({ prefix }))).sort()).to.deep.equal(
        expected.filter((key) => key.startsWith(prefix)).sort(),
      );
    }
  });

  it('goes on to the next page of a large folder in which all keys of a page have expired', async () => {
    let now = 0;
    const backend = folders.open(folders.make(), { clock: () => now });
    const keys = Array.from({ length: 1500 }, (_, index) => `k${String(index).padStart(4, '0')}`);
    await backend.setMany(
      keys.slice(0, 1400).map((key) => [key, '']),
      { expiresAt: 10 },
    );
    await backend.setMany(keys.slice(1400).map((key) => [key, '']));
    now = 10;
    const found: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await backend.page(cursor === undefined ? { limit: 7 } : { limit: 7, cursor });
      found.push(...page.keys);
      cursor = page.cursor;
    } while (cursor !== undefined);
    expect(found).to.deep.equal(keys.slice(1400));
  });

  it('clears exactly a subtree, with its folders, and leaves foreign files', async () => {
    const folder = folders.make();
    const backend = folders.open(folder);
    const keys = ['foo', 'foo:a', 'foo:b:c', 'foobar', 'foobar:x', 'fo'];
    for (const key of keys) await backend.set(key, key, { ttl: '1h' });
    mkdirSync(join(folder, 'foo', 'b', 'd'));
    writeFileSync(join(folder, 'foo', 'b', 'd', 'README.md'), 'mine');
    writeFileSync(join(folder, 'foo', 'Upper.bin'), 'mine');
    await backend.namespace('foo').clear();
    expect((await all(backend.keys())).sort()).to.deep.equal(['fo', 'foo', 'foobar', 'foobar:x']);
    expect(existsSync(join(folder, 'foo', 'b', 'd', 'README.md'))).to.equal(true);
    await backend.clear({ prefix: 'foobar' });
    expect((await all(backend.keys())).sort()).to.deep.equal(['fo', 'foo']);
    expect(existsSync(join(folder, 'foobar'))).to.equal(false);
    await backend.clear();
    expect(readdirSync(folder, { recursive: true }).map(String).sort()).to.deep.equal([
      '.expiring',
      'foo',
      'foo/.expiring',
      'foo/Upper.bin',
      'foo/b',
      'foo/b/.expiring',
      'foo/b/d',
      'foo/b/d/README.md',
    ]);
  });

  it('never lists, changes or deletes what is not ours', async () => {
    const folder = folders.make();
    const foreign = [
      'notes.txt',
      'Ann.bin',
      '%2E.bin',
      'ann.bin.1',
      'ann.bin.20240101',
      '.bin',
      '%t-mine',
      'x.tmp',
      `%h${'0'.repeat(64)}.bin`,
    ];
    for (const name of foreign) {
      writeFileSync(join(folder, name), name);
      utimesSync(join(folder, name), 1, 1);
    }
    const backend = folders.open(folder);
    await backend.set('ann', 'x');
    expect(await all(backend.keys())).to.deep.equal(['ann']);
    await backend.deleteExpired();
    await backend.clear();
    expect(readdirSync(folder).sort()).to.deep.equal([...foreign].sort());
    for (const name of foreign) expect(readFileSync(join(folder, name), 'utf8')).to.equal(name);
  });

  it('follows links to folders, in listings as in reads, but not in circles', async () => {
    const [folder, elsewhere] = [folders.make(), folders.make()];
    const backend = folders.open(folder);
    await backend.open();
    symlinkSync(elsewhere, join(folder, 'linked'));
    symlinkSync(folder, join(elsewhere, 'up'));
    symlinkSync('.', join(folder, 'self'));
    await backend.set('linked:a', 'x');
    expect(readFileSync(join(elsewhere, 'a.bin'), 'utf8')).to.equal('x');
    expect(await all(backend.keys())).to.deep.equal(['linked:a']);
  });

  it('sweeps temporary files that a crash left, once they are a minute old', async () => {
    let now = Date.now();
    const folder = folders.make();
    const left = ['%t0123456789abcdef-0', '%t0123456789abcdef-1z.4294967295'];
    mkdirSync(join(folder, 'sub'));
    const paths = left.flatMap((name) => [join(folder, name), join(folder, 'sub', name)]);
    for (const path of paths) writeFileSync(path, '');
    const first = folders.open(folder, { clock: () => now });
    expect(await all(first.keys())).to.deep.equal([]);
    await first.deleteExpired();
    expect(paths.every((path) => existsSync(path))).to.equal(true);
    now += 61_000;
    await first.deleteExpired();
    expect(paths.some((path) => existsSync(path))).to.equal(false);
    for (const path of paths) writeFileSync(path, '');
    const second = folders.open(folder, { clock: () => now });
    await second.open();
    while (paths.some((path) => existsSync(path))) await new Promise((resolve) => setTimeout(resolve, 5));
  });

  it('waits for what is under way when it is closed', async () => {
    const folder = folders.make();
    const backend = files(folder, { durability: 'file' });
    const saves = Array.from({ length: 50 }, (_, index) => backend.set(`k${index % 10}`, String(index)));
    await backend.open();
    await backend.close();
    await Promise.all(saves);
    expect(readdirSync(folder)).to.have.length(10);
    expect((await rejection(backend.get('k1'))).code).to.equal('KEEPSAKE_CLOSED');
  });
});
