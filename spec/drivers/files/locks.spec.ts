import { spawn } from 'node:child_process';
import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { Locks } from '#lib/drivers/files/locks.js';
import { newOwner, type Owner } from '#lib/drivers/files/owner.js';
import { all, Folders, rejection, text } from '../../support/folders.js';

describe('files: locks', () => {
  const folders = new Folders();
  const opened: Locks[] = [];
  let folder: string;
  beforeEach(() => {
    folder = folders.make();
  });
  afterEach(async () => {
    for (const one of opened.splice(0)) await one.close();
    await folders.clearAway();
  });

  async function locks(timeout = 200, times: { deadAfter?: number; watchedFor?: number } = {}): Promise<Locks> {
    const one = new Locks(folder, { timeout, ...times });
    opened.push(one);
    await one.open();
    return one;
  }

  /** Puts a lock of another owner in place, as that one would. */
  function plant(path: string, owner: Owner, age = 0): void {
    const own = join(folder, `owner-${owner.id}`);
    writeFileSync(own, JSON.stringify(owner));
    linkSync(own, path);
    utimesSync(own, Date.now() / 1000 - age, Date.now() / 1000 - age);
  }

  async function dead(): Promise<Owner> {
    const child = spawn(process.execPath, ['-e', '0']);
    await new Promise((resolve) => child.on('close', resolve));
    return { ...newOwner(), pid: child.pid as number };
  }

  it('are known to be lost by who was silent for long', async () => {
    // So short that every look is late.
    const one = await locks(200, { deadAfter: 0 });
    await one.acquire('key', 'the key');
    one.checkHeld('key');
    rmSync(one.lockOf('key'));
    const other = await locks();
    await other.acquire('key', 'the key');
    expect(() => one.checkHeld('key')).to.throw('was silent for so long that another one took');
    other.checkHeld('key');
    await other.release('key');
  });

  it('are held by one at a time', async () => {
    const [one, other] = [await locks(5000), await locks(5000)];
    let inside = 0;
    let most = 0;
    const work = async () => {
      most = Math.max(most, ++inside);
      await new Promise((resolve) => setImmediate(resolve));
      inside--;
    };
    const turns = async (own: Locks) => {
      for (let turn = 0; turn < 50; turn++) await own.hold('a', work);
    };
    await Promise.all([turns(one), turns(other)]);
    expect(most).to.equal(1);
    expect(readdirSync(folder).filter((name) => name.includes('.lock'))).to.deep.equal([]);
  });

  it('are waited for only so long, with an error that says who has it', async () => {
    const [one, other] = [await locks(), await locks(50)];
    await one.hold('a', async () => {
      const error = await rejection(other.hold('a', async () => undefined));
      expect(error).to.include({ code: 'KEEPSAKE_LOCKED', retryable: true, key: 'a' });
      expect(error.message).to.include(`process ${process.pid}`);
      expect(await other.hold('b', async () => 'free')).to.equal('free');
    });
    expect(await other.hold('a', async () => 'mine')).to.equal('mine');
  });

  it('come free when the work fails', async () => {
    const one = await locks();
    await rejection(one.hold('a', () => Promise.reject(new Error('no'))));
    expect(existsSync(one.lockOf('a'))).to.equal(false);
  });

  it('are taken over from a process that has ended, and from another that has its number now', async () => {
    const one = await locks();
    for (const owner of [await dead(), { ...newOwner(), start: '1' }]) {
      plant(one.lockOf('a'), owner);
      expect(await one.hold('a', async () => readFileSync(one.lockOf('a'), 'utf8'))).to.not.include(owner.id);
      expect(existsSync(one.lockOf('a'))).to.equal(false);
    }
  });

  it('are taken over by one of many that find them so', async () => {
    for (let round = 0; round < 10; round++) {
      const many = await Promise.all(Array.from({ length: 5 }, () => locks(5000)));
      plant((many[0] as Locks).lockOf('a'), await dead());
      let inside = 0;
      await Promise.all(
        many.map((one) =>
          one.hold('a', async () => {
            expect(++inside).to.equal(1);
            await new Promise((resolve) => setImmediate(resolve));
            inside--;
          }),
        ),
      );
    }
  });

  it('are taken over although one who took them over died amid that', async () => {
    const one = await locks();
    const [first, second, third] = [await dead(), await dead(), await dead()];
    const lock = one.lockOf('a');
    plant(lock, first);
    plant(`${lock}.${first.id}`, second);
    plant(`${lock}.${first.id}.${second.id}`, third);
    expect(await one.hold('a', async () => 'mine')).to.equal('mine');
    expect(readdirSync(folder).filter((name) => name.includes('.lock'))).to.deep.equal([]);
  });

  it('of a foreign host are judged by its heartbeat alone', async () => {
    const one = await locks(100, { deadAfter: 1000, watchedFor: 0 });
    const owner = { ...newOwner(), host: 'elsewhere', pid: 1 };
    plant(one.lockOf('a'), owner);
    expect((await rejection(one.hold('a', async () => undefined))).code).to.equal('KEEPSAKE_LOCKED');
    const own = join(folder, `owner-${owner.id}`);
    utimesSync(own, Date.now() / 1000 - 5, Date.now() / 1000 - 5);
    expect(await one.hold('a', async () => 'mine')).to.equal('mine');
  });

  it('of a foreign host whose clock is late are not taken over while its heart beats', async () => {
    const one = await locks(300, { deadAfter: 1000, watchedFor: 100 });
    const owner = { ...newOwner(), pidNamespace: 'another', pid: 1 };
    plant(one.lockOf('a'), owner, 3600);
    let beats = 0;
    const heart = setInterval(() => {
      const time = Date.now() / 1000 - 3600 + ++beats;
      utimesSync(join(folder, `owner-${owner.id}`), time, time);
    }, 20);
    const error = await rejection(one.hold('a', async () => undefined));
    clearInterval(heart);
    expect(error.code).to.equal('KEEPSAKE_LOCKED');
    expect(await one.hold('a', async () => 'mine')).to.equal('mine');
  });

  it('beat, and leave nothing when closed', async () => {
    const one = new Locks(folder, { timeout: 100, heartbeatEvery: 5 });
    await one.open();
    const [name = ''] = readdirSync(folder);
    utimesSync(join(folder, name), 1, 1);
    while (statSync(join(folder, name)).mtimeMs < 1e12) await new Promise((resolve) => setTimeout(resolve, 2));
    await one.close();
    expect(readdirSync(folder)).to.deep.equal([]);
  });

  it('of the dead are cleared away at the start, and nothing else', async () => {
    const gone = await dead();
    const alive = newOwner();
    mkdirSync(folder, { recursive: true });
    const names = [gone, alive].map((_, index) => `${String(index).repeat(40)}.lock`);
    plant(join(folder, names[0] as string), gone);
    plant(join(folder, names[1] as string), alive);
    writeFileSync(join(folder, 'mine.txt'), '');
    const one = await locks();
    const left = readdirSync(folder).filter(
      (name) => !name.startsWith('owner-') || name.includes(alive.id) || name.includes(gone.id),
    );
    expect(left.sort()).to.deep.equal([names[1], 'mine.txt', `owner-${alive.id}`].sort());
    await one.close();
  });

  it('protect plain writes, deletes and touches of a shared folder, and are made again when they vanish', async () => {
    const root = folders.make();
    const backend = folders.open(root, { shared: true, lockTimeout: 50 });
    await backend.set('a', 'x');
    const own = new Locks(join(root, '.keepsake', 'locks'), { timeout: 100 });
    opened.push(own);
    await own.open();
    await own.hold('a', async () => {
      for (const failing of [
        backend.set('a', 'y'),
        backend.delete('a'),
        backend.touch('a', 5),
        backend.increment('a'),
      ]) {
        expect((await rejection(failing)).code).to.equal('KEEPSAKE_LOCKED');
      }
      expect(await text(backend, 'a')).to.equal('x');
      expect(await backend.set('b', 'y')).to.equal(true);
    });
    rmSync(join(root, '.keepsake'), { recursive: true });
    expect(await backend.set('a', 'y')).to.equal(true);
    expect((await all(backend.keys())).sort()).to.deep.equal(['a', 'b']);
  });
});
