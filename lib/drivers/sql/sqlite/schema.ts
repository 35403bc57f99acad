import type { Compiler } from '../compiler.js';
import { type HistorySchema, historyColumns, historyOf, historySchema } from '../history.js';
import type { Schema } from '../schema.js';
import { words } from '../statements.js';

/** The table of SQLite. Keys are bytes, so that their order is that of UTF-8, and any character may be in them. */
export function sqliteSchema(compiler: Compiler, name: string): Schema {
  const { sql } = compiler;
  const parameter = compiler.parameter.bind(compiler);
  const { table, key, value, version, expires } = words({ sql, parameter }, name);
  return {
    columns: compiler.compile(sql`select name, type from pragma_table_info(${parameter('table')})`, 'many', false),
    create: [
      compiler.compile(
        sql`create table if not exists ${table} (${key} blob not null primary key, ${value} blob not null,
          ${version} integer not null, ${expires} integer)`,
        'none',
        true,
      ),
      compiler.compile(
        sql`create index if not exists ${sql.ref(`${name}_expires_at`)} on ${table} (${expires}) where ${expires} is not null`,
        'none',
        true,
      ),
    ],
    types: { key: 'blob', value: 'blob', version: 'integer', expires_at: 'integer' },
  };
}

/** The history of a table of SQLite. */
export function sqliteHistory(compiler: Compiler, name: string): HistorySchema {
  const { sql } = compiler;
  const parameter = compiler.parameter.bind(compiler);
  const { key, value, version, expires } = words({ sql, parameter }, name);
  const columns = historyColumns(compiler);
  const now = sql`cast(round((julianday('now') - 2440587.5) * 86400000) as integer)`;
  const trigger = (event: string) => sql.ref(`${historyOf(name)}_${event}`);
  return historySchema(compiler, name, {
    now,
    columns: sqliteSchema(compiler, name).columns,
    types: {
      sequence: 'integer',
      key: 'blob',
      version: 'integer',
      value: 'blob',
      expires_at: 'integer',
      created_at: 'integer',
    },
    createTable: (
      history,
    ) => sql`create table if not exists ${history} (${sql.ref('sequence')} integer primary key autoincrement,
      ${key} blob not null, ${version} integer not null, ${value} blob, ${expires} integer,
      ${sql.ref('created_at')} integer not null, unique (${key}, ${sql.ref('sequence')}))`,
    createTriggers: (table, history) => {
      const stored = sql`insert into ${history} ${columns} values (new.${key}, new.${version}, new.${value}, new.${expires}, ${now})`;
      return [
        sql`create trigger if not exists ${trigger('insert')} after insert on ${table} begin ${stored}; end`,
        sql`create trigger if not exists ${trigger('update')} after update on ${table}
          when old.${version} is not new.${version} or old.${expires} is not new.${expires} begin ${stored}; end`,
        sql`create trigger if not exists ${trigger('delete')} after delete on ${table} begin
          insert into ${history} ${columns} values (old.${key}, old.${version}, null, null, ${now}); end`,
      ];
    },
    triggers: sql`select name from sqlite_master where type = 'trigger' and tbl_name = ${parameter('table')}`,
    names: ['insert', 'update', 'delete'].map((event) => `${historyOf(name)}_${event}`),
  });
}
