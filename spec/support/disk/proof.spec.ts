import fs, { mkdirSync, openSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { Folders } from '../folders.js';
import { bytesOf } from './contents.js';
import { CRASHES, type Crash, killed, powerCut } from './crash.js';
import { type Disk, inodeOf, newDisk, ROOT, type Trace } from './disk.js';
import { Identity } from './identity.js';
import type { Work } from './machine.js';
import { Machines } from './machines.js';
import { CARELESS_MODES } from './modes.js';
import { pointsOf } from './points.js';
import { Random } from './random.js';
import { Recorder } from './recorder.js';
import { Session } from './session.js';

const SEED = Number(process.env.KEEPSAKE_CRASH_SEED ?? Math.floor(Math.random() * 2 ** 32));

describe('the crash proof', function () {
  this.timeout(120_000);
  const random = new Random(SEED);
  let machines: Machines;

  before(() => {
    machines = new Machines();
    console.log(`      KEEPSAKE_CRASH_SEED=${SEED}`);
  });

  after(() => machines.end());

  async function failuresOf(mode: string, crashes: readonly Crash[]): Promise<string[]> {
    const work = await machines.record(mode, random.seed(), 32);
    const points = crashes.flatMap((crash) => pointsOf(work, crash, 50, random));
    return (await machines.crash(work, points)).failures;
  }

  it('finds nothing where nothing is wrong', async () => {
    expect(await failuresOf('does nothing wrong', CRASHES)).to.deep.equal([]);
  });

  const mistakes: Record<string, readonly Crash[]> = {
    'does not sync': ['ordered', 'replacing', 'unordered'],
    'renames before writing': ['process', 'ordered'],
    'acknowledges before renaming': ['process'],
    'writes in place': ['process', 'ordered'],
  };
  for (const [mode, crashes] of Object.entries(mistakes)) {
    for (const crash of crashes) {
      it(`finds out who ${mode}, by a crash of kind '${crash}'`, async () => {
        expect(CARELESS_MODES).to.have.property(mode);
        expect(await failuresOf(mode, [crash])).to.not.deep.equal([]);
      });
    }
  }

  it('does the same again with the same seed', async () => {
    const seed = random.seed();
    const calls = ({ trace }: Work) => trace.operations.map(({ name, issued }) => `${issued} ${name}`);
    const first = calls(await machines.record('file', seed, 12));
    expect(calls(await machines.record('file', seed, 12))).to.deep.equal(first);
    expect(first.length).to.be.above(20);
  });
});

describe('the recorder of a disk', () => {
  const folders = new Folders();
  const recorder = new Recorder(new Identity(0));
  let root: string;
  let session: Session;

  beforeEach(() => {
    root = folders.make();
    session = new Session(root, newDisk(), [], 0);
    recorder.install();
    recorder.begin(session, new Random(1));
  });

  afterEach(async () => {
    recorder.end();
    recorder.uninstall();
    await folders.clearAway();
  });

  it('writes down what was done, and that it was', () => {
    mkdirSync(`${root}/a/b`, { recursive: true });
    writeFileSync(`${root}/a/b/c`, 'text');
    const done = session.operations.map(({ name }) => name);
    expect(done).to.deep.equal(['mkdir', 'mkdir', 'open', 'write']);
    session.verify();
  });

  it('refuses what it does not know', () => {
    expect(() => fs.cpSync(root, `${root}-copy`)).to.throw('cpSync');
    expect(() => session.verify()).to.throw('cpSync');
  });

  it('refuses it in promises too', () => {
    expect(() => void fs.promises.writeFile(`${root}/a`, '')).to.throw('promises.writeFile');
  });

  it('notices what was done behind its back', () => {
    writeFileSync(`${root}/a`, 'text');
    recorder.end();
    writeFileSync(`${root}/a`, 'Text');
    expect(() => session.verify()).to.throw(`${root}/a was changed`);
    writeFileSync(`${root}/b`, '');
    expect(() => session.verify()).to.throw('names');
  });

  it('leaves other folders alone', () => {
    writeFileSync(`${folders.make()}/a`, '');
    expect(session.operations).to.deep.equal([]);
  });

  describe('with a file that was written, and renamed', () => {
    function write(isSynced: boolean): void {
      const descriptor = openSync(`${root}/new`, 'w');
      fs.writeSync(descriptor, Buffer.alloc(2000, 'x'));
      if (isSynced) fs.fsyncSync(descriptor);
      fs.closeSync(descriptor);
      fs.renameSync(`${root}/new`, `${root}/name`);
    }

    /** All that a crash at the end can leave: what the names hold. */
    function leftBy(crash: Exclude<Crash, 'process'>): Set<string> {
      const trace: Trace = { initial: newDisk(), operations: session.operations, end: session.tick(), boot: 0 };
      const seen = new Set<string>();
      for (let seed = 0; seed < 200; seed++) {
        const chance = new Random(seed);
        const { operations } = killed(trace, trace.end, chance);
        seen.add(describeDisk(powerCut({ initial: trace.initial, operations }, crash, chance)));
      }
      return seen;
    }

    function describeDisk(disk: Disk): string {
      const names = [...inodeOf(disk, ROOT).entries].sort();
      return names.map(([name, id]) => `${name}: ${describeFile(bytesOf(inodeOf(disk, id).contents))}`).join(', ');
    }

    function describeFile(bytes: Uint8Array): string {
      return bytes.length === 2000 && bytes.every((byte) => byte === 120) ? 'whole' : 'torn';
    }

    it('keeps what was synced under its old name or its new one', () => {
      write(true);
      expect(leftBy('ordered')).to.deep.equal(new Set(['new: whole', 'name: whole']));
    });

    it('may keep it under both or neither where names have no order', () => {
      write(true);
      expect(leftBy('unordered')).to.deep.equal(new Set(['', 'new: whole', 'name: whole', 'name: whole, new: whole']));
    });

    it('keeps the name for sure when its folder was synced', () => {
      write(true);
      const descriptor = openSync(root, 'r');
      fs.fsyncSync(descriptor);
      fs.closeSync(descriptor);
      expect(leftBy('unordered')).to.deep.equal(new Set(['name: whole']));
      expect(leftBy('ordered')).to.deep.equal(new Set(['name: whole']));
    });

    it('may tear what was not synced', () => {
      write(false);
      const all = ['', 'new: whole', 'new: torn', 'name: whole', 'name: torn'];
      expect(leftBy('ordered')).to.deep.equal(new Set(all));
    });

    it('keeps what replaced a file whole where the file system waits for it', () => {
      write(true);
      write(false);
      expect(leftBy('replacing')).to.include('name: whole').and.not.include('name: torn');
      expect(leftBy('ordered')).to.include('name: torn');
    });
  });
});
