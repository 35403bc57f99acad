import { join } from 'node:path';
import { expect } from 'chai';
import type { Backend } from 'keepsake';
import { mysql, postgres, type SqliteDatabase, type SqlOptions, sqlite } from 'keepsake/sql';
import { contract } from 'keepsake/testing';
import { Kysely, MysqlDialect, PostgresDialect, SqliteDialect } from 'kysely';
import Sqlite from 'libsql';
import { createPool } from 'mysql2';
import { createPool as createPromisePool } from 'mysql2/promise';
import pg from 'pg';
import { TestClock } from '../../support/clock.js';
import { failure } from '../../support/failure.js';
import { Folders, text } from '../../support/folders.js';
import { startMysql } from '../../support/servers/mysql.js';
import { startPostgres } from '../../support/servers/postgres.js';
import { useServer } from '../../support/servers/server.js';
import { newTable } from '../../support/sql.js';

/** Holds a backend through what is given to the contract, with few keys. */
function holds(make: (options: SqlOptions) => Backend): void {
  const clock = new TestClock();
  let table: string;
  const reopen = () => make({ table, clock: clock.now });
  const open = () => {
    table = newTable();
    return reopen();
  };
  contract({ describe, it, clock, open, reopen, many: 200 });
}

describe('sqlite through what is given', function () {
  this.timeout(60_000);
  const folders = new Folders();
  let database: InstanceType<typeof Sqlite>;
  before(() => {
    database = new Sqlite(join(folders.make(), 'test.db'));
  });
  after(() => {
    database.close();
    return folders.clearAway();
  });

  describe('a database of libsql', () => holds((options) => sqlite({ database, ...options })));

  describe('a database whose statements take parameters one by one, as those of node:sqlite', () => {
    const spread: SqliteDatabase = {
      prepare: (source: string) => {
        const statement = database.prepare(source);
        return {
          all: (...parameters: unknown[]) => statement.all(parameters),
          get: (...parameters: unknown[]) => statement.get(parameters),
          run: (...parameters: unknown[]) => statement.run(parameters),
        };
      },
      exec: (source: string) => database.exec(source),
      close: () => undefined,
    };
    holds((options) => sqlite({ database: spread, ...options }));
  });

  describe('a Kysely', () => {
    let kysely: Kysely<unknown>;
    before(() => {
      kysely = new Kysely({ dialect: new SqliteDialect({ database: database as never }) });
    });
    holds((options) => sqlite({ kysely, ...options }));
  });

  it('leaves open what was given', async () => {
    const backend = sqlite({ database, table: newTable() });
    await backend.set('key', 'value');
    await backend.close();
    expect(database.open).to.equal(true);
  });

  it('lets writes of one tick share a transaction, and fails those alone that fail', async () => {
    const ran: string[] = [];
    const watched: SqliteDatabase = {
      prepare: (source: string) => database.prepare(source),
      exec: (source: string) => {
        ran.push(source);
        return database.exec(source);
      },
      close: () => undefined,
      transaction: undefined,
    } as SqliteDatabase;
    const backend = sqlite({ database: watched, table: newTable() });
    await backend.set('text', 'text');
    ran.length = 0;
    const writes = Array.from({ length: 64 }, (_, index) => backend.set(`key ${index}`, 'value'));
    const failing = failure(() => backend.increment('text'));
    await Promise.all([...writes, failing]);
    expect(ran).to.deep.equal(['begin immediate', 'commit']);
    expect(await failing).to.include({ code: 'KEEPSAKE_NOT_AN_INTEGER' });
    expect(await backend.count()).to.equal(65);
    await backend.close();
  });

  it('waits for another that writes, and says so when that takes too long', async () => {
    const path = join(folders.make(), 'busy.db');
    const backend = sqlite(path, { timeout: 300 });
    await backend.set('key', 'value');
    const other = new Sqlite(path);
    other.exec('begin immediate');
    const late = await failure(() => backend.set('key', 'late'));
    expect(late).to.include({ code: 'KEEPSAKE_LOCKED', retryable: true, operation: 'set' });
    expect(await text(backend, 'key')).to.equal('value');
    const patient = sqlite(path, { timeout: '60s' });
    await patient.open();
    const writing = patient.set('key', 'in time');
    setTimeout(() => other.exec('commit'), 100);
    expect(await writing).to.equal(true);
    expect(await text(backend, 'key')).to.equal('in time');
    other.close();
    await backend.close();
    await patient.close();
  });

  it('keeps what it acknowledged when it is closed at once', async () => {
    const path = join(folders.make(), 'closed.db');
    const backend = sqlite(path);
    await backend.open();
    const writing = Promise.all(Array.from({ length: 100 }, (_, index) => backend.set(`key ${index}`, 'value')));
    await backend.close();
    await writing;
    const again = sqlite(path);
    expect(await again.count()).to.equal(100);
    await again.close();
  });

  it('is set up as pragmas say', async () => {
    const path = join(folders.make(), 'pragmas.db');
    const backend = sqlite(path, { pragmas: { application_id: 77 } });
    await backend.set('key', 'value');
    const other = new Sqlite(path);
    expect(other.prepare('pragma application_id').get([])).to.include({ application_id: 77 });
    expect(other.prepare('pragma journal_mode').get([])).to.include({ journal_mode: 'wal' });
    other.close();
    await backend.close();
  });
});

