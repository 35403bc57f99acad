import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import KeyvSqlite from '@keyv/sqlite';
import type BetterSqlite3 from 'better-sqlite3';
import { postgres, sqlite } from 'keepsake/sql';
import Keyv from 'keyv';
import pg from 'pg';
import { type Contestant, eachOf, interleave, keep, type Measurement, of } from './support/measure.js';
import { parseOptions } from './support/options.js';
import { startPostgresServer } from './support/postgres-server.js';
import { printTable, short } from './support/table.js';
import { report, type Target } from './support/targets.js';

const { quick, folder: parent } = parseOptions(process.argv.slice(2));
const KEYS = Array.from({ length: 640 }, (_, index) => `user:${index}`);
const TEXT = JSON.stringify({ name: 'Ann', email: 'ann@example.com', tags: ['a', 'b'], text: 'x'.repeat(200) });
const BYTES = Buffer.from(TEXT);
const AT_ONCE = 64;

let written = 0;

/** Another value each time: SQLite writes nothing for one that is there already. */
function next(): string {
  written++;
  return `${String(written).padStart(12, '0')}${TEXT}`;
}

const settings = { rounds: quick ? 3 : 15, warmUps: quick ? 1 : 2 };

/** What each does. */
interface Subject {
  readonly name: string;
  get?(key: string): Promise<unknown>;
  set?(key: string): Promise<unknown>;
  setMany?(entries: [string, Buffer][]): Promise<unknown>;
  getMany?(keys: string[]): Promise<unknown>;
}

const contestants = (
  subjects: readonly Subject[],
  operations: number,
  work: (subject: Subject) => Promise<void>,
): Contestant[] => subjects.map((subject) => ({ name: subject.name, operations, run: () => work(subject) }));
const rate = (measured: ReadonlyMap<string, Measurement>, name: string): string =>
  measured.has(name) ? short(of(measured, name).rate) : '–';
const speed = (measured: ReadonlyMap<string, Measurement>, own: string, other: string): number =>
  measured.has(other) ? of(measured, own).speedOver(of(measured, other)) : Number.NaN;

const targets: Target[] = [...(await benchSqlite()), ...(await benchPostgres())];
await report(targets);
process.exit(0);

/** A library for SQLite, where its binary could be built. */
interface Library {
  readonly name: string;
  readonly open: (path: string) => BetterSqlite3.Database;
}

async function libraries(): Promise<readonly Library[]> {
  const found: Library[] = [];
  for (const [name, load] of [
    ['better-sqlite3', () => import('better-sqlite3')],
    ['libsql', () => import('libsql')],
  ] as const) {
    try {
      const { default: Database } = (await load()) as unknown as { default: typeof BetterSqlite3 };
      new Database(':memory:').close();
      found.push({ name, open: (path) => new Database(path) });
    } catch {
      console.log(`\n${name} is not installed, so it is not measured`);
    }
  }
  return found;
}

async function benchSqlite(): Promise<Target[]> {
  const folder = mkdtempSync(join(parent, 'keepsake-sql-'));
  const ends: (() => unknown)[] = [];
  const subjects: Subject[] = [];
  const PRAGMAS = { journal_mode: 'wal', synchronous: 'full' };
  const found = await libraries();
  for (const { name, open } of found) {
    const database = open(join(folder, `keepsake-${name}.db`));
    const backend = sqlite({ database, pragmas: PRAGMAS, sweepEvery: null });
    await backend.open();
    const bare = open(join(folder, `bare-${name}.db`));
    bare.exec('pragma journal_mode = wal; pragma synchronous = full');
    bare.exec('create table bare (key text primary key, value blob)');
    const select = bare.prepare('select value from bare where key = ?');
    const upsert = bare.prepare(
      'insert into bare values (?, ?) on conflict (key) do update set value = excluded.value',
    );
    ends.push(() => backend.close(), database.close.bind(database), bare.close.bind(bare));
    subjects.push(
      {
        name: `keepsake over ${name}`,
        get: (key) => backend.get(key),
        set: (key) => backend.set(key, Buffer.from(next())),
      },
      {
        name: `${name}, prepared statements`,
        get: async (key) => (select.get([key]) as { value: Buffer } | undefined)?.value,
        set: async (key) => upsert.run([key, Buffer.from(next())]),
      },
    );
  }
  const keyv = new Keyv<string>({ store: new KeyvSqlite(`sqlite://${join(folder, 'keyv.db')}`) });
  ends.push(() => keyv.disconnect());
  const peer = 'keyv over @keyv/sqlite';
  subjects.push({ name: peer, get: (key) => keyv.get(key), set: (key) => keyv.set(key, next()) });
  const sets = await interleave(
    contestants(subjects, KEYS.length, (subject) => eachOf(KEYS, AT_ONCE, async (key) => subject.set?.(key))),
    settings,
  );
  const each = async (subject: Subject): Promise<void> => {
    for (let turn = 0; turn < 5; turn++) for (const key of KEYS) keep(await subject.get?.(key));
  };
  const gets = await interleave(contestants(subjects, KEYS.length * 5, each), settings);
  for (const { name, get } of subjects) {
    const value = (await get?.('user:1')) as string | Uint8Array;
    if (
      !Buffer.from(value as Uint8Array)
        .toString()
        .endsWith(TEXT)
    )
      throw new Error(`${name} lies`);
  }
  printTable(
    `SQLite: ${KEYS.length} keys of ${BYTES.length} bytes; durable writes ${AT_ONCE} at a time, reads one after another; operations a second`,
    ['', 'set', 'get', 'to @keyv/sqlite: set', 'get'],
    subjects.map(({ name }) => [
      name,
      rate(sets, name),
      rate(gets, name),
      short(speed(sets, name, peer)),
      short(speed(gets, name, peer)),
    ]),
  );
  for (const end of ends) await end();
  rmSync(folder, { recursive: true, force: true });
  return found.flatMap(({ name }): Target[] => {
    const own = `keepsake over ${name}`;
    const bare = `${name}, prepared statements`;
    const bound = 'at least' as const;
    return [
      { what: `sqlite by ${name}, set, to @keyv/sqlite`, bound, target: 20, measured: speed(sets, own, peer) },
      { what: `sqlite by ${name}, get, to itself bare`, bound, target: 0.3, measured: speed(gets, own, bare) },
      { what: `sqlite by ${name}, get, to @keyv/sqlite`, bound, target: 10, measured: speed(gets, own, peer) },
    ];
  });
}

