import { connect } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { makeCertificate } from './certificate.js';
import { findProgram, freePorts, inFolder, output, type Server, ServerProcess } from './server.js';

/** The environment variable that names a server to use instead of one of ours. */
const VARIABLE = 'KEEPSAKE_REDIS_URL';

/** What a server of ours is asked for. */
export interface RedisStart {
  /** The password of the default user; none by default. */
  readonly password?: string;
  /** Rules of ACL for more users, such as `'ann on >secret ~* +@all'`. */
  readonly users?: readonly string[];
  /** More of the server's own parameters. */
  readonly parameters?: readonly string[];
}

/** A Redis of ours, with every way to reach it. */
export interface RedisServer extends Server {
  readonly host: string;
  readonly port: number;
  /** The path of its unix socket, where it is ours. */
  readonly socket: string;
}

/** The server that `KEEPSAKE_REDIS_URL` names, or one of ours, on a port and a unix socket. */
export async function startRedis(asked: RedisStart = {}): Promise<RedisServer> {
  const named = process.env[VARIABLE];
  if (named !== undefined && Object.keys(asked).length === 0) return namedRedis(named);
  const program = findProgram('redis-server', VARIABLE);
  const { started, folder } = await inFolder(async (path) => {
    const [port] = (await freePorts(1)) as [number];
    const socket = join(path, 'redis.sock');
    const users = (asked.users ?? []).flatMap((user) => ['--user', ...user.split(' ')]);
    const process = await ServerProcess.start({
      program,
      parameters: [
        ...[...inMemory(path), '--bind', '127.0.0.1', '--port', String(port), '--unixsocket', socket],
        ...(asked.password === undefined ? [] : ['--requirepass', asked.password]),
        ...[...users, ...(asked.parameters ?? [])],
      ],
      cwd: path,
      // A server that asks for a password is there when it does.
      ready: async () => /^(\+PONG|-NOAUTH)/.test(await ask(() => connect(port, '127.0.0.1'), 'PING')),
    });
    return { process, port, socket };
  });
  return {
    ...started,
    host: '127.0.0.1',
    url: `redis://127.0.0.1:${started.port}`,
    version: await versionOf(program),
    stop: async () => {
      await started.process.kill();
      await folder.remove();
    },
  };
}

/** A Redis of ours that speaks TLS alone, with a certificate for `localhost`. */
export async function startRedisTls(): Promise<Server & { readonly certificate: string }> {
  const program = findProgram('redis-server', VARIABLE);
  const { started, folder } = await inFolder(async (path) => {
    const [port] = (await freePorts(1)) as [number];
    const { certificate, certificateFile, keyFile } = await makeCertificate(path);
    const files = [
      '--tls-cert-file',
      certificateFile,
      '--tls-key-file',
      keyFile,
      '--tls-ca-cert-file',
      certificateFile,
    ];
    const process = await ServerProcess.start({
      program,
      parameters: [
        ...[...inMemory(path), '--bind', '127.0.0.1', '--port', '0', '--tls-port', String(port)],
        ...[...files, '--tls-auth-clients', 'no'],
      ],
      cwd: path,
      ready: async () =>
        (await ask(() => connectTls(port, '127.0.0.1', { rejectUnauthorized: false }), 'PING')).startsWith('+PONG'),
    });
    return { process, port, certificate };
  });
  return {
    process: started.process,
    certificate: started.certificate,
    url: `rediss://localhost:${started.port}`,
    version: `${await versionOf(program)} (TLS)`,
    stop: async () => {
      await started.process.kill();
      await folder.remove();
    },
  };
}

/** A cluster of three servers of ours, without replicas; `url` is that of the first. */
export async function startRedisCluster(): Promise<Server & { readonly nodes: readonly ServerProcess[] }> {
  const program = findProgram('redis-server', VARIABLE);
  const client = findProgram('redis-cli', VARIABLE);
  const { started, folder } = await inFolder(async (path) => {
    const ports = await freePorts(6);
    const addresses = ports.slice(0, 3).map((port) => `127.0.0.1:${port}`);
    const nodes = await Promise.all(
      ports.slice(0, 3).map((port, index) =>
        ServerProcess.start({
          program,
          parameters: [
            ...[...inMemory(path), '--bind', '127.0.0.1', '--port', String(port), '--cluster-enabled', 'yes'],
            ...['--cluster-port', String(ports[index + 3]), '--cluster-config-file', `nodes-${index}.conf`],
            ...['--cluster-node-timeout', '5000'],
          ],
          cwd: path,
          ready: async () => (await ask(() => connect(port, '127.0.0.1'), 'PING')).startsWith('+PONG'),
        }),
      ),
    );
    try {
      await output(client, ['--cluster', 'create', ...addresses, '--cluster-replicas', '0', '--cluster-yes']);
      for (const port of ports.slice(0, 3)) {
        while (!(await ask(() => connect(port, '127.0.0.1'), 'CLUSTER INFO')).includes('cluster_state:ok')) {
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      }
    } catch (error) {
      await Promise.all(nodes.map((node) => node.kill()));
      throw error;
    }
    return { nodes, url: `redis://${addresses[0]}` };
  });
  return {
    ...started,
    version: `${await versionOf(program)} (cluster of three)`,
    stop: async () => {
      await Promise.all(started.nodes.map((node) => node.kill()));
      await folder.remove();
    },
  };
}

function inMemory(folder: string): string[] {
  return ['--save', '', '--appendonly', 'no', '--dir', folder];
}

async function versionOf(program: string): Promise<string> {
  const [, version] = /v=(\S+)/.exec(await output(program, ['--version'])) ?? [];
  return `Redis ${version}`;
}

async function namedRedis(url: string): Promise<RedisServer> {
  const { hostname, port, username, password } = new URL(url);
  const authenticate = password === '' ? [] : [`AUTH ${username || 'default'} ${decodeURIComponent(password)}`];
  const open = () => connect(Number(port || 6379), hostname);
  const told = await ask(open, ...authenticate, 'INFO server');
  const [, version = 'of unknown version'] = /redis_version:(\S+)/.exec(told) ?? [];
  return {
    url,
    host: hostname,
    port: Number(port || 6379),
    socket: '',
    version: `Redis ${version}, at ${VARIABLE}`,
    stop: async () => undefined,
  };
}

/** What a server answers to commands in one line each, until a moment passes without more. */
async function ask(open: () => ReturnType<typeof connect>, ...commands: string[]): Promise<string> {
  const socket = open();
  try {
    return await new Promise<string>((resolve, reject) => {
      let answered = '';
      socket.on('error', reject);
      socket.on('close', () => resolve(answered));
      socket.on('data', (text) => {
        answered += text;
        setTimeout(() => resolve(answered), 20);
      });
      socket.write(`${commands.join('\r\n')}\r\n`);
    });
  } finally {
    socket.destroy();
  }
}
