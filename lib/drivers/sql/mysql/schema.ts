import type { Compiler } from '../compiler.js';
import { type HistorySchema, historyColumns, historyOf, historySchema } from '../history.js';
import type { Schema } from '../schema.js';
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

/** The history of a table of MySQL or MariaDB. */
export function mysqlHistory(compiler: Compiler, name: string): HistorySchema {
  const { sql } = compiler;
  const parameter = compiler.parameter.bind(compiler);
  const { key, value, version, expires } = words({ sql, parameter }, name);
  const columns = historyColumns(compiler);
  // By UTC: in the hour that a time zone has twice a year, its own time would not tell which one it is.
  const now = sql`timestampdiff(microsecond, '1970-01-01 00:00:00', utc_timestamp(6)) div 1000`;
  const trigger = (event: string) => sql.ref(`${historyOf(name)}_${event}`);
  return historySchema(compiler, name, {
    now,
    columns: mysqlSchema(compiler, name).columns,
    types: {
      sequence: 'bigint',
      key: 'varbinary',
      version: 'bigint',
      value: 'longblob',
      expires_at: 'bigint',
      created_at: 'bigint',
    },
    createTable: (
      history,
    ) => sql`create table if not exists ${history} (${sql.ref('sequence')} bigint not null auto_increment,
      ${key} varbinary(1024) not null, ${version} bigint not null, ${value} longblob, ${expires} bigint,
      ${sql.ref('created_at')} bigint not null, primary key (${key}, ${sql.ref('sequence')}),
      unique index ${sql.ref(`${historyOf(name)}_sequence`)} (${sql.ref('sequence')})) engine = innodb`,
    createTriggers: (table, history) => {
      const stored = sql`insert into ${history} ${columns}`;
      const row = sql`new.${key}, new.${version}, new.${value}, new.${expires}, ${now}`;
      return [
        sql`create trigger if not exists ${trigger('insert')} after insert on ${table} for each row ${stored} values (${row})`,
        sql`create trigger if not exists ${trigger('update')} after update on ${table} for each row ${stored}
          select ${row} from (select 1 as one) as once
          where not (old.${version} <=> new.${version} and old.${expires} <=> new.${expires})`,
        sql`create trigger if not exists ${trigger('delete')} after delete on ${table} for each row ${stored}
          values (old.${key}, old.${version}, null, null, ${now})`,
      ];
    },
    triggers: sql`select trigger_name as name from information_schema.triggers
      where event_object_schema = database() and event_object_table = ${parameter('table')}`,
    names: ['insert', 'update', 'delete'].map((event) => `${historyOf(name)}_${event}`),
  });
}