async function benchPostgres(): Promise<Target[]> {
  const server = await startPostgresServer();
  if (server === undefined) {
    console.log('\nPostgreSQL is not installed, so it is not measured: npm run servers:install');
    return [];
  }
  const backend = postgres(server.url, { sweepEvery: null });
  await backend.open();
  const pool = new pg.Pool({ connectionString: server.url }).on('error', () => undefined);
  await pool.query('create table bare (key bytea primary key, value bytea)');
  const thousand = Array.from({ length: 1000 }, (_, index): [string, Buffer] => [`user:${index}`, BYTES]);
  const rows = thousand.map((_, index) => `($${2 * index + 1}, $${2 * index + 2})`).join(', ');
  const upsertMany = `insert into bare values ${rows} on conflict (key) do update set value = excluded.value`;
  const upsert = 'insert into bare values ($1, $2) on conflict (key) do update set value = excluded.value';
  const select = 'select value from bare where key = $1';
  const subjects: readonly Subject[] = [
    {
      name: 'keepsake postgres()',
      get: (key) => backend.get(key),
      set: (key) => backend.set(key, Buffer.from(next())),
      setMany: (entries) => backend.setMany(entries),
    },
    {
      name: 'pg, bare statements',
      get: async (key) => (await pool.query(select, [Buffer.from(key)])).rows[0]?.value,
      set: (key) => pool.query(upsert, [Buffer.from(key), Buffer.from(next())]),
      setMany: (entries) =>
        pool.query(
          upsertMany,
          entries.flatMap(([key, value]) => [Buffer.from(key), value]),
        ),
    },
  ];
  const [own, bare] = subjects.map(({ name }) => name) as [string, string];
  const many = await interleave(
    contestants(subjects, 4000, async (subject) => {
      for (let turn = 0; turn < 4; turn++) await subject.setMany?.(thousand);
    }),
    settings,
  );
  const sets = await interleave(
    contestants(subjects, KEYS.length, (subject) => eachOf(KEYS, AT_ONCE, async (key) => subject.set?.(key))),
    settings,
  );
  const gets = await interleave(
    contestants(subjects, KEYS.length, (subject) =>
      eachOf(KEYS, AT_ONCE, async (key) => keep(await subject.get?.(key))),
    ),
    settings,
  );
  printTable(
    `PostgreSQL: ${BYTES.length} bytes; setMany of 1,000 one after another, set and get ${AT_ONCE} at a time; keys a second`,
    ['', 'setMany', 'set', 'get', 'keepsake to it: setMany', 'set', 'get'],
    subjects.map(({ name }) => [
      name,
      ...[many, sets, gets].map((measured) => rate(measured, name)),
      ...[many, sets, gets].map((measured) => short(speed(measured, own, name))),
    ]),
  );
  await backend.close();
  await pool.end();
  await server.stop();
  return [
    {
      what: 'postgres setMany, to a multi-row upsert',
      bound: 'at least',
      target: 0.7,
      measured: speed(many, own, bare),
    },
  ];
}
