import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  cpSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { expect } from 'chai';
import fc from 'fast-check';
import { type Backend, encoded, type FilesOptions, files, json, mapKeys, sharded } from 'keepsake';
import { TestClock } from '../../support/clock.js';
import { Folders, rejection } from '../../support/folders.js';
import { Told } from '../../support/told.js';

const folders = new Folders();
const onLinux = process.platform === 'linux' ? it : it.skip;
const hasVim = (() => {
  try {
    execFileSync('vim', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

/** A folder with a backend that is watched. */
async function watched(options: FilesOptions = {}, before: (folder: string) => unknown = () => undefined) {
  const folder = folders.make();
  const backend = folders.open(folder, { extension: '.json', ...options });
  await before(folder);
  const told = await Told.by(backend);
  const path = (name: string) => join(folder, name);
  const write = (name: string, text: string) => {
    mkdirSync(join(path(name), '..'), { recursive: true });
    writeFileSync(path(name), text);
  };
  const all = () => toldUntilNow(told, folder);
  const run = (command: string, ...rest: string[]) => execFileSync(command, rest, { cwd: folder });
  return { folder, backend, told, path, write, all, run };
}

let ends = 0;

/** What is told before changes that come after everything else: two, since the files of a new folder are looked at once it is known. */
async function toldUntilNow(told: Told, folder: string): Promise<string[]> {
  const before: string[] = [];
  for (const name of [`end${ends++}`, `end${ends++}`]) {
    writeFileSync(join(folder, `${name}.json`), 'end');
    before.push(...(await told.before(name)));
  }
  return before;
}

const user = (folder: string) => {
  mkdirSync(join(folder, 'user'));
  writeFileSync(join(folder, 'user', 'ann.json'), 'one\n');
  writeFileSync(join(folder, 'user', 'bob.json'), 'two\n');
};

describe('files, watched', function () {
  this.timeout(120_000);
  afterEach(() => folders.clearAway());

  describe('what people and their tools do', () => {
    it('tells of a file that is written in place', async () => {
      const { all, run } = await watched({}, user);
      run('sh', '-c', 'echo other > user/ann.json');
      expect(await all()).to.deep.equal(['set user:ann']);
      run('sh', '-c', 'echo more >> user/ann.json');
      expect(await all()).to.deep.equal(['set user:ann']);
    });

    it('tells of what sed -i replaces', async () => {
      const { all, run } = await watched({}, user);
      run('sed', '-i', 's/one/1/', 'user/ann.json');
      expect(await all()).to.deep.equal(['set user:ann']);
    });

    it('tells of a file that is moved as one that goes and one that comes', async () => {
      const { all, run } = await watched({}, user);
      run('mv', 'user/ann.json', 'user/zoe.json');
      expect(await all()).to.deep.equal(['delete user:ann', 'set user:zoe']);
      run('mv', 'user/zoe.json', 'user/bob.json');
      expect(await all()).to.deep.equal(['delete user:zoe', 'set user:bob']);
    });

    it('tells of a file that is moved out and in', async () => {
      const { all, run, path } = await watched({}, user);
      run('mv', 'user/ann.json', '../ann.json');
      expect(await all()).to.deep.equal(['delete user:ann']);
      run('mv', '../ann.json', path('user'));
      expect(await all()).to.deep.equal(['set user:ann']);
    });

    it('tells of a file that is removed', async () => {
      const { all, run } = await watched({}, user);
      run('rm', 'user/ann.json');
      expect(await all()).to.deep.equal(['delete user:ann']);
    });

    it('tells once of what vim does: the old file to a backup, a new one, the backup gone', async () => {
      const { all, path } = await watched({ watch: { settle: '300ms' } }, user);
      const ann = path('user/ann.json');
      writeFileSync(path('user/4913'), '');
      unlinkSync(path('user/4913'));
      renameSync(ann, `${ann}~`);
      const descriptor = openSync(ann, 'wx');
      writeSync(descriptor, 'by vim\n');
      fsyncSync(descriptor);
      closeSync(descriptor);
      unlinkSync(`${ann}~`);
      expect(await all()).to.deep.equal(['set user:ann']);
    });

    (hasVim ? it : it.skip)('tells of what vim itself saves', async () => {
      const { all, run } = await watched({ watch: { settle: '300ms' } }, user);
      run('vim', '-N', '-u', 'NONE', '-es', '-c', 'set backup', '-c', 'normal ix', '-c', 'wq', 'user/ann.json');
      // If the machine stands still between its two steps, the file is seen to be gone.
      expect((await all()).at(-1)).to.equal('set user:ann');
    });

    it('tells once of what is replaced by a temporary file beside it', async () => {
      const { all, path } = await watched({}, user);
      writeFileSync(path('user/ann.json.tmp'), 'new');
      renameSync(path('user/ann.json.tmp'), path('user/ann.json'));
      expect(await all()).to.deep.equal(['set user:ann']);
    });

    it('tells once of a file that is replaced twice at once', async () => {
      const { all, write } = await watched({}, user);
      write('user/ann.json', 'two');
      write('user/ann.json', 'three');
      expect(await all()).to.deep.equal(['set user:ann']);
    });

    it('does not tell of a file that is the same as before', async () => {
      const { all, run, write, path } = await watched({}, user);
      run('touch', 'user/ann.json');
      utimesSync(path('user/bob.json'), 1, 1);
      run('chmod', '600', 'user/bob.json');
      run('cp', 'user/ann.json', 'user/copy');
      run('mv', 'user/copy', 'user/ann.json');
      write('user/bob.json', 'other');
      write('user/bob.json', 'two\n');
      write('user/passing.json', 'there');
      unlinkSync(path('user/passing.json'));
      expect(await all()).to.deep.equal([]);
    });

    it('tells of a file only when it is left alone, so that nobody reads half of it', async () => {
      const { all, told, path, backend } = await watched({ watch: { settle: '400ms' } }, user);
      const descriptor = openSync(path('user/ann.json'), 'w');
      for (let part = 0; part < 10; part++) {
        writeSync(descriptor, `part ${part}\n`);
        await setTimeout(20);
        expect(told.changes).to.deep.equal([]);
      }
      closeSync(descriptor);
      expect(await all()).to.deep.equal(['set user:ann']);
      expect(Buffer.from((await backend.get('user:ann')) ?? []).toString()).to.match(/^part 0\n.*part 9\n$/s);
    });

    it('tells of a file that is replaced without end', async () => {
      const { told, path } = await watched({ watch: { settle: '60ms' } }, user);
      let over = false;
      const replacing = (async () => {
        for (let number = 0; !over; number++) {
          writeFileSync(path('user/new'), `${number}`);
          renameSync(path('user/new'), path('user/ann.json'));
          await setTimeout(5);
        }
      })();
      await told.until(() => told.changes.length > 1);
      over = true;
      await replacing;
      expect(new Set(told.take())).to.deep.equal(new Set(['set user:ann']));
    });

    it('tells of a large file that is changed at its end', async () => {
      const { all, write, run } = await watched({}, (folder) => {
        writeFileSync(join(folder, 'large.json'), 'x'.repeat(3_000_000));
      });
      run('sh', '-c', 'printf y | dd of=large.json bs=1 seek=2999999 conv=notrunc 2>/dev/null');
      expect(await all()).to.deep.equal(['set large']);
      write('large.json', `${'x'.repeat(2_999_999)}y`);
      expect(await all()).to.deep.equal([]);
    });
  });

  describe('folders', () => {
    it('tells of what is in a folder that is moved in, and of what was in one that is moved out', async () => {
      const { all, run, folder } = await watched({}, user);
      const outside = folders.make();
      cpSync(join(folder, 'user'), join(outside, 'deep', 'er'), { recursive: true });
      run('mv', join(outside, 'deep'), 'deep');
      expect((await all()).sort()).to.deep.equal(['set deep:er:ann', 'set deep:er:bob']);
      run('sh', '-c', 'echo changed > deep/er/ann.json');
      expect(await all()).to.deep.equal(['set deep:er:ann']);
      run('mv', 'deep', outside);
      expect((await all()).sort()).to.deep.equal(['delete deep:er:ann', 'delete deep:er:bob']);
      run('sh', '-c', `echo changed > ${join(outside, 'deep', 'er', 'ann.json')}`);
      expect(await all()).to.deep.equal([]);
    });

    it('tells of what is copied, made in new folders, and removed with them', async () => {
      const { all, run } = await watched({}, user);
      run('cp', '-r', 'user', 'copy');
      expect((await all()).sort()).to.deep.equal(['set copy:ann', 'set copy:bob']);
      run('sh', '-c', 'mkdir -p a/b/c && echo 1 > a/b/c/d.json && mkdir a/x && echo 2 > a/x/y.json');
      expect((await all()).sort()).to.deep.equal(['set a:b:c:d', 'set a:x:y']);
      run('sh', '-c', 'echo 3 > a/b/c/d.json');
      expect(await all()).to.deep.equal(['set a:b:c:d']);
      run('rm', '-r', 'a', 'copy');
      expect((await all()).sort()).to.deep.equal([
        'delete a:b:c:d',
        'delete a:x:y',
        'delete copy:ann',
        'delete copy:bob',
      ]);
    });

    it('tells what differs in a folder that is put in the place of another', async () => {
      const { all, run, folder } = await watched({}, user);
      const outside = folders.make();
      cpSync(join(folder, 'user'), join(outside, 'user'), { recursive: true });
      writeFileSync(join(outside, 'user', 'ann.json'), 'restored');
      writeFileSync(join(outside, 'user', 'new.json'), 'restored');
      rmSync(join(outside, 'user', 'bob.json'));
      renameSync(join(folder, 'user'), join(outside, 'former'));
      renameSync(join(outside, 'user'), join(folder, 'user'));
      expect((await all()).sort()).to.deep.equal(['delete user:bob', 'set user:ann', 'set user:new']);
      run('sh', '-c', 'echo changed > user/new.json');
      expect(await all()).to.deep.equal(['set user:new']);
    });

    it('tells what differs when the whole folder is replaced', async () => {
      const parent = folders.make();
      const folder = join(parent, 'data');
      const backend = folders.open(folder, { extension: '.json', watch: { settle: '300ms' } });
      await backend.set('same', '1');
      await backend.set('changed', '1');
      await backend.set('gone', '1');
      cpSync(folder, join(parent, 'next'), { recursive: true });
      writeFileSync(join(parent, 'next', 'changed.json'), '2');
      rmSync(join(parent, 'next', 'gone.json'));
      const told = await Told.by(backend);
      renameSync(folder, join(parent, 'former'));
      renameSync(join(parent, 'next'), folder);
      await told.until(() => told.changes.length === 2);
      expect(told.take().sort()).to.deep.equal(['delete gone', 'set changed']);
      writeFileSync(join(folder, 'later.json'), '3');
      expect(await told.before('later')).to.deep.equal([]);
    });

    it('rejects when the whole folder is removed', async () => {
      const { told, folder } = await watched({}, user);
      rmSync(folder, { recursive: true });
      await told.until(() => told.over);
      expect(told.error).to.include({ code: 'KEEPSAKE_STORAGE', path: folder, operation: 'watch' });
      expect((told.error as Error).message).to.match(/has vanished/);
    });

    it('tells of what is in a folder that is linked to', async () => {
      const other = folders.make();
      const { all } = await watched({}, (folder) => {
        writeFileSync(join(other, 'ann.json'), 'one');
        symlinkSync(other, join(folder, 'user'));
        symlinkSync(folder, join(other, 'loop'));
      });
      writeFileSync(join(other, 'ann.json'), 'two');
      expect(await all()).to.deep.equal(['set user:ann']);
    });

    it('never tells of temporary files, markers, locks and names that are no keys', async () => {
      const { all, write, path } = await watched({ shared: true }, user);
      write('%t0123456789abcdef-0', 'temporary');
      write('user/.expiring', '');
      write('.keepsake/locks/x.json', 'lock');
      write('Upper.json', 'no canonical name');
      write('user/ann.json.corrupt-1', 'aside');
      write('user/ann.json~', 'backup');
      write('user/.ann.json.swp', 'swap');
      mkdirSync(path('user/folder.json'));
      symlinkSync(path('user/ann.json'), path('user/link.json'));
      expect(await all()).to.deep.equal([]);
    });

    it('tells of keys whose names are hashed, also when they go', async () => {
      const key = 'ä'.repeat(400);
      const { folder, all } = await watched();
      const other = folders.open(folder, { extension: '.json' });
      await other.set(key, 'one');
      expect(await all()).to.deep.equal([`set ${key}`]);
      await other.delete(key);
      expect(await all()).to.deep.equal([`delete ${key}`]);
    });

    it('watches only where keys of the prefix may be', async () => {
      const { folder, backend, write, all } = await watched({}, user);
      const told = await Told.by(backend.namespace('later'), { prefix: 'a' });
      write('later/b.json', '1');
      write('later/ann.json', '1');
      write('later/a/deep.json', '1');
      write('ann.json', '1');
      await told.until(() => told.changes.length === 2);
      expect(told.take().sort()).to.deep.equal(['set a:deep', 'set ann']);
      rmSync(join(folder, 'later'), { recursive: true });
      await told.until(() => told.changes.length === 2);
      expect(told.take().sort()).to.deep.equal(['delete a:deep', 'delete ann']);
      expect(await all()).to.include('set ann');
    });

    it('watches a tree', async () => {
      const folder = folders.make();
      const backend = folders.open(folder, { layout: 'tree', temporary: folders.make() });
      const told = await Told.by(backend);
      mkdirSync(join(folder, 'Some Folder'));
      writeFileSync(join(folder, 'Some Folder', 'Notes.txt'), 'one');
      expect(await told.before('Some Folder/Notes.txt')).to.deep.equal([]);
      await backend.set('Some Folder/own.txt', 'own');
      renameSync(join(folder, 'Some Folder'), join(folder, 'Other'));
      writeFileSync(join(folder, 'end'), 'end');
      await told.until(() => told.changes.length === 5);
      expect(told.take().sort()).to.deep.equal([
        'delete Some Folder/Notes.txt',
        'delete Some Folder/own.txt',
        'set Other/Notes.txt',
        'set Other/own.txt',
        'set end',
      ]);
    });
  });

  describe('what the backend does itself', () => {
    it('is not told', async () => {
      const clock = new TestClock();
      const { backend, all, path } = await watched({ clock: clock.now }, user);
      await backend.set('user:ann', 'own');
      await backend.set('brand:new:one', 'own');
      await backend.setMany([
        ['many:1', 'own'],
        ['many:2', 'own'],
      ]);
      await backend.update('user:ann', () => 'updated');
      await backend.increment('count');
      await backend.set('expires', 'soon', { ttl: 1000 });
      await backend.touch('user:bob', 5000);
      await backend.set('ä'.repeat(400), 'own');
      await Promise.all(Array.from({ length: 50 }, (_, index) => backend.set('often', `${index}`)));
      expect(await all()).to.deep.equal([]);
      clock.advance(10_000);
      await backend.get('expires');
      await backend.deleteExpired();
      await backend.delete('often');
      await backend.clear({ prefix: 'many:' });
      await encoded(backend, json()).set('user:json', { own: true });
      writeFileSync(path('user/ann.json'), Uint8Array.of(0, 0x6b, 0x73, 0x70, 0x31, 255));
      expect(await all()).to.deep.equal(['set user:ann']);
      await backend.driver.setAside?.('user:ann');
      expect(existsSync(path('user/ann.json'))).to.equal(false);
      expect(await all()).to.deep.equal([]);
    });

    it('is not told when it is looked at between two writes, or amid one', async () => {
      const { backend, all } = await watched({ watch: { settle: 1 } });
      await Promise.all(
        Array.from({ length: 20 }, async (_, lane) => {
          for (let round = 0; round < 200; round++) {
            if (round % 10 === 9) await backend.delete(`k${lane}`);
            else await backend.set(`k${lane}`, `${round}`);
          }
        }),
      );
      expect(await all()).to.deep.equal([]);
    });

    it('is told apart from what another backend does to the same key', async () => {
      const { backend, folder, all, told } = await watched();
      const other = folders.open(folder, { extension: '.json' });
      await backend.set('key', 'own');
      await other.set('key', 'foreign');
      expect(await all()).to.deep.equal(['set key']);
      await other.set('key', 'own');
      expect(await all()).to.deep.equal(['set key']);
      await backend.set('key', 'own again');
      await other.delete('key');
      expect(await all()).to.deep.equal(['delete key']);
      const byOther = await Told.by(other);
      await backend.set('key', 'own');
      await byOther.until(() => byOther.changes.length === 1);
      expect(byOther.take()).to.deep.equal(['set key']);
      expect(told.take()).to.deep.equal([]);
    });

    it('is not told when it is under way as the watch begins', async () => {
      const folder = folders.make();
      const backend = folders.open(folder, { extension: '.json' });
      await backend.setMany(Array.from({ length: 200 }, (_, index) => [`k${index}`, 'before']));
      const writing = Promise.all(Array.from({ length: 200 }, (_, index) => backend.set(`k${index}`, `own ${index}`)));
      const told = await Told.by(backend);
      await writing;
      writeFileSync(join(folder, 'end.json'), 'end');
      expect(await told.before('end')).to.deep.equal([]);
    });

    it('leaves a replica, made of it and of what is told, as the folder is', async () => {
      const step = fc.record({
        own: fc.boolean(),
        key: fc.constantFrom('a', 'b', 'deep:a', 'deep:b', 'deep:deeper:c'),
        remove: fc.boolean(),
        // Often the same content as before, by whomever.
        text: fc.constantFrom('1', '2', '3'),
        after: fc.constantFrom('go on', 'wait for it', 'turn', 'settle'),
      });
      const property = fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const folder = folders.make();
        const backend = files(folder, { extension: '.json', durability: 'none', watch: { settle: 5 } });
        const replica = new Map<string, string>();
        const foreign = new Map<string, number>();
        let mistakes = 0;
        const told = await Told.by(backend, {
          onChange: ({ key }) => {
            const left = (foreign.get(key) ?? 0) - 1;
            if (left < 0) mistakes++;
            foreign.set(key, left);
            const path = backend.locate(key) as string;
            if (existsSync(path)) replica.set(key, readFileSync(path, 'utf8'));
            else replica.delete(key);
          },
        });
        const pending: Promise<unknown>[] = [];
        for (const { own, key, remove, text, after } of steps) {
          if (own) {
            const changing = remove ? backend.delete(key) : backend.set(key, text);
            const done = changing.then((changed) => {
              if (!remove) replica.set(key, text);
              else if (changed) replica.delete(key);
            });
            if (after === 'wait for it') await done;
            pending.push(done);
          } else {
            foreign.set(key, (foreign.get(key) ?? 0) + 1);
            const path = backend.locate(key) as string;
            mkdirSync(join(path, '..'), { recursive: true });
            if (remove) rmSync(path, { force: true });
            else writeFileSync(path, text);
          }
          if (after === 'turn') await setTimeout(0);
          if (after === 'settle') await setTimeout(12);
        }
        await Promise.all(pending);
        for (let index = 0; index < 2; index++) foreign.set(`end${ends + index}`, 1);
        await toldUntilNow(told, folder);
        const stored = new Map<string, string>();
        for await (const [key, value] of backend.entries()) stored.set(key, Buffer.from(value).toString());
        await backend.close();
        expect(mistakes, 'told of more than was changed').to.equal(0);
        expect(new Map([...replica].sort())).to.deep.equal(new Map([...stored].sort()));
      });
      await fc.assert(property, { numRuns: 60 });
    });
  });

  describe('deadlines', () => {
    it('tells of a deadline that is moved, but not that it passes, nor that what has expired is removed', async () => {
      const clock = new TestClock();
      const { folder, all } = await watched({ clock: clock.now });
      const other = folders.open(folder, { extension: '.json', clock: clock.now });
      await other.set('key', 'value', { ttl: '1m' });
      expect(await all()).to.deep.equal(['set key']);
      await other.touch('key', '2m');
      expect(await all()).to.deep.equal(['set key']);
      clock.advance(121_000);
      expect(await other.deleteExpired()).to.equal(1);
      expect(await all()).to.deep.equal([]);
      await other.set('key', 'value', { expiresAt: clock.now() - 1 });
      expect(await all()).to.deep.equal([]);
      await other.set('key', 'value');
      expect(await all()).to.deep.equal(['set key']);
      await other.set('key', 'value', { expiresAt: clock.now() - 1 });
      expect(await all()).to.deep.equal(['delete key']);
    });
  });

  describe('much at once', () => {
    it('tells the last of 1,000 keys that another process changes, and deletes', async () => {
      const { folder, told, backend } = await watched({}, async (folder) => {
        const first = folders.open(folder, { extension: '.json' });
        await first.setMany(Array.from({ length: 1000 }, (_, index) => [`k:${index}`, 'first']));
      });
      const script = new URL('../../support/files-changer.js', import.meta.url).pathname;
      const child = spawn(process.execPath, [script, folder, '1000', '3'], { stdio: 'inherit' });
      expect(await once(child, 'exit')).to.deep.equal([0, null]);
      writeFileSync(join(folder, 'end.json'), 'end');
      const last = new Map<string, string>();
      for (const change of await told.before('end')) {
        const [type = '', key = ''] = change.split(' ');
        last.set(key, type);
      }
      expect(last.size).to.equal(1000);
      for (const [key, type] of last) expect(type === 'set', key).to.equal(Number(key.slice(2)) % 2 === 0);
      expect(await backend.count({ prefix: 'k:' })).to.equal(500);
    });

    it('keeps the latest of each key for who is slow', async () => {
      const { backend, told, write, all, path } = await watched();
      const slow = backend.watch();
      const first = slow.next();
      await slow.ready();
      write('first.json', '1');
      expect(await first).to.deep.equal({ done: false, value: { type: 'set', key: 'first' } });
      for (let round = 0; round < 5; round++) {
        for (let index = 0; index < 20; index++) write(`k${index}.json`, `${round}`);
        await all();
      }
      unlinkSync(path('k3.json'));
      await all();
      write('last.json', '1');
      await told.before('last');
      const kept: string[] = [];
      for await (const { type, key } of slow) {
        if (key.startsWith('k')) kept.push(`${type} ${key}`);
        if (key === 'last') break;
      }
      expect(kept).to.have.lengthOf(20);
      expect(kept).to.include('delete k3').and.include('set k4');
    });

    onLinux('looks at everything when the system had more to tell than its queue holds', async () => {
      const { folder, told } = await watched({}, (folder) => {
        for (let index = 0; index < 500; index++) writeFileSync(join(folder, `k${index}.json`), 'before');
      });
      // While this process stands still, the queue fills with what another does in the folder; what comes last has no place.
      const script = `
        const { mkdirSync, writeFileSync, unlinkSync } = require('node:fs');
        for (let index = 0; index < 12000; index++) { writeFileSync('n' + index, 'x'); unlinkSync('n' + index); }
        for (let index = 0; index < 500; index++) writeFileSync('k' + index + '.json', 'after');
        mkdirSync('late'); writeFileSync('late/one.json', 'x');`;
      execFileSync(process.execPath, ['-e', script], { cwd: folder });
      await told.until(() => told.changes.length === 501);
      expect(told.take().sort()).to.deep.equal(
        [...Array.from({ length: 500 }, (_, index) => `set k${index}`), 'set late:one'].sort(),
      );
    });

    it('can be closed while it looks at a large folder, and while others write', async () => {
      const { folder } = await watched({}, (folder) => {
        for (let index = 0; index < 3000; index++) writeFileSync(join(folder, `k${index}.json`), 'x'.repeat(1000));
      });
      for (const wait of [0, 1, 2, 5, 10]) {
        const backend = files(folder, { extension: '.json' });
        await backend.open();
        const watch = backend.watch();
        const next = watch.next();
        await setTimeout(wait);
        writeFileSync(join(folder, 'k1.json'), `${wait}`);
        if (wait === 5) await watch.return();
        await backend.close();
        const { value } = await next;
        expect(value === undefined || value.key === 'k1').to.equal(true);
        expect(await watch.next()).to.deep.equal({ done: true, value: undefined });
      }
    });
  });

  describe('polling', () => {
    it('tells the same without the system', async () => {
      const { backend, folder, told, write, run } = await watched({ watch: { poll: 20, settle: 10 } }, user);
      write('user/ann.json', 'changed');
      await told.until(() => told.changes.length === 1);
      expect(told.take()).to.deep.equal(['set user:ann']);
      await backend.set('user:own', 'own');
      await backend.set('far:away:own', 'own');
      run('sh', '-c', 'mkdir -p a/b && echo 1 > a/b/c.json');
      await told.until(() => told.changes.length === 1);
      expect(told.take()).to.deep.equal(['set a:b:c']);
      run('rm', '-r', 'a', 'user/bob.json');
      await told.until(() => told.changes.length === 2);
      expect(told.take().sort()).to.deep.equal(['delete a:b:c', 'delete user:bob']);
      run('touch', '-d', '2020-01-01', 'user/ann.json');
      write('new.json', '1');
      expect(await told.before('new')).to.deep.equal([]);
      rmSync(folder, { recursive: true });
      await told.until(() => told.over);
      expect((told.error as Error).message).to.match(/has vanished/);
    });
  });

  describe('what cannot be watched', () => {
    it('refuses options that make no sense', () => {
      expect(() => files('x', { watch: { settle: 0 } })).to.throw(RangeError, /watch\.settle must be positive/);
      expect(() => files('x', { watch: { poll: 'soon' } })).to.throw(RangeError, /watch\.poll/);
      expect(() => files('x', { watch: { wait: 5 } as never })).to.throw(TypeError, /no option "wait"/);
      expect(() => files('x', { watch: null as never })).to.throw(TypeError, /files: watch/);
    });

    onLinux('says what to do where the system watches no more folders', function () {
      const folder = folders.make();
      for (let index = 0; index < 20; index++) mkdirSync(join(folder, `f${index}`));
      const script = `
        import { files } from 'keepsake';
        const backend = files(process.argv[1]);
        await backend.watch().ready().catch((error) => console.log(error.code, error.message));
        const polled = files(process.argv[1], { watch: { poll: '1s' } });
        await polled.watch().ready();
        console.log('polled');
        process.exit();`;
      const node = `${process.execPath} --input-type=module -e "$SCRIPT" ${folder}`;
      let printed: string;
      try {
        // The limit is that of a namespace of users, of which each process may make its own.
        const command = `echo 10 > /proc/sys/user/max_inotify_watches && ${node}`;
        const env = { ...process.env, SCRIPT: script };
        printed = execFileSync('unshare', ['-Ur', 'sh', '-c', command], { env, encoding: 'utf8', stdio: 'pipe' });
      } catch {
        return this.skip();
      }
      expect(printed).to.match(/^KEEPSAKE_STORAGE cannot watch .*f\d+: .*max_user_watches.* poll: .*ENOSPC/);
      expect(printed).to.match(/polled\n$/);
    });

    it('rejects where a folder may not be listed, and goes on elsewhere', async () => {
      const folder = folders.make();
      writeFileSync(join(folder, 'data'), 'a file');
      const backend = folders.open(join(folder, 'data', 'sub'), {});
      expect((await rejection(backend.watch().ready())).code).to.equal('KEEPSAKE_STORAGE');
    });
  });

  describe('through wrappers', () => {
    it('tells keys as the wrapper has them', async () => {
      const one = folders.make();
      const two = folders.make();
      const upper = mapKeys(folders.open(one), {
        encode: (key) => key.toLowerCase(),
        decode: (stored) => stored.toUpperCase(),
      });
      const toldUpper = await Told.by(upper, { prefix: 'A' });
      await folders.open(one).set('b', '1');
      await folders.open(one).set('ann', '1');
      await toldUpper.until(() => toldUpper.changes.length > 0);
      expect(toldUpper.take()).to.deep.equal(['set ANN']);

      const make = (): Backend => sharded({ one: folders.open(one), two: folders.open(two) });
      const told = await Told.by(make());
      const other = make();
      const keys = Array.from({ length: 20 }, (_, index) => `key${index}`);
      await other.setMany(keys.map((key) => [key, '1']));
      await told.until(() => told.changes.length === 20);
      expect(
        told
          .take()
          .map((change) => change.slice(4))
          .sort(),
      ).to.deep.equal(keys.sort());
      expect(readdirSync(one).length).to.be.greaterThan(3);
      expect(readdirSync(two).length).to.be.greaterThan(3);
    });
  });
});
