import { join } from 'node:path';
import { expect } from 'chai';
import type { Backend } from 'keepsake';
import { mysql, postgres, sqlite } from 'keepsake/sql';
import Sqlite from 'libsql';
import { createConnection } from 'mysql2/promise';
import pg from 'pg';
import { Compiler } from '#lib/drivers/sql/compiler.js';
import { historyStatements } from '#lib/drivers/sql/history.js';
import { mysqlStatements } from '#lib/drivers/sql/mysql/statements.js';
import { postgresStatements } from '#lib/drivers/sql/postgres/statements.js';
import { sqliteStatements } from '#lib/drivers/sql/sqlite/statements.js';
import type { Statement } from '#lib/drivers/sql/statement.js';
import { Folders } from '../../support/folders.js';
import { startMysql } from '../../support/servers/mysql.js';
import { startPostgres } from '../../support/servers/postgres.js';
import { useServer } from '../../support/servers/server.js';

/** Values with which statements are explained. */
const VALUES: Readonly<Record<string, unknown>> = {
  key: Buffer.from('key 500'),
  from: Buffer.from('key 5'),
  to: Buffer.from('key 6'),
  now: 1_000,
  time: Date.now() + 3_600_000,
  limit: 10,
  offset: 10,
  after: 0,
  version: 1,
  expires: 1,
};

const bound = ({ parameters }: Statement) => parameters.map((name) => VALUES[name]);

/** Enough that an engine would rather use an index than read all. */
async function fill(backend: Backend): Promise<void> {
  const value = 'x'.repeat(200);
  for (let round = 0; round < 2; round++) {
    for (let at = 0; at < 20_000; at += 5_000) {
      await backend.setMany(
        Array.from({ length: 5_000 }, (_, index) => [`key ${at + index}`, value]),
        { ttl: '1h' },
      );
    }
  }
}

/** The statements that meet many rows where they use no index. */
async function explained(dialect: 'sqlite' | 'postgres' | 'mysql', statementsOf: (compiler: Compiler) => object) {
  const compiler = await Compiler.load(dialect);
  const statements = statementsOf(compiler) as Record<string, Statement>;
  const history = historyStatements(compiler, 'keepsake');
  const { read, remove, touch, keys, entries, count, removeRange, sweep } = statements;
  return Object.entries({
    ...{ read, remove, touch, keys, entries, count, removeRange, sweep },
    ...{ readThen: history.read, keysThen: history.keys, entriesThen: history.entries, revisions: history.revisions },
  }) as [string, Statement][];
}

describe('plans of statements', function () {
  this.timeout(120_000);

  it('use indexes on SQLite', async () => {
    const folders = new Folders();
    const path = join(folders.make(), 'plans.db');
    const backend = sqlite(path, { history: true });
    await fill(backend);
    const database = new Sqlite(path);
    for (const [name, statement] of await explained('sqlite', (compiler) => sqliteStatements(compiler, 'keepsake'))) {
      const plan = database.prepare(`explain query plan ${statement.text}`).all(bound(statement)) as {
        detail: string;
      }[];
      const details = plan.map(({ detail }) => detail).join('\n');
      expect(details, name).to.include('USING').and.match(/INDEX/);
      expect(details, name).to.not.match(/^SCAN|TEMP B-TREE/m);
      if (name === 'sweep') expect(details).to.include('keepsake_expires_at');
    }
    database.close();
    await backend.close();
    await folders.clearAway();
  });

  describe('on a server', () => {
    const using = useServer(startPostgres);

    it('use indexes on PostgreSQL', async () => {
      const backend = postgres(using.server.url, { history: true, timeout: '60s' });
      await fill(backend);
      const client = new pg.Client(using.server.url);
      await client.connect();
      await client.query('analyze');
      for (const [name, statement] of await explained('postgres', (compiler) =>
        postgresStatements(compiler, 'keepsake'),
      )) {
        const { rows } = await client.query(`explain ${statement.text}`, bound(statement));
        const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
        expect(plan, name).to.match(/Index/);
        expect(plan, name).to.not.match(/Seq Scan/);
        if (name === 'sweep') expect(plan).to.include('keepsake_expires_at');
      }
      await client.end();
      await backend.close();
    });
  });

  describe('on another', () => {
    const using = useServer(startMysql);

    it('use indexes on MariaDB', async () => {
      const backend = mysql(using.server.url, { history: true, timeout: '60s' });
      await fill(backend);
      const connection = await createConnection(using.server.url);
      await connection.query('analyze table keepsake, keepsake_history');
      for (const [name, statement] of await explained('mysql', (compiler) => mysqlStatements(compiler, 'keepsake'))) {
        const [rows] = await connection.query(`explain ${statement.text}`, bound(statement));
        for (const { key, type } of rows as { key: string | null; type: string }[]) {
          expect(key, `${name}: ${JSON.stringify(rows)}`).to.be.a('string');
          expect(type, `${name}: ${JSON.stringify(rows)}`).to.be.oneOf(['const', 'ref', 'range', 'eq_ref']);
        }
      }
      await connection.end();
      await backend.close();
    });
  });
});
