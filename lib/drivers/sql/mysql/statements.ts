import type { Compiler } from '../compiler.js';
import type { Statement } from '../statement.js';
import { BATCH, commonStatements, type Statements, words } from '../statements.js';

/** The statements of MySQL and MariaDB. */
export interface MysqlStatements extends Statements {
  readonly renew: Statement;
  readonly add: Statement;
  /** What `add` came to, on the same connection. */
  readonly added: Statement;
  /** For so many keys, named `key0`, `key1` and so on. */
  readonly readMany: (count: number) => Statement;
  /** For so many entries, named `key0`, `value0` and so on. */
  readonly writeMany: (count: number) => Statement;
  readonly removeMany: (count: number) => Statement;
}

/** What is added to a sum before it is marked, so that no mark of a sum is 0 or negative. */
export const OFFSET = 2 ** 53;

/**
 * MySQL has no RETURNING, and how many rows a statement changed depends on a flag of the connection, which others may have made. So statements
 * leave a mark where it matters: `last_insert_id(x)` is x, and the server tells it with the outcome. It is written as a term that is 0.
 *
 * @param name of the table, checked
 */
export function mysqlStatements(compiler: Compiler, name: string): MysqlStatements {
  const { sql } = compiler;
  const parameter = compiler.parameter.bind(compiler);
  const { table, key, value, version, expires, alive } = words({ sql, parameter }, name);
  const columns = sql`(${key}, ${value}, ${version}, ${expires})`;
  const expired = sql`${expires} <= ${parameter('now')}`;
  const replace = sql`on duplicate key update ${value} = values(${value}), ${version} = ${version} + 1, ${expires} = values(${expires})`;
  const row = sql`${parameter('key')}, ${parameter('value')}, ${parameter('first')}, ${parameter('expires')}`;
  const offset = sql.lit(OFFSET);
  const largest = sql.lit(Number.MAX_SAFE_INTEGER);
  const smallest = sql.lit(Number.MIN_SAFE_INTEGER);
  const stored = sql`convert(${value} using latin1)`;
  const counter = sql`cast(${stored} as signed)`;
  const by = sql`cast(${parameter('by')} as signed)`;
  const sum = sql`(${counter} + ${by})`;
  // The pattern alone lets a line break at the end pass.
  const addsUp = sql`if(${stored} regexp '^(0|-?[1-9][0-9]{0,15})$',
    length(${counter}) = length(${value}) and ${counter} between ${smallest} and ${largest} and ${sum} between ${smallest} and ${largest}, 0)`;
  const markBy = sql`0 * last_insert_id(${by} + ${offset})`;
  const keys = (count: number) => sql.join(Array.from({ length: count }, (_, index) => parameter(`key${index}`)));
  return {
    ...commonStatements(compiler, name),
    write: compiler.compile(sql`insert into ${table} ${columns} values (${row}) ${replace}`, 'none', true),
    // Marked where the entry that is there stays. What decides is changed last, since each assignment sees those before.
    writeAbsent: compiler.compile(
      sql`insert into ${table} ${columns} values (${row}) on duplicate key update
        ${version} = if(${expired}, ${version} + 1, ${version} + 0 * last_insert_id(${version} * 0 + 1)),
        ${value} = if(${expired}, values(${value}), ${value}),
        ${expires} = if(${expired}, values(${expires}), ${expires})`,
      'none',
      true,
    ),
    // Marked where there is such an entry, also where it has that deadline already.
    touch: compiler.compile(
      sql`update ${table} set ${expires} = if(last_insert_id(${version} * 0 + 1), ${parameter('expires')}, null)
        where ${key} = ${parameter('key')} and ${alive}`,
      'none',
      true,
    ),
    renew: compiler.compile(
      sql`update ${table} set ${expires} = if(${expires} is null, null, ${parameter('expires')})
        where ${key} = ${parameter('key')} and ${alive}`,
      'none',
      true,
    ),
    // Marked by the sum; by 0 where there is none.
    add: compiler.compile(
      sql`insert into ${table} ${columns}
        values (${parameter('key')}, ${parameter('value')}, ${parameter('first')} + ${markBy}, ${parameter('expires')})
        on duplicate key update
        ${version} = if(${expired}, ${version} + 1 + ${markBy},
          if(${addsUp}, ${version} + 1 + 0 * last_insert_id(${sum} + ${offset}), ${version} + last_insert_id(${version} * 0))),
        ${value} = if(${expired}, values(${value}), if(${addsUp}, cast(${sum} as char), ${value})),
        ${expires} = if(${expired}, values(${expires}), ${expires})`,
      'none',
      true,
    ),
    added: compiler.compile(
      sql`select cast(last_insert_id() as char) as mark,
        (select ${expires} from ${table} where ${key} = ${parameter('key')}) as expires`,
      'one',
      false,
    ),
    readMany: bySize((count) =>
      compiler.compile(
        sql`select ${key} as name, ${value} as value, ${version} as version, ${expires} as expires
          from ${table} where ${key} in (${keys(count)})`,
        'many',
        false,
      ),
    ),
    writeMany: bySize((count) => {
      const rows = Array.from(
        { length: count },
        (_, index) =>
          sql`(${parameter(`key${index}`)}, ${parameter(`value${index}`)}, ${parameter('first')}, ${parameter('expires')})`,
      );
      return compiler.compile(sql`insert into ${table} ${columns} values ${sql.join(rows)} ${replace}`, 'none', true);
    }),
    removeMany: bySize((count) =>
      compiler.compile(sql`delete from ${table} where ${key} in (${keys(count)}) and ${alive}`, 'none', true),
    ),
    sweep: compiler.compile(
      sql`delete from ${table} where ${expired} order by ${expires} limit ${sql.lit(BATCH)}`,
      'none',
      true,
    ),
  };
}

/** Makes a statement for each size once. */
function bySize(make: (count: number) => Statement): (count: number) => Statement {
  const made = new Map<number, Statement>();
  return (count) => {
    let statement = made.get(count);
    if (statement === undefined) {
      statement = make(count);
      made.set(count, statement);
    }
    return statement;
  };
}
