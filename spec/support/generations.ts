// Programs that a supervisor runs, and clients of theirs.
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { Supervisor, type SupervisorOptions } from 'keepsake/supervisor';

/** How a program deviates. */
export interface Deviation {
  /** What its answers start with. */
  readonly version?: number | string;
  /** Code before anything else. */
  readonly first?: string;
  /** Code of `decode` of a field. */
  readonly decode?: string;
  /** Code between taking over and `ready`. */
  readonly beforeReady?: string;
  /** Options of `joinSupervisor`, as code. */
  readonly options?: string;
}

/**
 * A server that counts the lines of a connection in a session field, and all of them in a saved one: it answers `<version> <count> <line>`. `save <number>` answers when
 * that is saved; `slow <text>` a little later than the next could be.
 */
export function source({ version = 1, first = '', decode = '', beforeReady = '', options = '' }: Deviation): string {
  const from = (name: string) => JSON.stringify(import.meta.resolve(name));
  return `
${first}
import { setTimeout as wait } from 'node:timers/promises';
import { Field, FieldType, Service, SessionField, Store } from ${from('keepsake')};
import { connections, joinSupervisor } from ${from('keepsake/supervisor')};

class ConnectionField extends FieldType {
  encode(connection) { return connection.id; }
  decode(id) { ${decode}; return connections.get(id); }
}
const service = new Service({ backend: 'data' });
const Session = service.register(class Session extends Store { count = 0; }, {
  fields: { count: SessionField(), connection: SessionField({ type: new ConnectionField() }) },
});
const Total = service.register(class Total extends Store { highest = 0; }, { fields: { highest: Field() } });
const generation = await joinSupervisor(service, { handOver: 'hand-over', ${options} });
const total = await Total.loadOrCreate('total');
generation.serve(async (connection) => {
  let session = [...Session.active().values()].find((session) => session.connection === connection);
  session ??= Session.create(connection.id, { connection });
  for await (const line of connection.lines()) {
    const [command, argument] = line.split(' ');
    if (command === 'crash') process.kill(process.pid, 'SIGKILL');
    if (command === 'stuck') await new Promise(() => setInterval(() => undefined, 1000));
    if (command === 'slow') await wait(2);
    if (command === 'save') {
      total.highest = Number(argument);
      await total.save();
    }
    session.count++;
    connection.write(\`${version} \${session.count} \${line}\\n\`);
    if (command === 'quit') break;
  }
  Session.manager.removeActive(session);
});
${beforeReady}
await generation.ready();
`;
}

/** A program in a folder, and its supervisor. */
export class Stage {
  readonly folder: string;
  readonly program: string;
  readonly #supervisors: Supervisor[] = [];
  readonly #clients: Client[] = [];

  constructor(folder: string) {
    this.folder = folder;
    this.program = join(folder, 'program.mjs');
    this.write({});
  }

  /** Puts another version of the program in place. */
  write(deviation: Deviation | string): void {
    writeFileSync(this.program, typeof deviation === 'string' ? deviation : source(deviation));
  }

  /** A supervisor that is stopped in the end. */
  supervisor(options: Partial<SupervisorOptions> = {}): Supervisor {
    const supervisor = new Supervisor({
      program: this.program,
      cwd: this.folder,
      output: 'ignore',
      signals: false,
      stopTimeout: '5s',
      execArgv: [],
      ...options,
    });
    this.#supervisors.push(supervisor);
    supervisor.on('failed', () => undefined);
    supervisor.on('crashed', () => undefined);
    return supervisor;
  }

  /** One that listens and serves. */
  async started(options: Partial<SupervisorOptions> = {}): Promise<{ supervisor: Supervisor; port: number }> {
    const supervisor = this.supervisor(options);
    const { port } = (await supervisor.listen({ port: 0, host: '127.0.0.1' })) as AddressInfo;
    await supervisor.start();
    return { supervisor, port };
  }

  async client(port: number): Promise<Client> {
    const client = await Client.connect(port);
    this.#clients.push(client);
    return client;
  }

  async clearAway(): Promise<void> {
    for (const client of this.#clients) client.socket.destroy();
    for (const supervisor of this.#supervisors) await supervisor.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A client that keeps the lines it gets. */
export class Client {
  readonly socket: Socket;
  readonly lines: string[] = [];
  closed = false;
  #rest = '';

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setEncoding('utf8').on('data', (text) => {
      const lines = (this.#rest + text).split('\n');
      this.#rest = lines.pop() ?? '';
      this.lines.push(...lines);
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.closed = true;
    });
  }

  static async connect(port: number): Promise<Client> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    await once(socket, 'connect');
    return new Client(socket);
  }

  send(line: string): void {
    this.socket.write(`${line}\n`);
  }

  /** Sends a line, and gives the next that comes. */
  async ask(line: string): Promise<string> {
    const before = this.lines.length;
    this.send(line);
    await until(() => this.lines.length > before || this.closed);
    return this.lines[before] ?? 'closed';
  }
}

/** Waits until something is so. */
export async function until(condition: () => boolean, what = String(condition)): Promise<void> {
  const end = Date.now() + 15_000;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`it never came to be: ${what}`);
    await wait(2);
  }
}

/** Whether a process runs. */
export function runs(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
