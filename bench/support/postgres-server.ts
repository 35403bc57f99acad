import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import pg from 'pg';

/** PostgreSQL refuses to run as root. */
const user = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};

/** A PostgreSQL on a unix socket for the time of a benchmark, or the one that `KEEPSAKE_POSTGRES_URL` names. */
export async function startPostgresServer(): Promise<{ readonly url: string; stop(): Promise<void> } | undefined> {
  const named = process.env.KEEPSAKE_POSTGRES_URL;
  if (named !== undefined) return { url: named, stop: async () => undefined };
  const programs = findPrograms();
  if (programs === undefined) return undefined;
  const folder = mkdtempSync(join(tmpdir(), 'keepsake-'));
  if ('uid' in user) chownSync(folder, user.uid as number, user.gid as number);
  const data = join(folder, 'data');
  const create = ['-D', data, '--locale=C.UTF-8', '--username=postgres', '--auth=trust'];
  execFileSync(join(programs, 'initdb'), create, { cwd: folder, stdio: 'ignore', ...user });
  const parameters = ['-D', data, '-k', folder, '-c', 'listen_addresses='];
  const program = join(programs, 'postgres');
  const server = existsSync('/usr/bin/setpriv')
    ? spawn('/usr/bin/setpriv', ['--pdeathsig', 'KILL', program, ...parameters], {
        cwd: folder,
        stdio: 'ignore',
        ...user,
      })
    : spawn(program, parameters, { cwd: folder, stdio: 'ignore', ...user });
  const url = `postgres://postgres@localhost/postgres?host=${encodeURIComponent(folder)}`;
  while (!(await answers(url))) await setTimeout(20);
  return { url, stop: () => stop(server, folder) };
}

function findPrograms(): string | undefined {
  const versions = '/usr/lib/postgresql';
  const known = existsSync(versions) ? readdirSync(versions).map((version) => join(versions, version, 'bin')) : [];
  return [...known, '/usr/local/bin', '/usr/bin'].find((path) => existsSync(join(path, 'initdb')));
}

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url });
  try {
    await client.connect();
    await client.end();
    return true;
  } catch {
    return false;
  }
}

async function stop(server: ChildProcess, folder: string): Promise<void> {
  server.kill('SIGINT');
  await once(server, 'exit');
  rmSync(folder, { recursive: true, force: true });
}
