import { mysql, postgres } from 'keepsake/sql';
import { faults } from '../../support/faults.js';
import { startMysql } from '../../support/servers/mysql.js';
import { startPostgres } from '../../support/servers/postgres.js';

describe('postgres', () => {
  faults({
    start: startPostgres,
    target: ({ url }) => target(url),
    open: ({ host, port }, timeout, { url }) => postgres(through(url, host, port), { timeout }),
    openWithWrongPassword: ({ url }) => postgres(withPassword(url, 'wrong')),
  });
});

describe('mysql', () => {
  faults({
    start: startMysql,
    target: ({ url }) => target(url),
    open: ({ host, port }, timeout, { url }) => mysql(through(url, host, port), { timeout }),
    openWithWrongPassword: ({ url }) => mysql(withPassword(url, 'wrong')),
  });
});

function target(text: string): { host: string; port: number } {
  const { hostname, port } = new URL(text);
  return { host: hostname, port: Number(port) };
}

function through(text: string, host: string, port: number): string {
  const url = new URL(text);
  url.host = `${host}:${port}`;
  return url.href;
}

function withPassword(text: string, password: string): string {
  const url = new URL(text);
  url.password = password;
  return url.href;
}
