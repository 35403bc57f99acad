import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { findProgram, freePorts, inFolder, output, type Server, ServerProcess } from './server.js';

/** The environment variable that names a server to use instead of one of ours. */
const VARIABLE = 'KEEPSAKE_MEMCACHED_URL';

/** A memcached on a port, or on a unix socket. */
export interface MemcachedServer extends Server {
  /** `host:port`, or the path of the socket. */
  readonly address: string;
}

/** What a server of ours is asked for. */
export interface MemcachedStart {
  /** Whether it listens on a unix socket rather than a port. */
  readonly socket?: boolean;
  /** More of the server's own parameters, such as `['-I', '4m']`. */
  readonly parameters?: readonly string[];
  /** Users and passwords that it asks for, such as `'ann:secret'`. */
  readonly users?: readonly string[];
}

/** The server that `KEEPSAKE_MEMCACHED_URL` names, or one of ours. */
export async function startMemcached(asked: MemcachedStart = {}): Promise<MemcachedServer> {
  const named = process.env[VARIABLE];
  if (named !== undefined && Object.keys(asked).length === 0) {
    const { host } = new URL(named);
    return { url: named, address: host, version: `memcached, at ${VARIABLE}`, stop: async () => undefined };
  }
  const program = findProgram('memcached', VARIABLE);
  const { started, folder } = await inFolder(async (path) => {
    const [port] = (await freePorts(1)) as [number];
    const socket = join(path, 'memcached.sock');
    const open = asked.socket === true ? () => connect(socket) : () => connect(port, '127.0.0.1');
    const users = join(path, 'users');
    if (asked.users !== undefined) writeFileSync(users, asked.users.map((user) => `${user}\n`).join(''));
    const secret = asked.users === undefined ? [] : ['-Y', users];
    const place = asked.socket === true ? ['-s', socket] : ['-l', '127.0.0.1', '-p', String(port), '-U', '0'];
    const process = await ServerProcess.start({
      program,
      parameters: [...place, ...secret, ...(asked.parameters ?? [])],
      cwd: path,
      asOtherUser: true,
      ready: async () => {
        const client = open();
        try {
          await once(client, 'connect');
          return true;
        } finally {
          client.destroy();
        }
      },
    });
    return { process, address: asked.socket === true ? socket : `127.0.0.1:${port}` };
  });
  return {
    ...started,
    url: `memcached://${asked.socket === true ? encodeURIComponent(started.address) : started.address}`,
    version: (await output(program, ['--version'])).trim(),
    stop: async () => {
      await started.process.kill();
      await folder.remove();
    },
  };
}