describe('postgres through what is given', function () {
  this.timeout(60_000);
  const using = useServer(startPostgres);
  let pool: pg.Pool;
  before(() => {
    // The server is stopped before the pool is ended.
    pool = new pg.Pool({ connectionString: using.server.url }).on('error', () => undefined);
  });
  after(() => pool?.end());

  describe('a pool', () => holds((options) => postgres({ pool, ...options })));

  describe('a Kysely', () => {
    let kysely: Kysely<unknown>;
    before(() => {
      kysely = new Kysely({ dialect: new PostgresDialect({ pool }) });
    });
    holds((options) => postgres({ kysely, ...options }));
  });

  it('goes on when the server ends its connections', async () => {
    const backend = postgres(using.server.url, { table: newTable() });
    await backend.set('key', 'value');
    await pool.query('select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()');
    let found: string | undefined;
    for (let tried = 0; tried < 20 && found === undefined; tried++) {
      found = await text(backend, 'key').catch((error: { retryable: boolean }) => {
        if (!error.retryable) throw error;
        return undefined;
      });
    }
    expect(found).to.equal('value');
    await backend.close();
  });

  it('takes the options of the pool', async () => {
    const place = new URL(using.server.url);
    const backend = postgres({
      table: newTable(),
      poolOptions: {
        host: place.hostname,
        port: Number(place.port),
        user: place.username,
        password: place.password,
        database: place.pathname.slice(1),
        max: 1,
        application_name: 'keepsake-spec',
      },
    });
    await Promise.all(Array.from({ length: 20 }, (_, index) => backend.set(`key ${index}`, 'value')));
    const { rows } = await pool.query("select count(*) from pg_stat_activity where application_name = 'keepsake-spec'");
    expect(rows[0].count).to.equal('1');
    await backend.close();
  });
});

describe('mysql through what is given', function () {
  this.timeout(60_000);
  const using = useServer(startMysql);

  describe('a pool with callbacks, which counts found rows', () => {
    let pool: ReturnType<typeof createPool>;
    before(() => {
      pool = createPool({ uri: using.server.url });
    });
    after((done) => {
      pool.end(() => done());
    });
    holds((options) => mysql({ pool, ...options }));
  });

  describe('a pool with promises, which counts changed rows', () => {
    let pool: ReturnType<typeof createPromisePool>;
    before(() => {
      pool = createPromisePool({ uri: using.server.url, flags: ['-FOUND_ROWS'] });
    });
    after(() => pool?.end());
    holds((options) => mysql({ pool, ...options }));
  });

  describe('a Kysely', () => {
    let kysely: Kysely<unknown>;
    before(() => {
      kysely = new Kysely({ dialect: new MysqlDialect({ pool: createPool({ uri: using.server.url }) }) });
    });
    after(() => kysely?.destroy());
    holds((options) => mysql({ kysely, ...options }));
  });
});
