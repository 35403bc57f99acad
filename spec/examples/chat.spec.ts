import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import { buildSync } from 'esbuild';
import { Client, until } from '../support/generations.js';

/** What a client saw, without the carriage returns of terminals. */
const seen = (client: Client): string[] => client.lines.map((line) => line.replace(/\r$/, ''));

describe('examples/chat', function () {
  this.timeout(120_000);
  let folder: string;
  let server: ChildProcess | undefined;
  const clients: Client[] = [];
  const printed: string[] = [];

  beforeEach(() => {
    // Within the project, so that its name is found.
    mkdirSync('build', { recursive: true });
    folder = mkdtempSync(join('build', 'chat-'));
    cpSync('examples/chat', join(folder, 'sources'), { recursive: true });
    printed.length = 0;
  });

  afterEach(async () => {
    for (const client of clients.splice(0)) client.socket.destroy();
    if (server !== undefined && server.exitCode === null && server.signalCode === null) {
      const ended = once(server, 'exit');
      server.kill('SIGTERM');
      await ended;
    }
    rmSync(folder, { recursive: true, force: true });
  });

  function run(script: string, ...parameters: string[]): ChildProcess {
    const env = { ...process.env, CHAT_DATA: join(folder, 'data'), CHAT_HAND_OVER: join(folder, 'hand-over') };
    const child = spawn(process.execPath, ['--enable-source-maps', script, ...parameters], {
      env: { ...env, CHAT_PORT: '0' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    server = child;
    for (const input of [child.stdout, child.stderr])
      createInterface({ input }).on('line', (line) => printed.push(line));
    return child;
  }

  const print = (pattern: RegExp, count = 1) =>
    until(() => printed.filter((line) => pattern.test(line)).length >= count).catch(() => {
      throw new Error(`never ${pattern}: ${printed.join('\n')}`);
    });
  const portOf = (pattern: RegExp): number =>
    Number(printed.map((line) => pattern.exec(line)?.[1]).find((port) => port !== undefined));

  /** Compiles some of the sources. */
  function build(...names: string[]): void {
    const entryPoints = names.map((name) => join(folder, 'sources', name));
    buildSync({ entryPoints, outdir: join(folder, 'built'), format: 'esm', target: 'es2022', sourcemap: true });
  }

  /** Changes the word of all that is said. */
  function edit(version: string, change = (text: string) => text): void {
    const text = readFileSync('examples/chat/chat.ts', 'utf8').replace('name} says: ', `name} says ${version}: `);
    writeFileSync(join(folder, 'sources', 'chat.ts'), change(text));
  }

  async function enter(port: number, name: string): Promise<Client> {
    const client = await Client.connect(port);
    clients.push(client);
    client.send(`register ${name} secret`);
    await until(() => seen(client).includes(`Welcome, ${name}!`));
    return client;
  }

  /** Both talk, in turns of their own, while the code is changed: everybody hears all, once, in order. */
  async function talkThrough(port: number, change: (version: number) => Promise<void>): Promise<void> {
    const [ann, bob] = [await enter(port, 'Ann'), await enter(port, 'Bob')];
    for (const client of [ann, bob]) client.send('join garden');
    await until(() => [ann, bob].every((client) => seen(client).some((line) => line.startsWith('The garden'))));
    const sent = new Map<Client, number>();
    let going = true;
    const talking = [ann, bob].map(async (client) => {
      while (going) {
        const count = (sent.get(client) ?? 0) + 1;
        sent.set(client, count);
        client.send(`say ${count}`);
        await wait(2);
      }
    });
    for (let version = 1; version <= 10; version++) {
      await change(version);
      // What is said from now on is said by the new code.
      const count = sent.get(ann) ?? 0;
      await until(() =>
        seen(bob).some((line) => line.startsWith('Ann says') && Number(line.split(': ')[1]) > count + 1),
      );
      const later = seen(bob).filter((line) => line.startsWith('Ann says') && Number(line.split(': ')[1]) > count);
      expect(later.filter((line) => !line.startsWith(`Ann says v${version}:`))).to.deep.equal([]);
    }
    going = false;
    await Promise.all(talking);
    for (const [speaker, hearer, name] of [
      [ann, bob, 'Ann'],
      [bob, ann, 'Bob'],
    ] as const) {
      const count = sent.get(speaker) as number;
      const heard = () => seen(hearer).filter((line) => line.startsWith(`${name} says`));
      const own = () => seen(speaker).filter((line) => line.startsWith('You say'));
      await until(() => heard().length >= count && own().length >= count, `${heard().length} of ${count}`);
      const numbers = Array.from({ length: count }, (_, index) => String(index + 1));
      expect(heard().map((line) => line.split(': ')[1])).to.deep.equal(numbers);
      expect(own().map((line) => line.split(': ')[1])).to.deep.equal(numbers);
      expect(speaker.closed).to.equal(false);
    }
    const before = ann.lines.length;
    ann.send('who');
    await until(() => ann.lines.length > before);
    expect(seen(ann)[before]).to.equal(`Ann (garden, said ${sent.get(ann)}), Bob (garden, said ${sent.get(bob)})`);
  }

  const broken: [string, (text: string) => string, RegExp][] = [
    ['a syntax error', (text) => text.replace('async function login', 'async functio login'), /chat\.ts:\d+:\d+/],
    [
      'a throwing class',
      (text) => text.replace('said = 0;', "said = 0; static { throw new Error('no class'); }"),
      /chat\.ts:\d+/,
    ],
  ];

  describe('under a supervisor', () => {
    async function start(): Promise<number> {
      run(
        'build/examples/chat/main.js',
        '--port',
        '0',
        '--sources',
        join(folder, 'sources'),
        '--built',
        join(folder, 'built'),
      );
      await print(/generation 1 serves/);
      return portOf(/nc \S+ (\d+)/);
    }

    it('runs new code under its clients, ten times', async () => {
      const port = await start();
      await talkThrough(port, async (version) => {
        edit(`v${version}`);
        await print(new RegExp(`generation ${version + 1} serves 2 connections`));
      });
    });

    for (const [what, change, place] of broken) {
      it(`goes on after ${what}, which it shows, with the next good version`, async () => {
        const port = await start();
        const [ann, bob] = [await enter(port, 'Ann'), await enter(port, 'Bob')];
        edit('badly', change);
        await print(/the generation before goes on/);
        await print(place);
        ann.send('say hello');
        await until(() => seen(bob).includes('Ann says: hello'));
        edit('well');
        await print(/generation [23] serves/);
        ann.send('say hello');
        await until(() => seen(bob).includes('Ann says well: hello'));
      });
    }
  });

  describe('in one process', () => {
    async function start(): Promise<number> {
      build('service.ts', 'client.ts', 'passwords.ts', 'conversation.ts', 'chat.ts', 'in-process.ts');
      run(join(folder, 'built', 'in-process.js'));
      await print(/^port/);
      return portOf(/^port (\d+)/);
    }

    it('runs new code under its clients, ten times', async () => {
      const port = await start();
      await talkThrough(port, async (version) => {
        edit(`v${version}`);
        build('chat.ts');
        server?.kill('SIGUSR2');
        await print(/^reloaded/, version);
      });
    });

    it('goes on after a mistake, which it shows, with the next good version', async () => {
      const port = await start();
      const [ann, bob] = [await enter(port, 'Ann'), await enter(port, 'Bob')];
      const mistakes: [string, RegExp][] = [
        ['const = ;', /chat\.js:1/],
        ["throw new Error('no good');", /no good/],
        [
          "import { service } from './service.js'; import { Store } from 'keepsake'; service.register(class User extends Store { static { throw new Error('no class'); } });",
          /no class/,
        ],
      ];
      for (const [index, [text, place]] of mistakes.entries()) {
        writeFileSync(join(folder, 'built', 'chat.js'), text);
        server?.kill('SIGUSR2');
        await print(/^not reloaded/, index + 1);
        await print(place);
        ann.send(`say ${index}`);
        await until(() => seen(bob).includes(`Ann says: ${index}`));
      }
      edit('well');
      build('chat.ts');
      server?.kill('SIGUSR2');
      await print(/^reloaded/);
      ann.send('say hello');
      await until(() => seen(bob).includes('Ann says well: hello'));
    });
  });

  it('keeps accounts, not passwords, and lets their owners in alone', async () => {
    build('service.ts', 'client.ts', 'passwords.ts', 'conversation.ts', 'chat.ts', 'server.ts', 'in-process.ts');
    run(join(folder, 'built', 'in-process.js'));
    await print(/^port/);
    const port = portOf(/^port (\d+)/);
    const ann = await enter(port, 'Ann');
    expect(readFileSync(join(folder, 'data/user/ann.json'), 'utf8'))
      .to.include('"Ann"')
      .and.to.not.include('secret');
    const other = await Client.connect(port);
    clients.push(other);
    const ask = async (client: Client, line: string) => (await client.ask(line)).replace(/\r$/, '');
    await until(() => other.lines.length === 1);
    expect(await ask(other, 'say hello')).to.match(/^register/);
    expect(await ask(other, 'login Ann secrets')).to.equal('There is no such name and password.');
    expect(await ask(other, 'login Nobody secret')).to.equal('There is no such name and password.');
    expect(await ask(other, 'register Ann another')).to.equal('Ann is taken.');
    expect(await ask(other, 'register ../x another')).to.equal('A name has 2 to 20 letters.');
    expect(await ask(other, 'register Bob short')).to.equal('A password has 6 characters at least.');
    expect(await ask(other, 'login ann secret')).to.equal('Welcome, Ann!');
    await until(() => ann.closed);
    expect(seen(ann).at(-1)).to.equal('You came in from elsewhere. Goodbye.');
    expect(await ask(other, 'constructor')).to.match(/^There is no constructor/);
    expect(await ask(other, 'tell Bob hello')).to.equal('Bob is not here.');
    expect(await ask(other, 'join cellar')).to.equal('There is no cellar; there are hall, garden, library.');
    const bob = await enter(port, 'Bob');
    expect(await ask(bob, 'tell ann \u001b[31mred')).to.equal('You tell Ann: [31mred');
    await until(() => seen(other).includes('Bob tells you: [31mred'));
    expect(await ask(bob, 'look')).to.match(/^The hall\..*Here: Ann, Bob\.$/);
    expect(await ask(bob, 'quit')).to.equal('Goodbye.');
    await until(() => seen(other).includes('Bob has left.'));
    await until(() => bob.closed);
  });
});
