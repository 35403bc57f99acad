import { join } from 'node:path';
import { findProgram, freePorts, inFolder, output, type Server, ServerProcess } from './server.js';

/** The environment variable that names a server to use instead of one of ours. */
const VARIABLE = 'KEEPSAKE_MYSQL_URL';

/** A MariaDB with an empty database `keepsake`, whose user `keepsake` has the password `keepsake`. */
export interface MysqlServer extends Server {
  /** The path of its unix socket, where it is ours. */
  readonly socket: string;
}

/** The server that `KEEPSAKE_MYSQL_URL` names, or a MariaDB of ours, on a port and a unix socket. */
export async function startMysql(): Promise<MysqlServer> {
  const named = process.env[VARIABLE];
  if (named !== undefined) {
    return { url: named, socket: '', version: `MySQL, at ${VARIABLE}`, stop: async () => undefined };
  }
  const program = findProgram('mariadbd', VARIABLE);
  const initialise = findProgram('mariadb-install-db', VARIABLE);
  const shell = findProgram('mariadb', VARIABLE);
  const { started, folder } = await inFolder(async (path) => {
    const [port] = (await freePorts(1)) as [number];
    const socket = join(path, 'mysql.sock');
    const data = join(path, 'data');
    const create = [`--datadir=${data}`, '--auth-root-authentication-method=normal', '--skip-test-db'];
    await output(initialise, ['--no-defaults', ...create], { asOtherUser: true, cwd: path });
    const query = (sql: string) =>
      output(shell, [
        '--no-defaults',
        `--socket=${socket}`,
        '--user=root',
        '--batch',
        '--skip-column-names',
        '-e',
        sql,
      ]);
    const process = await ServerProcess.start({
      program,
      parameters: [
        ...['--no-defaults', `--datadir=${data}`, `--socket=${socket}`, `--port=${port}`, '--bind-address=127.0.0.1'],
        ...[`--pid-file=${join(path, 'pid')}`, '--skip-log-bin', '--performance-schema=OFF', '--skip-name-resolve'],
        ...['--innodb-flush-log-at-trx-commit=0', '--innodb-buffer-pool-size=32M', '--innodb-log-file-size=8M'],
      ],
      cwd: path,
      asOtherUser: true,
      ready: async () => (await query('SELECT 1')).trim() === '1',
    });
    await query(
      `CREATE DATABASE IF NOT EXISTS keepsake; CREATE USER IF NOT EXISTS keepsake@'%' IDENTIFIED BY 'keepsake'; GRANT ALL ON *.* TO keepsake@'%'`,
    );
    return { process, port, socket };
  });
  const [, version = 'of unknown version'] = /Ver (\S+)/.exec(await output(program, ['--version'])) ?? [];
  return {
    ...started,
    url: `mysql://keepsake:keepsake@127.0.0.1:${started.port}/keepsake`,
    version: `MariaDB ${version.replace(/-MariaDB.*/, '')}`,
    stop: async () => {
      await started.process.kill();
      await folder.remove();
    },
  };
}
