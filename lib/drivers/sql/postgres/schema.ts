import type { Compiler } from '../compiler.js';
import { type HistorySchema, historyColumns, historyOf, historySchema } from '../history.js';
import type { Schema } from '../schema.js';
import { words } from '../statements.js';

/** The table of PostgreSQL. Keys are bytes, so that their order is that of UTF-8, and any character may be in them, NUL too. */
export function postgresSchema(compiler: Compiler, name: string): Schema {
  const { sql } = compiler;
  const parameter = compiler.parameter.bind(compiler);
  const { table, key, value, version, expires } = words({ sql, parameter }, name);
  return {
    columns: compiler.compile(
      sql`select attname as name, format_type(atttypid, null) as type from pg_attribute
        where attrelid = to_regclass(quote_ident(${parameter('table')})) and attnum > 0 and not attisdropped`,
      'many',
      false,
    ),
    create: [
      compiler.compile(
        sql`create table if not exists ${table} (${key} bytea primary key, ${value} bytea not null,
          ${version} bigint not null, ${expires} bigint)`,
        'none',
        true,
      ),
      compiler.compile(
        sql`create index if not exists ${sql.ref(`${name}_expires_at`)} on ${table} (${expires}) where ${expires} is not null`,
        'none',
        true,
      ),
    ],
    types: { key: 'bytea', value: 'bytea', version: 'bigint', expires_at: 'bigint' },
  };
}

/** The history of a table of PostgreSQL. */
export function postgresHistory(compiler: Compiler, name: string): HistorySchema {
  const { sql } = compiler;
  const parameter = compiler.parameter.bind(compiler);
  const { key, value, version, expires } = words({ sql, parameter }, name);
  const columns = historyColumns(compiler);
  // The time at which the row was locked, not at which the statement or transaction began.
  const now = sql`cast(floor(extract(epoch from clock_timestamp()) * 1000) as bigint)`;
  const trigger = sql.ref(historyOf(name));
  const record = sql.ref(`${historyOf(name)}_record`);
  return historySchema(compiler, name, {
    now,
    columns: postgresSchema(compiler, name).columns,
    types: {
      sequence: 'bigint',
      key: 'bytea',
      version: 'bigint',
      value: 'bytea',
      expires_at: 'bigint',
      created_at: 'bigint',
    },
    createTable: (
      history,
    ) => sql`create table if not exists ${history} (${sql.ref('sequence')} bigint generated always as identity,
      ${key} bytea not null, ${version} bigint not null, ${value} bytea, ${expires} bigint,
      ${sql.ref('created_at')} bigint not null, primary key (${key}, ${sql.ref('sequence')}))`,
    createTriggers: (table, history) => [
      sql`create or replace function ${record}() returns trigger language plpgsql as $$ begin
        if tg_op = 'DELETE' then
          insert into ${history} ${columns} values (old.${key}, old.${version}, null, null, ${now});
        elsif tg_op = 'INSERT' or old.${version} <> new.${version} or old.${expires} is distinct from new.${expires} then
          insert into ${history} ${columns} values (new.${key}, new.${version}, new.${value}, new.${expires}, ${now});
        end if;
        return null;
      end $$`,
      sql`create trigger ${trigger} after insert or update or delete on ${table} for each row execute function ${record}()`,
    ],
    triggers: sql`select tgname as name from pg_trigger
      where tgrelid = to_regclass(quote_ident(${parameter('table')})) and not tgisinternal`,
    names: [historyOf(name)],
  });
}
