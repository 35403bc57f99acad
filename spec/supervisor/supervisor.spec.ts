import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import { Supervisor } from 'keepsake/supervisor';
import { Folders, rejection } from '../support/folders.js';
import { type Client, runs, Stage, until } from '../support/generations.js';

/** Tells that it has taken over, and waits for a sign. */
const GATE = `
const { existsSync, writeFileSync } = await import('node:fs');
writeFileSync('taken', '');
while (!existsSync('go')) await wait(2);`;

describe('a supervisor', function () {
  this.timeout(60_000);
  const folders = new Folders();
  let stage: Stage;
  beforeEach(() => {
    stage = new Stage(folders.make());
  });
  afterEach(async () => {
    await stage.clearAway();
    await folders.clearAway();
  });

  /** Sends numbered lines until told to stop. */
  function talk(client: Client, word = 'say') {
    let going = true;
    let sent = 0;
    const done = (async () => {
      while (going) {
        client.send(`${word} ${++sent}`);
        await wait(1);
      }
      await until(() => client.lines.length >= sent, `${client.lines.length} of ${sent} answers`);
      return sent;
    })();
    return {
      stop() {
        going = false;
        return done;
      },
    };
  }

  /** That each line was answered once, in order, by one who had counted all before. */
  function expectAll(client: Client, sent: number, word = 'say'): void {
    const answers = client.lines.map((line) => line.replace(/^[^ ]+ /, ''));
    expect(answers).to.deep.equal(Array.from({ length: sent }, (_, index) => `${index + 1} ${word} ${index + 1}`));
    expect(client.closed).to.equal(false);
  }

  it('changes generations under clients that talk, without a line lost or doubled', async () => {
    const { supervisor, port } = await stage.started();
    const clients = [await stage.client(port), await stage.client(port)] as const;
    const talks = [talk(clients[0]), talk(clients[1], 'slow')] as const;
    let paused = 0;
    for (let version = 2; version <= 11; version++) {
      stage.write({ version });
      const report = await supervisor.restart();
      expect(report.generation).to.equal(version);
      paused = Math.max(paused, report.paused);
      await wait(20);
    }
    const sent = [await talks[0].stop(), await talks[1].stop()] as const;
    expectAll(clients[0], sent[0]);
    expectAll(clients[1], sent[1], 'slow');
    expect(sent[0]).to.be.greaterThan(100);
    const versions = new Set(clients[0].lines.map((line) => Number(line.split(' ')[0])));
    expect([...versions]).to.deep.equal([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    expect(paused).to.be.lessThan(5000);
    expect(readdirSync(stage.folder).filter((name) => name !== 'data')).to.deep.equal(['program.mjs']);
  });

  it('keeps half a line, and what comes while nobody serves', async () => {
    const { supervisor, port } = await stage.started();
    const client = await stage.client(port);
    expect(await client.ask('one')).to.equal('1 1 one');
    client.socket.write('hal');
    await wait(20);
    stage.write({ version: 2, beforeReady: GATE });
    const restarting = supervisor.restart();
    await until(() => existsSync(join(stage.folder, 'taken')));
    client.socket.write('f a line\nnext\n');
    const other = await stage.client(port);
    other.send('hello');
    writeFileSync(join(stage.folder, 'go'), '');
    await restarting;
    await until(() => client.lines.length === 3 && other.lines.length === 1);
    expect(client.lines.slice(1)).to.deep.equal(['2 2 half a line', '2 3 next']);
    expect(other.lines).to.deep.equal(['2 1 hello']);
  });

  it('lets the new generation know of clients that left meanwhile', async () => {
    const { supervisor, port } = await stage.started();
    const client = await stage.client(port);
    await client.ask('one');
    stage.write({ version: 2, beforeReady: GATE });
    const restarting = supervisor.restart();
    await until(() => existsSync(join(stage.folder, 'taken')));
    client.socket.end('last\n');
    await wait(20);
    writeFileSync(join(stage.folder, 'go'), '');
    await restarting;
    await until(() => client.closed);
    expect(client.lines).to.deep.equal(['1 1 one', '2 2 last']);
    await until(() => supervisor.connections === 0);
  });

  const broken = {
    'does not parse': 'const = ;',
    'throws when it is loaded': "throw new Error('no good');",
    'ends when it is loaded': 'process.exit(0);',
    'cannot restore an object': { decode: "throw new Error('no such form')" },
    'throws before it is ready': { beforeReady: "throw new Error('not today');" },
    'is never ready': { beforeReady: 'await new Promise(() => setInterval(() => undefined, 1000));' },
    'is killed before it is ready': { beforeReady: "process.kill(process.pid, 'SIGKILL');" },
    'never joins': 'setInterval(() => undefined, 1000);',
  };
  for (const [what, deviation] of Object.entries(broken)) {
    it(`leaves the old generation serving when the new one ${what}`, async () => {
      const { supervisor, port } = await stage.started({ readyTimeout: 1500 });
      const clients = [await stage.client(port), await stage.client(port)] as const;
      const talks = clients.map((client) => talk(client));
      await wait(30);
      const pid = supervisor.pid;
      const pids: number[] = [];
      supervisor.on('generation', (next) => pids.push(next.pid as number));
      stage.write(deviation);
      const error = await rejection(supervisor.restart());
      expect(error.code).to.equal('KEEPSAKE_GENERATION');
      if (!/never|ends|killed/.test(what)) expect(error.message).to.match(/program\.mjs:\d+/);
      expect(supervisor.pid).to.equal(pid);
      expect(pids.filter(runs)).to.deep.equal([]);
      expect(readdirSync(stage.folder).filter((name) => name !== 'data')).to.deep.equal(['program.mjs']);
      expect(await clients[0].ask('save 7')).to.match(/^1 /);
      await wait(30);
      stage.write({ version: 'good' });
      await supervisor.restart();
      await wait(30);
      const sent = await Promise.all(talks.map((one) => one.stop()));
      await until(() => clients[0].lines.length > (sent[0] as number));
      expect(clients[1].lines).to.have.length(sent[1] as number);
      expectAll(clients[1], sent[1] as number);
      expect(clients[0].lines).to.have.length((sent[0] as number) + 1);
      expect(clients[1].lines.at(-1)).to.match(/^good /);
    });
  }

  it('leaves the old generation serving when it cannot hand over', async () => {
    const { supervisor, port } = await stage.started({ handOverTimeout: 500 });
    const client = await stage.client(port);
    const other = await stage.client(port);
    client.send('stuck');
    await wait(30);
    const error = await rejection(supervisor.restart());
    expect(error.message).to.match(/generation 1 did not hand over within 500 ms/);
    expect(await other.ask('still there?')).to.equal('1 1 still there?');
    expect(existsSync(join(stage.folder, 'hand-over'))).to.equal(false);
  });

  it('leaves the old generation serving when it refuses to hand over', async () => {
    stage.write({ options: "pause() { throw new Error('not now'); }" });
    const { supervisor, port } = await stage.started();
    const client = await stage.client(port);
    await client.ask('one');
    const error = await rejection(supervisor.restart());
    expect(error.message).to.match(/generation 1 cannot hand over: Error: not now\n.*program\.mjs:\d+/);
    expect(await client.ask('save 2')).to.equal('1 2 save 2');
    expect(supervisor.generation).to.equal(1);
  });

  it('goes on with the new generation when the old one is killed after its hand-over', async () => {
    const { supervisor, port } = await stage.started();
    const client = await stage.client(port);
    await client.ask('one');
    stage.write({ version: 2, beforeReady: GATE });
    const restarting = supervisor.restart();
    await until(() => existsSync(join(stage.folder, 'taken')));
    client.send('two');
    let crashed = 0;
    supervisor.on('crashed', () => crashed++);
    process.kill(supervisor.pid as number, 'SIGKILL');
    await until(() => crashed === 1);
    writeFileSync(join(stage.folder, 'go'), '');
    await restarting;
    await until(() => client.lines.length === 2);
    expect(client.lines).to.deep.equal(['1 1 one', '2 2 two']);
  });

  for (const [which, order] of [
    ['the old one first', (pids: number[]) => pids],
    ['the new one first', (pids: number[]) => pids.reverse()],
  ] as const) {
    it(`starts from what is saved when both are killed, ${which}`, async () => {
      const { supervisor, port } = await stage.started({ backOff: { initial: 5 } });
      const client = await stage.client(port);
      await client.ask('save 4');
      const pids = [supervisor.pid as number];
      supervisor.on('generation', ({ pid }) => pids.push(pid as number));
      stage.write({ version: 2, beforeReady: GATE });
      const restarting = rejection(supervisor.restart());
      await until(() => existsSync(join(stage.folder, 'taken')));
      stage.write({ version: 3 });
      for (const pid of order(pids)) process.kill(pid, 'SIGKILL');
      expect((await restarting).code).to.equal('KEEPSAKE_GENERATION');
      await until(() => supervisor.generation === 3 && client.closed);
      const other = await stage.client(port);
      expect(await other.ask('hello')).to.equal('3 1 hello');
      expect(JSON.parse(readFileSync(join(stage.folder, 'data/total/total.json'), 'utf8'))).to.deep.equal({
        highest: 4,
      });
      expect(readdirSync(stage.folder).filter((name) => name.startsWith('hand-over'))).to.deep.equal([]);
    });
  }

  it('goes on with the new generation when the old one is killed before its hand-over', async () => {
    const { supervisor, port } = await stage.started();
    const client = await stage.client(port);
    const pid = supervisor.pid as number;
    client.send('stuck');
    await wait(30);
    stage.write({ version: 2 });
    const restarting = supervisor.restart();
    await wait(500);
    process.kill(pid, 'SIGKILL');
    expect((await restarting).generation).to.equal(2);
    await until(() => client.closed);
    expect(await (await stage.client(port)).ask('hello')).to.equal('2 1 hello');
  });

  it('starts the next generation only when prepare has done its work', async () => {
    let works = true;
    const prepare = async () => {
      await wait(1);
      if (!works) throw new Error('it does not build');
    };
    const { supervisor, port } = await stage.started({ prepare });
    const client = await stage.client(port);
    works = false;
    expect((await rejection(supervisor.restart())).message).to.equal('it does not build');
    expect(await client.ask('one')).to.equal('1 1 one');
    works = true;
    expect((await supervisor.restart()).generation).to.equal(2);
    expect(await client.ask('two')).to.equal('1 2 two');
  });

  it('sees changes in folders, in new ones and by renaming too', async () => {
    const folder = join(stage.folder, 'sources');
    mkdirSync(folder);
    const { supervisor } = await stage.started({ watch: [folder], watchDelay: 30 });
    const changes = [
      () => writeFileSync(join(folder, 'a.js'), '1'),
      () => writeFileSync(join(folder, 'a.js'), '2'),
      () => {
        writeFileSync(join(stage.folder, 'a.tmp'), '3');
        renameSync(join(stage.folder, 'a.tmp'), join(folder, 'a.js'));
      },
      () => mkdirSync(join(folder, 'inner')),
      () => writeFileSync(join(folder, 'inner', 'b.js'), '1'),
      () => writeFileSync(join(folder, 'inner', 'b.js'), '2'),
      () => rmSync(join(folder, 'inner', 'b.js')),
      () => writeFileSync(join(folder, 'a.js'), '4'),
      () => {
        rmSync(folder, { recursive: true });
        mkdirSync(join(folder, 'inner'), { recursive: true });
      },
      () => writeFileSync(join(folder, 'inner', 'c.js'), '1'),
      () => writeFileSync(join(folder, 'a.js'), '5'),
    ];
    for (const change of changes) {
      const before = supervisor.generation as number;
      change();
      await until(() => (supervisor.generation as number) > before, `${change}`);
      await wait(100);
    }
    expect((await rejection(stage.supervisor({ watch: [join(folder, 'none')] }).start())).code).to.equal(
      'KEEPSAKE_STORAGE',
    );
  });

  it('holds saves between the hand-over and going on', async () => {
    stage.write({
      options:
        'resume() { setTimeout(() => (globalThis.resumed = true), 0); }, pause() { total.highest = 5; setTimeout(() => total.save().then(() => console.log), 100); }',
    });
    const { supervisor, port } = await stage.started({ readyTimeout: 1000 });
    const client = await stage.client(port);
    await client.ask('save 1');
    stage.write({
      version: 2,
      beforeReady:
        "await wait(400); if ((await Total.find(() => true)).length !== 1) throw new Error('?'); const { readFileSync } = await import('node:fs'); throw new Error('SAVED ' + readFileSync('data/total/total.json', 'utf8').replace(/\\s/g, ''));",
    });
    expect((await rejection(supervisor.restart())).message).to.include('SAVED {"highest":1}');
    await until(() => JSON.parse(readFileSync(join(stage.folder, 'data/total/total.json'), 'utf8')).highest === 5);
  });

  it('starts the next after the one that is under way, once for all who ask', async () => {
    const { supervisor } = await stage.started();
    const first = supervisor.restart();
    await wait(5);
    const others = await Promise.all([supervisor.restart(), supervisor.restart(), supervisor.restart()]);
    expect((await first).generation).to.equal(2);
    expect(others.map(({ generation }) => generation)).to.deep.equal([3, 3, 3]);
  });

  it('starts a program again that ended by itself, with back-off, from what is saved', async () => {
    const { supervisor, port } = await stage.started({ backOff: { initial: 20, maximum: 50 } });
    const delays: number[] = [];
    supervisor.on('crashed', ({ delay, signal }) => {
      expect(signal).to.equal('SIGKILL');
      delays.push(delay);
    });
    for (let time = 1; time <= 4; time++) {
      const client = await stage.client(port);
      expect(await client.ask(`save ${time}`)).to.match(/^1 1 /);
      client.send('crash');
      await until(() => client.closed);
      await until(() => delays.length === time);
    }
    const client = await stage.client(port);
    expect(await client.ask('hello')).to.equal('1 1 hello');
    expect(delays).to.deep.equal([20, 40, 50, 50]);
    expect(JSON.parse(readFileSync(join(stage.folder, 'data/total/total.json'), 'utf8'))).to.deep.equal({ highest: 4 });
  });

  it('keeps the connections over a crash where told to', async () => {
    const { port } = await stage.started({ afterCrash: 'keep', backOff: { initial: 1 } });
    const client = await stage.client(port);
    await client.ask('one');
    client.send('crash');
    await wait(50);
    expect(await client.ask('two')).to.equal('1 1 two');
  });

  it('goes on trying when the program is broken by then', async () => {
    const { supervisor, port } = await stage.started({ backOff: { initial: 10, maximum: 40 } });
    let failed = 0;
    supervisor.on('failed', () => failed++);
    const client = await stage.client(port);
    stage.write('const = ;');
    client.send('crash');
    await until(() => failed === 3);
    const waiting = await stage.client(port);
    waiting.send('anybody there?');
    stage.write({ version: 2 });
    await until(() => waiting.lines.length === 1);
    expect(waiting.lines).to.deep.equal(['2 1 anybody there?']);
  });

  it('rejects when the first generation fails, and nothing runs', async () => {
    stage.write("throw new Error('no good');");
    const supervisor = stage.supervisor();
    const pids: number[] = [];
    supervisor.on('generation', ({ pid }) => pids.push(pid as number));
    const error = await rejection(supervisor.start());
    expect(error.message).to.match(/generation 1 ended with code 1\n[\s\S]*program\.mjs:1[\s\S]*no good/);
    expect(pids.filter(runs)).to.deep.equal([]);
    expect((await rejection(supervisor.restart())).code).to.equal('KEEPSAKE_CLOSED');
  });

  it('starts the next generation when a file has changed', async () => {
    const { supervisor, port } = await stage.started({ watch: [stage.program], watchDelay: 50 });
    const client = await stage.client(port);
    const told: (string | number)[] = [];
    supervisor.on('ready', ({ generation }) => told.push(generation));
    supervisor.on('failed', () => told.push('failed'));
    stage.write({ version: 2 });
    await until(() => told.length === 1);
    expect(await client.ask('hello')).to.equal('2 1 hello');
    stage.write('const = ;');
    await until(() => told.length === 2);
    expect(await client.ask('hello')).to.equal('2 2 hello');
    stage.write({ version: 3 });
    await until(() => told.length === 3);
    expect(await client.ask('hello')).to.equal('3 3 hello');
    expect(told).to.deep.equal([2, 'failed', 4]);
  });

  it('leaves no process when it stops, and the sessions to the next', async () => {
    const { supervisor, port } = await stage.started();
    const client = await stage.client(port);
    await client.ask('one');
    const pid = supervisor.pid as number;
    await supervisor.stop();
    await supervisor.stop();
    expect(runs(pid)).to.equal(false);
    await until(() => client.closed);
    expect(readdirSync(stage.folder)).to.include('hand-over');
    stage.write({
      beforeReady: "if (Session.active().size !== 1) throw new Error('sessions ' + Session.active().size);",
    });
    await stage.supervisor().start();
    expect(readdirSync(stage.folder)).to.not.include('hand-over');
  });

  it('stops in the middle of a change', async () => {
    const { supervisor } = await stage.started();
    const pids = [supervisor.pid as number];
    supervisor.on('generation', ({ pid }) => pids.push(pid as number));
    stage.write({ beforeReady: 'await wait(5000);' });
    const restarting = rejection(supervisor.restart());
    await wait(150);
    await supervisor.stop();
    expect((await restarting).code).to.be.oneOf(['KEEPSAKE_GENERATION', 'KEEPSAKE_CLOSED']);
    expect(pids.filter(runs)).to.deep.equal([]);
  });

  it('kills what does not stop', async () => {
    stage.write({ options: 'stop: () => new Promise(() => setInterval(() => undefined, 1000))' });
    const { supervisor } = await stage.started({ stopTimeout: 300 });
    const pid = supervisor.pid as number;
    await supervisor.stop();
    expect(runs(pid)).to.equal(false);
  });

  it('checks its options', () => {
    const make = (options: object) => () => new Supervisor({ program: 'x.js', ...options } as never);
    expect(make({ program: '' })).to.throw(TypeError, 'program must be the path');
    expect(make({ progam: 'x' })).to.throw(TypeError, 'progam');
    expect(make({ readyTimeout: 0 })).to.throw(RangeError, 'readyTimeout');
    expect(make({ backOff: { initial: -1 } })).to.throw(RangeError, 'backOff.initial');
    expect(make({ watch: 'src' })).to.throw(TypeError, 'watch must be an array');
    expect(make({ afterCrash: 'no' })).to.throw(TypeError, 'afterCrash');
    expect(make({ maximumUnsent: 0 })).to.throw(RangeError, 'maximumUnsent');
    expect(make({ signals: { reload: true } })).to.throw(TypeError, 'reload');
  });
});
