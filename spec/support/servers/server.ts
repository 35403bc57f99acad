import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';

/** A server that specs use: one of ours, or one that an environment variable names. */
export interface Server {
  /** Where clients find it. */
  readonly url: string;
  /** Its name and version, such as `'Redis 7.0.15'`. */
  readonly version: string;
  /** Its process; absent for a server that is not ours. */
  readonly process?: ServerProcess | undefined;
  /** Ends it, if it is ours, and removes its folder. */
  stop(): Promise<void>;
}

/** A server is not installed; its specs are skipped. */
export class NotInstalledError extends Error {}

/** The user that servers run as which refuse root; `undefined` where we are not root ourselves. */
export const otherUser: { readonly uid: number; readonly gid: number } | undefined =
  process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : undefined;

const run = promisify(execFile);

/**
 * The path of a program.
 * @param variable the environment variable that may name a server instead, for the message
 * @throws NotInstalledError that says how to install it
 */
export function findProgram(name: string, variable: string): string {
  const versions = '/usr/lib/postgresql';
  const postgres = existsSync(versions) ? readdirSync(versions).map((version) => join(versions, version, 'bin')) : [];
  const folders = [...postgres, ...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/bin'];
  const found = folders.filter((folder) => folder !== '').find((folder) => existsSync(join(folder, name)));
  if (found !== undefined) return join(found, name);
  throw new NotInstalledError(`${name} is not installed: npm run servers:install, or name a server in ${variable}`);
}

/** Runs a program to its end, as `otherUser` if asked, and gives what it printed. */
export async function output(
  program: string,
  parameters: readonly string[],
  options: { readonly asOtherUser?: boolean; readonly cwd?: string } = {},
): Promise<string> {
  const { stdout } = await run(program, parameters, {
    cwd: options.cwd ?? tmpdir(),
    ...(options.asOtherUser === true ? otherUser : undefined),
  });
  return stdout;
}

/** A new folder that is gone once it is removed or this process has ended, however it ends. */
export class ServerFolder {
  readonly path: string;
  readonly #janitor: ChildProcess;

  constructor() {
    // Short, since the path of a socket in it may have 107 bytes.
    this.path = realpathSync(mkdtempSync(join(tmpdir(), 'keepsake-')));
    if (otherUser !== undefined) chownSync(this.path, otherUser.uid, otherUser.gid);
    // Its input ends when we do; the servers need a moment to be gone then.
    const script = 'cat > /dev/null; sleep 1; rm -rf "$1"';
    this.#janitor = spawn('/bin/sh', ['-c', script, 'janitor', this.path], {
      cwd: '/',
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    this.#janitor.unref();
    (this.#janitor.stdin as unknown as { unref(): void }).unref();
  }

  async remove(): Promise<void> {
    // What a server that was killed leaves to its children may still write for a moment.
    rmSync(this.path, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
    this.#janitor.stdin?.end();
    this.#janitor.kill('SIGKILL');
  }
}

/** How a server is started. */
export interface Start {
  readonly program: string;
  readonly parameters: readonly string[];
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Whether it refuses to run as root. */
  readonly asOtherUser?: boolean;
  /** Whether it can be used by now; asked again and again. What it rejects with counts as no. */
  readonly ready: () => Promise<boolean>;
}

/** A process of ours that serves. It ends when we do, however we end. */
export class ServerProcess {
  readonly #start: Start;
  #child: ChildProcess | undefined;
  #output = '';

  private constructor(start: Start) {
    this.#start = start;
  }

  /** Starts a server, and waits until it can be used. */
  static async start(start: Start): Promise<ServerProcess> {
    const process = new ServerProcess(start);
    await process.#run();
    return process;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Stops it in its tracks: its connections stay, and nothing answers once this resolves. A thread may finish what it is at first. */
  async suspend(): Promise<void> {
    const pids = this.#signal('SIGSTOP');
    while (!pids.every(isStopped)) await setTimeout(1);
  }

  /** Lets it go on. */
  resume(): void {
    this.#signal('SIGCONT');
  }

  /** Signals it, and its own processes: PostgreSQL has one for each connection. Answers whom it reached. */
  #signal(signal: NodeJS.Signals): number[] {
    if (this.#child?.kill(signal) !== true) return [];
    const reached = [Number(this.pid)];
    const list = `/proc/${this.pid}/task/${this.pid}/children`;
    if (!existsSync(list)) return reached;
    for (const child of readFileSync(list, 'latin1').split(' ').filter(Boolean)) {
      try {
        process.kill(Number(child), signal);
        reached.push(Number(child));
      } catch {
        // It has ended meanwhile.
      }
    }
    return reached;
  }

  /** Kills it at once, and waits until it is gone. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }

  /** Starts it again, where it was, after `kill`. */
  async restart(): Promise<void> {
    await this.kill();
    await this.#run();
  }

  async #run(): Promise<void> {
    const { program, parameters, cwd, env, asOtherUser, ready } = this.#start;
    const options = { cwd, env: { ...process.env, ...env }, ...(asOtherUser === true ? otherUser : undefined) };
    const child = existsSync('/usr/bin/setpriv')
      ? spawn('/usr/bin/setpriv', ['--pdeathsig', 'KILL', program, ...parameters], options)
      : spawn(program, parameters, options);
    this.#child = child;
    let failure: Error | undefined;
    child.on('error', (error) => {
      failure = error;
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (text) => {
        this.#output = (this.#output + text).slice(-16_384);
      });
    }
    const end = Date.now() + 60_000;
    while (!(await ready().catch(() => false))) {
      if (failure !== undefined || child.exitCode !== null || child.signalCode !== null || Date.now() > end) {
        await this.kill();
        throw new Error(`${program} did not come to serve: ${failure?.message ?? this.#output}`);
      }
      await setTimeout(5);
    }
    child.unref();
    for (const stream of [child.stdout, child.stderr]) (stream as unknown as { unref(): void }).unref();
  }
}

/** Free ports of the loopback, all different. */
export async function freePorts(count: number): Promise<number[]> {
  const listeners = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(listeners.map((listener) => once(listener, 'listening')));
  const ports = listeners.map((listener) => (listener.address() as { port: number }).port);
  await Promise.all(listeners.map((listener) => new Promise((resolve) => listener.close(resolve))));
  return ports;
}

/** Starts a server in a folder of its own, again where it failed: somebody else may have taken its port. */
export async function inFolder<T>(
  start: (folder: string) => Promise<T>,
): Promise<{ started: T; folder: ServerFolder }> {
  for (let attempt = 1; ; attempt++) {
    const folder = new ServerFolder();
    try {
      return { started: await start(folder.path), folder };
    } catch (error) {
      await folder.remove();
      if (attempt === 3) throw error;
    }
  }
}

const tested = new Set<string>();

if (typeof after === 'function') {
  // At the root: once, after all specs.
  after('the servers that were tested', () => {
    for (const version of [...tested].sort()) console.log(`  tested with ${version}`);
  });
}

/** Starts a server before the specs of the surrounding `describe`, and stops it after them; skips them where it is not installed. */
export function useServer<T extends Server>(start: () => Promise<T>): { readonly server: T } {
  let server: T | undefined;

  before('starts the server', async function () {
    this.timeout(120_000);
    try {
      server = await start();
      tested.add(server.version);
    } catch (error) {
      if (!(error instanceof NotInstalledError)) throw error;
      console.log(`  skipped: ${error.message}`);
      this.skip();
    }
  });

  after('stops the server', async function () {
    this.timeout(60_000);
    await server?.stop();
  });

  return {
    get server() {
      if (server === undefined) throw new Error('the server is there only while specs run');
      return server;
    },
  };
}

/** Whether every thread of a process has stopped, as far as the system tells; one that has ended has. */
function isStopped(pid: number): boolean {
  const tasks = `/proc/${pid}/task`;
  try {
    return readdirSync(tasks).every((task) => / [TtZX] /.test(readFileSync(`${tasks}/${task}/stat`, 'latin1')));
  } catch {
    return true;
  }
}
