import { execFile, execFileSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import fc from 'fast-check';
import { type Backend, type FilesOptions, files } from 'keepsake';
import { all, Folders, rejection, text } from '../../support/folders.js';
import { damage, framesOf, rebooted, segments, writeAndDie } from '../../support/journals.js';

const LATE: FilesOptions = { durability: 'journal', extension: '.json', visibleWithin: '1h', checkpointEvery: '1h' };

describe("files with durability 'journal'", function () {
  this.timeout(30_000);
  const folders = new Folders();
  afterEach(() => folders.clearAway());

  const open = (folder: string, options: FilesOptions = {}) =>
    folders.open(folder, { durability: 'file', extension: '.json', lockTimeout: 0, ...options });
  const read = (folder: string, name: string) => readFileSync(join(folder, `${name}.json`), 'utf8');
  const displaced = (folder: string) => readdirSync(folder).filter((name) => name.includes('.displaced-'));

  describe('while it is open', () => {
    it('shows its own what is safe at once, and others as soon as the file follows', async () => {
      const folder = folders.make();
      const backend = open(folder, LATE);
      await backend.set('ann', '1');
      await backend.setMany([
        ['bob', '2'],
        ['carl', '3'],
      ]);
      await backend.delete('carl');
      expect(existsSync(join(folder, 'ann.json'))).to.equal(false);
      expect(await text(backend, 'ann')).to.equal('1');
      expect((await backend.getMany(['bob', 'carl'])).map(String)).to.deep.equal(['50', 'undefined']);
      expect(await backend.has('carl')).to.equal(false);
      expect((await all(backend.keys())).sort()).to.deep.equal(['ann', 'bob']);
      expect(read(folder, 'ann')).to.equal('1');
      expect(existsSync(join(folder, 'carl.json'))).to.equal(false);
    });

    it('lets the file follow by itself, the newest value alone', async () => {
      const folder = folders.make();
      const backend = open(folder, { ...LATE, visibleWithin: 30 });
      for (let number = 0; number < 20; number++) await backend.set('ann', String(number));
      await until(() => existsSync(join(folder, 'ann.json')) && read(folder, 'ann') === '19');
      await backend.delete('ann');
      await until(() => !existsSync(join(folder, 'ann.json')));
    });

    it('keeps what it was given, whatever becomes of the caller’s buffer', async () => {
      const folder = folders.make();
      const backend = open(folder, LATE);
      const value = Buffer.from('before');
      await backend.set('ann', value);
      value.write('after!');
      expect(await text(backend, 'ann')).to.equal('before');
      const got = (await backend.get('ann')) as Uint8Array;
      got.fill(0);
      expect(await text(backend, 'ann')).to.equal('before');
      await backend.close();
      expect(read(folder, 'ann')).to.equal('before');
    });

    it('leaves nothing but the files when it is closed', async () => {
      const folder = folders.make();
      const backend = open(folder, LATE);
      await backend.set('user:ann', '1');
      expect(segments(folder)).to.have.length(1);
      await backend.close();
      expect(readdirSync(folder)).to.deep.equal(['user']);
      expect(readFileSync(join(folder, 'user', 'ann.json'), 'utf8')).to.equal('1');
    });

    it('writes through segment after segment, and keeps no more than three', async () => {
      const folder = folders.make();
      const backend = open(folder, { ...LATE, segmentSize: 2 ** 16 });
      const value = 'x'.repeat(1000);
      let most = 0;
      for (let round = 0; round < 20; round++) {
        await Promise.all(Array.from({ length: 50 }, (_, index) => backend.set(`${round}:${index}`, value + index)));
        most = Math.max(most, segments(folder).length);
      }
      expect(most).to.be.within(2, 3);
      expect(await backend.count()).to.equal(1000);
      await backend.set('large', 'y'.repeat(300_000));
      expect((await text(backend, 'large'))?.length).to.equal(300_000);
      await backend.close();
      expect(read(folder, join('19', '49'))).to.equal(`${value}49`);
      expect(read(folder, 'large')).to.have.length(300_000);
    });

    it('syncs the files now and then, so that a replay leaves alone what was changed since', async () => {
      const folder = folders.make();
      await writeAndDie(folder, [['set', 'ann', '1'], ['follow']], { checkpointEvery: 1 }, 'exit');
      rebooted(folder);
      expect(readFileSync(segments(folder)[0] as string, 'latin1')).to.include('"synced":1');
    });

    it('goes on when one file cannot be written, says so, and holds its value until it can', async () => {
      const folder = folders.make();
      const backend = open(folder, { ...LATE, visibleWithin: 5 });
      const warning = nextWarning();
      mkdirSync(join(folder, 'ann.json'));
      await backend.set('ann', '1');
      await backend.set('bob', '2');
      await until(() => existsSync(join(folder, 'bob.json')));
      expect((await warning).message).to.match(/ann\.json.*a folder stands there.*safe in the journal/s);
      expect(await text(backend, 'ann')).to.equal('1');
      expect((await rejection(all(backend.keys()))).code).to.equal('KEEPSAKE_STORAGE');
      rmdirSync(join(folder, 'ann.json'));
      expect((await all(backend.keys())).sort()).to.deep.equal(['ann', 'bob']);
      expect(read(folder, 'ann')).to.equal('1');
    });

    it('refuses writes when it is full and cannot be emptied, and takes them when it can', async () => {
      const folder = folders.make();
      const backend = open(folder, { ...LATE, visibleWithin: 5, segmentSize: 2 ** 16 });
      mkdirSync(join(folder, 'ann.json'));
      await backend.set('ann', '1');
      let failed: (Error & { code?: string }) | undefined;
      for (let number = 0; failed === undefined && number < 20; number++) {
        failed = await backend.set(`key${number}`, 'x'.repeat(20_000)).then(
          () => undefined,
          (error: Error) => error,
        );
      }
      expect(failed?.code).to.equal('KEEPSAKE_STORAGE');
      expect(failed?.message).to.match(/ann\.json/);
      rmdirSync(join(folder, 'ann.json'));
      await backend.set('bob', '2');
      expect(await text(backend, 'ann')).to.equal('1');
      expect(await text(backend, 'bob')).to.equal('2');
    });

    it('keeps the journal when a file cannot be written at the end', async () => {
      const folder = folders.make();
      const backend = files(folder, LATE);
      mkdirSync(join(folder, 'ann.json'));
      await backend.set('ann', '1');
      expect((await rejection(backend.close())).message).to.match(/ann\.json.*is safe in the journal/s);
      rmdirSync(join(folder, 'ann.json'));
      expect(await text(open(folder), 'ann')).to.equal('1');
    });

    it('rejects what comes too late for its close, rather than lose it', async () => {
      const folder = folders.make();
      const options = { ...LATE, visibleWithin: 1 };
      const acknowledged = new Map<string, string>();
      for (let round = 0; round < 5; round++) {
        const backend = files(folder, options);
        await backend.setMany(Array.from({ length: 20 }, (_, index) => [`gone ${round} ${index}`, 'x'] as const));
        const work = Array.from({ length: 20 }, (_, index) => {
          const key = `key ${round} ${index}`;
          const change = async () => {
            await wait(index % 5);
            return Buffer.from(key);
          };
          return backend.update(key, change).then(() => void acknowledged.set(key, key), closed);
        });
        const gone = Array.from({ length: 20 }, (_, index) => `gone ${round} ${index}`);
        work.push(...gone.map((key) => backend.delete(key).then(() => void acknowledged.set(key, ''), closed)));
        await wait(round % 3);
        await backend.close();
        await Promise.all(work);
      }
      const backend = open(folder);
      for (const [key, value] of acknowledged) expect((await text(backend, key)) ?? '', key).to.equal(value);
    });

    it('brings the file of a key that is written all the time up to date, too', async () => {
      const folder = folders.make();
      const backend = open(folder, { ...LATE, visibleWithin: 10 });
      let number = 0;
      let going = true;
      const hot = Array.from({ length: 2 }, async () => {
        while (going) await backend.set('hot', String(number++));
      });
      const others = Array.from({ length: 16 }, async (_, lane) => {
        for (let index = 0; going; index++) await backend.set(`other${lane}:${index % 50}`, 'x');
      });
      const path = join(folder, 'hot.json');
      await until(() => existsSync(path) && Number(read(folder, 'hot')) > 0);
      const seen = Number(read(folder, 'hot'));
      await until(() => Number(read(folder, 'hot')) > seen + 10);
      going = false;
      await Promise.all([...hot, ...others]);
    });

    it('rejects writes once its journal was removed', async () => {
      const folder = folders.make();
      const backend = files(folder, LATE);
      await backend.set('ann', '1');
      execFileSync('rm', ['-r', join(folder, '.keepsake')]);
      await backend.count();
      expect((await rejection(backend.set('ann', '2'))).message).to.match(/cannot be written any more: it was removed/);
      await backend.close().catch(() => undefined);
      expect(read(folder, 'ann')).to.equal('1');
    });

    it('lets the files follow before the process ends by itself', async () => {
      const folder = folders.make();
      await writeAndDie(folder, [['set', 'ann', '1']], { visibleWithin: 20 }, 'exit');
      expect(read(folder, 'ann')).to.equal('1');
      expect(await text(open(folder), 'ann')).to.equal('1');
    });

    it('is as a Map, whatever is done to it at once', async () => {
      const key = fc.constantFrom('a', 'b', 'c', 'n:a', 'n:b');
      const step = fc.oneof(
        fc.record({ kind: fc.constant('set' as const), key, value: fc.string() }),
        fc.record({ kind: fc.constant('many' as const), keys: fc.array(key), value: fc.string() }),
        fc.record({ kind: fc.constant('delete' as const), key }),
        fc.record({ kind: fc.constant('increment' as const), key: fc.constantFrom('x', 'y') }),
        fc.record({ kind: fc.constant('update' as const), key: fc.constantFrom('u', 'n:u') }),
        fc.record({ kind: fc.constant('list' as const) }),
      );
      await fc.assert(
        fc.asyncProperty(fc.array(fc.array(step, { maxLength: 12 }), { maxLength: 8 }), async (bursts) => {
          const folder = folders.make();
          const options = { ...LATE, visibleWithin: 1, segmentSize: 2 ** 16 };
          const backend = files(folder, options);
          const expected = new Map<string, string>();
          for (const burst of bursts) {
            await Promise.all(
              burst.map(async (one) => {
                if (one.kind === 'set') {
                  expected.set(one.key, one.value);
                  await backend.set(one.key, one.value);
                } else if (one.kind === 'many') {
                  for (const each of one.keys) expected.set(each, one.value);
                  await backend.setMany(one.keys.map((each) => [each, one.value] as const));
                } else if (one.kind === 'delete') {
                  expected.delete(one.key);
                  await backend.delete(one.key);
                } else if (one.kind === 'increment') {
                  expected.set(one.key, String(Number(expected.get(one.key) ?? 0) + 1));
                  await backend.increment(one.key);
                } else if (one.kind === 'update') {
                  expected.set(one.key, `${expected.get(one.key) ?? ''}+`);
                  await backend.update(one.key, (current) =>
                    Buffer.concat([current ?? Buffer.alloc(0), Buffer.from('+')]),
                  );
                } else {
                  await all(backend.entries());
                }
              }),
            );
            await same(backend, expected);
          }
          await backend.close();
          await same(open(folder), expected);
        }),
        { numRuns: 60 },
      );
    });
  });

  describe('and a second process', () => {
    it('refuses it, or lets it wait, as chosen', async () => {
      const folder = folders.make();
      const first = files(folder, LATE);
      await first.set('ann', '1');
      for (const durability of ['journal', 'file', 'none'] as const) {
        const error = await rejection(open(folder, { durability }).get('ann'));
        expect(error.code, durability).to.equal('KEEPSAKE_LOCKED');
        expect(error.message).to.include(folder).and.include(`process ${process.pid}`);
      }
      const waiting = open(folder, { durability: 'journal', lockTimeout: '20s' }).get('ann');
      await wait(20);
      await first.close();
      expect(Buffer.from((await waiting) as Uint8Array).toString()).to.equal('1');
    });

    it('lets it read', async () => {
      const folder = folders.make();
      const first = open(folder, LATE);
      await first.set('ann', '1');
      await first.count();
      const reader = open(folder, { readOnly: true });
      expect(await text(reader, 'ann')).to.equal('1');
      expect(reader.capabilities).to.include({ writable: false, conditionalSet: 'none', touch: 'none' });
      expect((await rejection(reader.set('ann', '2'))).code).to.equal('KEEPSAKE_UNSUPPORTED');
      expect((await rejection(reader.delete('ann'))).code).to.equal('KEEPSAKE_UNSUPPORTED');
      expect((await rejection(reader.clear())).code).to.equal('KEEPSAKE_UNSUPPORTED');
      expect(await text(first, 'ann')).to.equal('1');
    });

    it('tells who only reads when a writer died and left something', async () => {
      const folder = folders.make();
      await writeAndDie(folder, [['set', 'ann', '1']]);
      const before = readdirSync(folder, { recursive: true });
      const error = await rejection(open(folder, { readOnly: true }).get('ann'));
      expect(error.code).to.equal('KEEPSAKE_RECOVERY_NEEDED');
      expect(readdirSync(folder, { recursive: true })).to.deep.equal(before);
      await open(folder).open();
      expect(await text(open(folder, { readOnly: true }), 'ann')).to.equal('1');
    });

    it('lets who only reads in when a writer died and all had followed', async () => {
      const folder = folders.make();
      await writeAndDie(folder, [['set', 'ann', '1'], ['follow']]);
      expect(await text(open(folder, { readOnly: true }), 'ann')).to.equal('1');
      rebooted(folder);
      expect((await rejection(open(folder, { readOnly: true }).get('ann'))).code).to.equal('KEEPSAKE_RECOVERY_NEEDED');
    });

    it('refuses to read a folder that is not there', async () => {
      const folder = join(folders.make(), 'none');
      expect((await rejection(open(folder, { readOnly: true }).get('ann'))).code).to.equal('KEEPSAKE_STORAGE');
      expect(existsSync(folder)).to.equal(false);
    });
  });

  describe('after a crash', () => {
    for (const durability of ['journal', 'file', 'none'] as const) {
      it(`brings in everything that was acknowledged, opened with '${durability}'`, async () => {
        const folder = folders.make();
        const long = 'k'.repeat(900);
        await writeAndDie(folder, [
          ['set', 'ann', '1'],
          ['set', 'gone', '1'],
          ['follow'],
          ['set', 'ann', '2'],
          ['delete', 'gone'],
          ['set', 'user:bob', '3'],
          ['set', long, '4'],
          ['set', 'soon', '5', 3_600_000],
          [
            'setMany',
            [
              ['x', '6'],
              ['y', '7'],
            ],
          ],
        ]);
        expect(read(folder, 'ann')).to.equal('1');
        const backend = open(folder, { durability });
        expect((await all(backend.keys())).sort()).to.deep.equal(['ann', long, 'soon', 'user:bob', 'x', 'y'].sort());
        expect(
          await Promise.all(['ann', 'user:bob', long, 'soon', 'x', 'y'].map((key) => text(backend, key))),
        ).to.deep.equal([...['2', '3', '4', '5', '6', '7']]);
        expect((await backend.getEntry('soon'))?.expiresAt).to.be.above(Date.now());
        await backend.close();
        expect(displaced(folder)).to.deep.equal([]);
        expect(existsSync(join(folder, '.keepsake'))).to.equal(false);
      });
    }

    it('brings it in for a shared folder, and for the next writer with a journal', async () => {
      const folder = folders.make();
      for (let round = 0; round < 3; round++) await writeAndDie(folder, [['set', `key${round}`, String(round)]]);
      const backend = open(folder, { shared: true, durability: 'file', lockTimeout: '10s' });
      expect((await all(backend.values())).map(String)).to.have.members(['48', '49', '50']);
    });

    it('is brought in by who opens the folder with the same extension alone', async () => {
      const folder = folders.make();
      await writeAndDie(folder, [['set', 'ann', '1']]);
      const error = await rejection(open(folder, { extension: '.bin' }).get('ann'));
      expect(error.code).to.equal('KEEPSAKE_STORAGE');
      expect(error.message).to.include("extension: '.json'");
      expect(await text(open(folder), 'ann')).to.equal('1');
    });

    it('leaves alone what a person did to files that had followed', async () => {
      const folder = folders.make();
      await writeAndDie(folder, [
        ['set', 'ann', '1'],
        ['set', 'bob', '2'],
        ['set', 'carl', '3'],
        ['follow'],
        ['set', 'dora', '4'],
      ]);
      writeFileSync(join(folder, 'ann.json'), 'by hand');
      utimesSync(join(folder, 'ann.json'), 1, 1);
      execFileSync('rm', [join(folder, 'bob.json')]);
      const backend = open(folder);
      expect(await text(backend, 'ann')).to.equal('by hand');
      expect(await text(backend, 'bob')).to.equal(undefined);
      expect(await text(backend, 'carl')).to.equal('3');
      expect(await text(backend, 'dora')).to.equal('4');
      expect(displaced(folder)).to.deep.equal([]);
    });

    it('replaces without a copy what had long been there', async () => {
      const folder = folders.make();
      writeFileSync(join(folder, 'ann.json'), 'old');
      writeFileSync(join(folder, 'bob.json'), 'old');
      const { ctimeMs } = lstatSync(join(folder, 'bob.json'));
      // No clock can be injected here: it is the file system's.
      await until(() => Date.now() > ctimeMs + 100);
      await writeAndDie(folder, [
        ['set', 'ann', '1'],
        ['delete', 'bob'],
      ]);
      const backend = open(folder);
      expect(await text(backend, 'ann')).to.equal('1');
      expect(await text(backend, 'bob')).to.equal(undefined);
      expect(displaced(folder)).to.deep.equal([]);
    });

    it('keeps what a person wrote after it, and sets aside what they may have written before', async () => {
      const folder = folders.make();
      await writeAndDie(folder, [
        ['set', 'ann', '1'],
        ['set', 'bob', '2'],
        ['delete', 'carl'],
        ['set', 'carl', '3'],
        ['delete', 'carl'],
      ]);
      writeFileSync(join(folder, 'ann.json'), 'newer');
      writeFileSync(join(folder, 'bob.json'), 'from a backup');
      utimesSync(join(folder, 'bob.json'), 1, 1);
      writeFileSync(join(folder, 'carl.json'), 'from a backup, too');
      utimesSync(join(folder, 'carl.json'), 1, 1);
      const warning = nextWarning();
      const backend = open(folder);
      expect(await text(backend, 'ann')).to.equal('newer');
      expect(await text(backend, 'bob')).to.equal('2');
      expect(await text(backend, 'carl')).to.equal(undefined);
      expect(displaced(folder).sort()).to.deep.equal([
        'ann.json.displaced-1',
        'bob.json.displaced-2',
        'carl.json.displaced-4',
      ]);
      expect(readFileSync(join(folder, 'ann.json.displaced-1'), 'utf8')).to.equal('1');
      expect(readFileSync(join(folder, 'bob.json.displaced-2'), 'utf8')).to.equal('from a backup');
      expect(readFileSync(join(folder, 'carl.json.displaced-4'), 'utf8')).to.equal('from a backup, too');
      expect((await warning).message).to.match(/^3 files were set aside.*displaced-\d/);
      expect((await all(backend.keys())).sort()).to.deep.equal(['ann', 'bob']);
    });

    it('writes beside it where a folder or a link stands', async () => {
      const folder = folders.make();
      await writeAndDie(folder, [
        ['set', 'ann', '1'],
        ['set', 'bob', '2'],
      ]);
      mkdirSync(join(folder, 'ann.json'));
      symlinkSync('/nowhere', join(folder, 'bob.json'));
      await open(folder).open();
      expect(readFileSync(join(folder, 'ann.json.displaced-1'), 'utf8')).to.equal('1');
      expect(readFileSync(join(folder, 'bob.json.displaced-2'), 'utf8')).to.equal('2');
    });
  });

  describe('after a crash of the system', () => {
    const crashed = async (file: string | undefined, time?: number) => {
      const folder = folders.make();
      await writeAndDie(folder, [
        ['set', 'ann', 'first value'],
        ['set', 'ann', 'second value'],
        ['set', 'gone', 'value'],
        ['follow'],
        ['delete', 'gone'],
        ['follow'],
      ]);
      rebooted(folder);
      const path = join(folder, 'ann.json');
      if (file === undefined) execFileSync('rm', [path]);
      else writeFileSync(path, file);
      if (time !== undefined) utimesSync(path, time, time);
      return folder;
    };

    for (const [what, left] of [
      ['missing', undefined],
      ['an earlier value', 'first value'],
      ['empty', ''],
      ['cut', 'second'],
      ['zeros', '\0\0\0\0\0\0\0\0\0\0\0\0'],
      ['a hole', 'sec\0\0\0\0\0alue'],
      ['cut, of an earlier value', 'first va'],
    ] as const) {
      it(`writes the last value again where the file is ${what}`, async () => {
        const folder = await crashed(left);
        expect(await text(open(folder), 'ann')).to.equal('second value');
        expect(displaced(folder)).to.deep.equal([]);
      });
    }

    it('leaves what a person wrote later', async () => {
      const folder = await crashed('by hand');
      expect(await text(open(folder), 'ann')).to.equal('by hand');
    });

    it('sets aside what it does not know and is not younger', async () => {
      const folder = await crashed('from a backup', 1);
      expect(await text(open(folder), 'ann')).to.equal('second value');
      expect(readFileSync(join(folder, 'ann.json.displaced-2'), 'utf8')).to.equal('from a backup');
    });

    it('deletes again what came back', async () => {
      const folder = await crashed('second value');
      writeFileSync(join(folder, 'gone.json'), 'value');
      expect(await text(open(folder), 'gone')).to.equal(undefined);
      expect(displaced(folder)).to.deep.equal([]);
    });

    it('overwrites no file it set aside before', async () => {
      const folder = await crashed('from a backup', 1);
      writeFileSync(join(folder, 'ann.json.displaced-2'), 'precious');
      await open(folder).open();
      expect(readFileSync(join(folder, 'ann.json.displaced-2'), 'utf8')).to.equal('precious');
      expect(readFileSync(join(folder, 'ann.json.displaced-2-2'), 'utf8')).to.equal('from a backup');
    });
  });

  describe('whose journal is damaged', () => {
    const left = async () => {
      const folder = folders.make();
      await writeAndDie(folder, [
        ['set', 'a', '1'],
        ['set', 'b', '2'],
        [
          'setMany',
          [
            ['c', '3'],
            ['d', '4'],
          ],
        ],
      ]);
      const [segment = ''] = segments(folder);
      return { folder, segment, frames: framesOf(segment) };
    };

    it('passes over what was torn at the end, all of one commit', async () => {
      const { folder, segment, frames } = await left();
      expect(frames).to.have.length(3);
      damage(segment, (frames[2] as number) + 60);
      const backend = open(folder);
      expect((await all(backend.keys())).sort()).to.deep.equal(['a', 'b']);
    });

    it('says where, and changes nothing, if it is before the end', async () => {
      const { folder, segment, frames } = await left();
      damage(segment, (frames[1] as number) + 50);
      for (const durability of ['journal', 'none'] as const) {
        const error = await rejection(open(folder, { durability }).get('a'));
        expect(error.code).to.equal('KEEPSAKE_CORRUPT_DATA');
        expect(error.message).to.include(`${segment} at byte ${frames[1]}`);
        expect(error.path).to.equal(segment);
      }
      expect(readdirSync(folder)).to.deep.equal(['.keepsake']);
      execFileSync('rm', [segment]);
      expect(await text(open(folder), 'a')).to.equal(undefined);
    });

    it('says so of its header', async () => {
      const { folder, segment } = await left();
      damage(segment, 12);
      const error = await rejection(open(folder).get('a'));
      expect(error.message).to.match(/at byte 0: its header cannot be read/);
    });

    it('passes over a segment that was never begun', async () => {
      const { folder, segment } = await left();
      writeFileSync(segment.replace('00000001', '00000002'), Buffer.alloc(2 ** 16));
      writeFileSync(segment.replace('00000001', '00000003'), '');
      expect(await open(folder).count()).to.equal(4);
    });

    it('takes no frame for one of its own that is in a value', async () => {
      const folder = folders.make();
      const { segment } = await left();
      // So that the frames inside lie where frames may start: 57 bytes precede the value.
      const value = Buffer.concat([Buffer.alloc(512 - 57), readFileSync(segment)]);
      await writeAndDie(folder, [
        ['set', 'a', '1'],
        ['setBase64', 'b', value.toString('base64')],
      ]);
      const path = segments(folder)[1] as string;
      expect(framesOf(path)).to.have.length(4);
      damage(path, (framesOf(path)[0] as number) + 50);
      expect(await all(open(folder).keys())).to.deep.equal(['a']);
    });
  });

  describe('that is copied', () => {
    it('holds everything acknowledged before, while the writer goes on', async () => {
      const folder = folders.make();
      const writer = open(folder, { ...LATE, visibleWithin: 20 });
      for (const flags of ['-a', '-r']) {
        const acknowledged = new Map<string, number>();
        let number = 0;
        let going = true;
        const lanes = Array.from({ length: 8 }, async (_, lane) => {
          while (going) {
            const mine = ++number;
            const key = `key${(mine * 8 + lane) % 200}`;
            await writer.set(key, String(mine));
            acknowledged.set(key, Math.max(mine, acknowledged.get(key) ?? 0));
          }
        });
        for (let round = 0; round < 5; round++) {
          await wait(30);
          const before = new Map(acknowledged);
          const copy = `${folder}-copy${flags}${round}`;
          folders.own(copy);
          await copyFolder(flags, folder, copy);
          const backend = open(copy, { durability: round % 2 === 0 ? 'journal' : 'file' });
          for (const [key, value] of before) {
            expect(Number(await text(backend, key)), `${flags} ${key}`).to.be.at.least(value);
          }
          await backend.close();
        }
        going = false;
        await Promise.all(lanes);
      }
    });
  });

  it('refuses options that do not fit', () => {
    const bad: [FilesOptions, RegExp][] = [
      [{ durability: 'journal', shared: true }, /one process writes/],
      [{ durability: 'journal', layout: 'tree', temporary: '/tmp/x' }, /needs layout 'encoded'/],
      [{ durability: 'file', visibleWithin: 5 }, /visibleWithin is for durability 'journal'/],
      [{ durability: 'journal', segmentSize: 5 }, /segmentSize.*got 5/],
      [{ durability: 'journal', visibleWithin: 0 }, /visibleWithin/],
      [{ readOnly: 1 as never }, /readOnly must be true or false/],
    ];
    for (const [options, message] of bad) expect(() => files('x', options)).to.throw(message);
  });
});

function closed(error: Error & { code?: string }): void {
  if (error.code !== 'KEEPSAKE_CLOSED') throw error;
}

async function same(backend: Backend, expected: ReadonlyMap<string, string>): Promise<void> {
  const found = new Map<string, string>();
  for await (const [key, value] of backend) found.set(key, Buffer.from(value).toString());
  expect([...found].sort()).to.deep.equal([...expected].sort());
}

async function until(holds: () => boolean): Promise<void> {
  for (let waited = 0; !holds(); waited++) {
    if (waited > 4000) throw new Error('it never came');
    await wait(5);
  }
}

function nextWarning(): Promise<Error> {
  return new Promise((resolve) => process.once('warning', resolve));
}

/** Copies a folder; temporary files that vanish meanwhile are passed over. */
function copyFolder(flags: string, from: string, to: string): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile('cp', [flags, from, to], (error, _, said) => {
      const wrong = said.split('\n').filter((line) => line !== '' && !/%t.*No such file/.test(line));
      if (error === null || wrong.length === 0) resolve();
      else reject(error);
    });
  });
}
