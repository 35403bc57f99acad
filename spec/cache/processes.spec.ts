import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { Cache, type CacheOptions, type Clock } from 'keepsake';
import { TestClock } from '../support/clock.js';
import { failure } from '../support/failure.js';
import { all, Folders } from '../support/folders.js';

const COMPUTER = fileURLToPath(new URL('../support/cache-computer.js', import.meta.url));

/** A process that asks for the key when it is told to. */
class Computer {
  readonly child: ChildProcess;
  #said = '';

  constructor(folder: string, name: string, duration: number, lockTtl = '10s') {
    this.child = spawn(process.execPath, [COMPUTER, folder, name, String(duration), lockTtl], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.child.stdout?.on('data', (data) => {
      this.#said += data;
    });
  }

  get lines(): string[] {
    return this.#said.split('\n').slice(1, -1);
  }

  async says(line: string): Promise<void> {
    while (!this.#said.split('\n').includes(line)) {
      if (this.child.exitCode !== null) throw new Error(`ended by ${this.child.exitCode} before it says ${line}`);
      await setTimeout(2);
    }
  }

  ask(): void {
    this.child.stdin?.write('go\n');
  }

  async ended(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) await once(this.child, 'close');
  }
}

describe('a cache of several processes', function () {
  this.timeout(30_000);
  const folders = new Folders();
  const started: Computer[] = [];
  afterEach(async () => {
    for (const { child } of started.splice(0)) child.kill('SIGKILL');
    await folders.clearAway();
  });

  async function start(...parameters: ConstructorParameters<typeof Computer>): Promise<Computer> {
    const computer = new Computer(...parameters);
    started.push(computer);
    await computer.says('ready');
    return computer;
  }

  it('computes a cold key once', async () => {
    const folder = folders.make();
    const both = await Promise.all([start(folder, 'a', 500), start(folder, 'b', 500)]);
    for (const one of both) one.ask();
    await Promise.all(both.map((one) => one.ended()));
    const lines = both.map((one) => one.lines);
    expect(lines.flat().filter((line) => line === 'computing')).to.have.length(1);
    const winner = lines[0]?.includes('computing') ? 'a' : 'b';
    for (const said of lines) expect(said.at(-1)).to.equal(`got made by ${winner}`);
  });

  it('renews the lock of a computation that takes longer than the lock lives', async () => {
    const folder = folders.make();
    const slow = await start(folder, 'slow', 1500, '600ms');
    const waiting = await start(folder, 'waiting', 0, '600ms');
    slow.ask();
    await slow.says('computing');
    waiting.ask();
    await Promise.all([slow.ended(), waiting.ended()]);
    expect(waiting.lines).to.deep.equal(['got made by slow']);
  });

  it('takes over from a process that is killed amid the computation, once its lock has expired', async () => {
    const folder = folders.make();
    const victim = await start(folder, 'victim', 60_000, '1s');
    const survivor = await start(folder, 'survivor', 10, '1s');
    victim.ask();
    await victim.says('computing');
    const since = performance.now();
    victim.child.kill('SIGKILL');
    survivor.ask();
    await survivor.ended();
    expect(survivor.lines).to.deep.equal(['computing', 'got made by survivor']);
    expect(performance.now() - since).to.be.within(300, 10_000);
  });
});

describe('the locks of a cache', () => {
  const folders = new Folders();
  afterEach(() => folders.clearAway());

  /** Two caches over one folder are what two processes are, but for the process. */
  function pair(options: CacheOptions = {}, clock: Clock = Date.now): { caches: [Cache, Cache]; reported: unknown[] } {
    const folder = folders.make();
    const reported: unknown[] = [];
    const make = () =>
      new Cache(folders.open(folder, { shared: true, clock }), { report: (error) => reported.push(error), ...options });
    return { caches: [make(), make()], reported };
  }

  /** A computation that is held back until it is told to end. */
  function held<T>(result: () => T): { compute: () => Promise<T>; begun: Promise<void>; end: () => void } {
    let begin!: () => void;
    let end!: () => void;
    const begun = new Promise<void>((resolve) => {
      begin = resolve;
    });
    const ending = new Promise<void>((resolve) => {
      end = resolve;
    });
    const compute = async () => {
      begin();
      await ending;
      return result();
    };
    return { compute, begun, end };
  }

  it('leave nothing behind', async () => {
    const { caches } = pair();
    await caches[0].getOrSet('key', () => 1);
    await failure(() => caches[0].getOrSet('other', () => Promise.reject(new Error('down'))));
    expect(await all(caches[1].backend.keys())).to.deep.equal(['value:key']);
  });

  it('come free when a computation fails or stores nothing, and one of those who wait computes', async () => {
    const { caches } = pair();
    for (const result of [
      () => {
        throw new Error('down');
      },
      () => undefined,
    ]) {
      const first = held(result);
      const failing = caches[0].getOrSet('key', first.compute).catch(() => undefined);
      await first.begun;
      const waiting = caches[1].getOrSet('key', () => 'better');
      first.end();
      await failing;
      expect(await waiting).to.equal('better');
      await caches[0].clear({ key: 'key' });
    }
    expect(caches[1].statistics).to.include({ computations: 2, waits: 2 });
  });

  it('are waited for no longer than lockTimeout', async () => {
    const { caches } = pair({ lockTimeout: 50 });
    const stuck = held(() => 'late');
    const late = caches[0].getOrSet('key', stuck.compute);
    await stuck.begun;
    expect(await caches[1].getOrSet('key', () => 'own')).to.equal('own');
    stuck.end();
    expect(await late).to.equal('late');
  });

  it('come free when all callers have left', async () => {
    const { caches } = pair({ lockTimeout: '1h', lockTtl: '1h' });
    const stuck = held(() => 'late');
    const leaver = new AbortController();
    const leaving = failure(() => caches[0].getOrSet('key', stuck.compute, { signal: leaver.signal }));
    await stuck.begun;
    leaver.abort();
    expect(await leaving).to.equal(leaver.signal.reason);
    expect(await caches[1].getOrSet('key', () => 'own')).to.equal('own');
    stuck.end();
  });

  it('let only one revalidate what is stale, and nobody wait', async () => {
    const clock = new TestClock();
    const { caches } = pair({ staleWhileRevalidate: '1h', ttl: '1m', lockTtl: '1h' }, clock.now);
    await caches[0].put('key', 'old');
    clock.advance(60_000);
    const renewing = held(() => 'new');
    expect(await caches[0].getOrSet('key', renewing.compute)).to.equal('old');
    await renewing.begun;
    let computed = 0;
    expect(await caches[1].getOrSet('key', () => ++computed)).to.equal('old');
    await caches[1].close();
    expect(computed).to.equal(0);
    renewing.end();
    await caches[0].close();
  });

  it('of a crash end by the clock of the backend', async () => {
    const clock = new TestClock();
    const { caches } = pair({}, clock.now);
    // What a process leaves behind that was killed.
    await caches[0].backend.set('lock:key', 'the token of the dead', { ttl: '10s' });
    let computed = 0;
    const call = caches[0].getOrSet('key', () => ++computed);
    for (let turn = 0; turn < 50; turn++) await setImmediate();
    expect(computed).to.equal(0);
    clock.advance(10_000);
    expect(await call).to.equal(1);
  });

  it('can be done without', async () => {
    const { caches } = pair({ locks: false });
    await caches[0].backend.set('lock:key', 'the token of another', { ttl: '1h' });
    expect(await caches[0].getOrSet('key', () => 1)).to.equal(1);
  });
});
