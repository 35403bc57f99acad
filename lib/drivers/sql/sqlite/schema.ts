import type { Schema } from '../schema.js';
import type { Compiler } from '../statement.js';
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
