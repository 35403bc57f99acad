import type { Schema } from '../schema.js';
import type { Compiler } from '../statement.js';
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
