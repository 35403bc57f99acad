import type { Schema } from '../schema.js';
import type { Compiler } from '../statement.js';
import { words } from '../statements.js';

/** The table of MySQL and MariaDB. Keys are bytes: collations take for equal what differs in case, accents and spaces at the end. */
export function mysqlSchema(compiler: Compiler, name: string): Schema {
  const { sql } = compiler;
  const parameter = compiler.parameter.bind(compiler);
  const { table, key, value, version, expires } = words({ sql, parameter }, name);
  return {
    columns: compiler.compile(
      sql`select column_name as name, data_type as type from information_schema.columns
        where table_schema = database() and table_name = ${parameter('table')}`,
      'many',
      false,
    ),
    create: [
      compiler.compile(
        sql`create table if not exists ${table} (${key} varbinary(1024) not null primary key, ${value} longblob not null,
          ${version} bigint not null, ${expires} bigint, index ${sql.ref(`${name}_expires_at`)} (${expires})) engine = innodb`,
        'none',
        true,
      ),
    ],
    types: { key: 'varbinary', value: 'longblob', version: 'bigint', expires_at: 'bigint' },
  };
}
