import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { Folders } from '../support/folders.js';
import { type Client, runs, Stage, until } from '../support/generations.js';

const SUPERVISOR = fileURLToPath(new URL('../support/supervisor.js', import.meta.url));

interface Told {
  readonly started?: number;
  readonly ready?: number;
  readonly pid?: number;
  readonly failed?: string;
  readonly listening?: { readonly port: number };
  readonly stopped?: boolean;
}

describe('a supervisor and the processes around it', function () {
  this.timeout(120_000);
  const folders = new Folders();
  const processes: ChildProcess[] = [];
  let stage: Stage;
  beforeEach(() => {
    stage = new Stage(folders.make());
  });
  afterEach(async () => {
    for (const one of processes.splice(0)) {
      if (one.exitCode !== null || one.signalCode !== null) continue;
      const ended = once(one, 'exit');
      one.kill('SIGTERM');
      await ended;
    }
    await stage.clearAway();
    await folders.clearAway();
  });

  function start(program: string, ...parameters: string[]) {
    const child = spawn(process.execPath, [program, ...parameters], {
      cwd: stage.folder,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    processes.push(child);
    const lines: string[] = [];
    createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
    let trouble = '';
    child.stderr.on('data', (data) => {
      trouble += data;
    });
    const ended = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
    return { child, lines, ended, trouble: () => trouble };
  }

  async function supervise(options: object = {}) {
    const started = start(SUPERVISOR, stage.program, stage.folder, JSON.stringify(options));
    const told = (): Told[] => started.lines.map((line) => JSON.parse(line) as Told);
    const ready = (generation: number) =>
      until(() => told().some((one) => one.ready === generation), `ready ${generation}`);
    await ready(1).catch((error) => {
      throw new Error(`${error.message}: ${started.lines.join()} ${started.trouble()}`);
    });
    const port = told().find(({ listening }) => listening !== undefined)?.listening?.port as number;
    const pids = () => told().flatMap(({ started }) => started ?? []);
    return { ...started, told, ready, port, pids };
  }

  it('starts the next generation on SIGHUP', async () => {
    const { child, port, ready } = await supervise();
    const client = await stage.client(port);
    await client.ask('one');
    stage.write({ version: 2 });
    child.kill('SIGHUP');
    await ready(2);
    expect(await client.ask('two')).to.equal('2 2 two');
  });

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    it(`stops on ${signal}, and ends of it`, async () => {
      const { child, port, ended, pids, told } = await supervise();
      const client = await stage.client(port);
      await client.ask('save 3');
      child.kill(signal);
      expect(await ended).to.deep.equal([null, signal]);
      expect(told().at(-1)).to.deep.equal({ stopped: true });
      expect(pids().filter(runs)).to.deep.equal([]);
      await until(() => client.closed);
    });
  }

  it('is outlived by no generation, which hands over, when it is killed', async () => {
    const { child, port, pids } = await supervise();
    const client = await stage.client(port);
    await client.ask('one');
    child.kill('SIGKILL');
    await until(() => pids().filter(runs).length === 0);
    expect(existsSync(join(stage.folder, 'hand-over'))).to.equal(true);
    stage.write({ beforeReady: "if (Session.active().size !== 1) throw new Error('sessions');" });
    await supervise();
  });

  it('is left in peace by what a terminal sends to all its processes', async () => {
    const { port, told } = await supervise();
    const client = await stage.client(port);
    await client.ask('one');
    const pid = told().find(({ ready }) => ready === 1)?.pid as number;
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.kill(pid, signal);
    await wait(50);
    expect(await client.ask('two')).to.equal('1 2 two');
  });

  it('loses no acknowledged save when either generation is killed at any moment', async () => {
    const { child, port, told, pids, trouble } = await supervise({ backOff: { initial: 5, maximum: 20 } });
    const saved = (): number =>
      (JSON.parse(readFileSync(join(stage.folder, 'data/total/total.json'), 'utf8')) as { highest: number }).highest;
    let client: Client | undefined;
    let acknowledged = 0;
    let wanted = 0;
    let going = true;
    const saving = (async () => {
      while (going) {
        if (client === undefined || client.closed) client = await stage.client(port);
        if (!/^\d+ \d+ save/.test(await client.ask(`save ${++wanted}`))) continue;
        acknowledged = wanted;
        const found = saved();
        if (found < acknowledged) throw new Error(`${acknowledged} was acknowledged, ${found} is saved`);
      }
    })();
    for (let moment = 0; moment < 20; moment++) {
      const begun = pids().length;
      const before = told().length;
      child.kill('SIGHUP');
      await until(() => pids().length > begun);
      const victim = pids().at(moment % 2 === 0 ? -1 : -2) as number;
      // From the very start of the new process to well after it serves.
      await wait(Math.random() * 350);
      const read = acknowledged;
      if (runs(victim)) process.kill(victim, 'SIGKILL');
      await until(
        () =>
          told()
            .slice(before)
            .some((one) => one.ready !== undefined) || !runs(pids().at(-1) as number),
      );
      await until(() => acknowledged > read + 2, `saves after moment ${moment}: ${trouble()}`);
      expect(saved()).to.be.at.least(acknowledged);
    }
    going = false;
    await saving;
    expect(acknowledged).to.be.greaterThan(40);
    child.kill('SIGTERM');
    await until(() => pids().filter(runs).length === 0);
    expect(saved()).to.be.at.least(acknowledged);
  });

  describe('without a supervisor', () => {
    const alone = (rest: string) => ({
      beforeReady: `generation.serve(() => undefined);
      ${rest}`,
    });

    it('a program listens by itself, and hands over to the next on SIGTERM', async () => {
      stage.write({ beforeReady: "console.log((await generation.listen({ port: 0, host: '127.0.0.1' })).port);" });
      const first = start(stage.program);
      await until(() => first.lines.length === 1, 'a port');
      const client = await stage.client(Number(first.lines[0]));
      expect(await client.ask('save 1')).to.equal('1 1 save 1');
      expect(await client.ask('two')).to.equal('1 2 two');
      first.child.kill('SIGTERM');
      expect(await first.ended).to.deep.equal([null, 'SIGTERM']);
      await until(() => client.closed);
      stage.write(
        alone('console.log([...Session.active().values()].map(({ count }) => count).join()); process.exit();'),
      );
      const second = start(stage.program);
      await second.ended;
      expect(second.lines).to.deep.equal(['2']);
    });

    it('node --watch carries on', async () => {
      const program = (version: number) =>
        stage.write(
          alone(`const session = Session.get('one') ?? Session.create('one'); session.count++;
          setInterval(() => undefined, 1000);
          setTimeout(() => console.log('version ${version}: ' + session.count), 50);`),
        );
      program(1);
      const { lines } = start('--watch', '--watch-preserve-output', stage.program);
      const versions = () => lines.filter((line) => line.startsWith('version'));
      for (const version of [1, 2, 3]) {
        await until(() => versions().length === version, `version ${version}: ${lines.join()}`);
        await wait(200);
        program(version + 1);
      }
      expect(versions().slice(0, 3)).to.deep.equal(['version 1: 1', 'version 2: 2', 'version 3: 3']);
    });
  });
});
