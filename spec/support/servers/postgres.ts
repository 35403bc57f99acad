import { join } from 'node:path';
import { findProgram, freePorts, inFolder, output, type Server, ServerProcess } from './server.js';

/** The environment variable that names a server to use instead of one of ours. */
const VARIABLE = 'KEEPSAKE_POSTGRES_URL';

/** A PostgreSQL with an empty database `postgres` that its user of the same name owns. */
export interface PostgresServer extends Server {
  /** The folder of its unix socket, where it is ours; a client takes it as its host. */
  readonly socketFolder: string;
}

/** The server that `KEEPSAKE_POSTGRES_URL` names, or one of ours, on a port (password `keepsake`) and a unix socket (none). */
export async function startPostgres(): Promise<PostgresServer> {
  const named = process.env[VARIABLE];
  if (named !== undefined) {
    return { url: named, socketFolder: '', version: `PostgreSQL, at ${VARIABLE}`, stop: async () => undefined };
  }
  const program = findProgram('postgres', VARIABLE);
  const initialise = findProgram('initdb', VARIABLE);
  const shell = findProgram('psql', VARIABLE);
  const { started, folder } = await inFolder(async (path) => {
    const [port] = (await freePorts(1)) as [number];
    const data = join(path, 'data');
    const create = ['-D', data, '--no-sync', '--locale=C.UTF-8', '--username=postgres', '--auth-local=trust'];
    await output(initialise, [...create, '--auth-host=scram-sha-256'], { asOtherUser: true, cwd: path });
    const query = (sql: string) =>
      output(shell, ['-h', path, '-p', String(port), '-U', 'postgres', '-Atqc', sql], { cwd: path });
    const process = await ServerProcess.start({
      program,
      parameters: [
        ...['-D', data, '-k', path, '-p', String(port), '-c', 'listen_addresses=127.0.0.1'],
        ...['-c', 'fsync=off', '-c', 'full_page_writes=off'],
      ],
      cwd: path,
      asOtherUser: true,
      ready: async () => (await query('SELECT 1')).trim() === '1',
    });
    await query(`ALTER USER postgres PASSWORD 'keepsake'`);
    return { process, port, socketFolder: path };
  });
  return {
    ...started,
    url: `postgres://postgres:keepsake@127.0.0.1:${started.port}/postgres`,
    version: (await output(program, ['--version'])).trim().replace(/^postgres \(PostgreSQL\)/, 'PostgreSQL'),
    stop: async () => {
      await started.process.kill();
      await folder.remove();
    },
  };
}
