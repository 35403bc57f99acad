import type { Compiler } from '../compiler.js';
import type { ReturningStatements } from '../returning.js';
import { BATCH, commonStatements, words } from '../statements.js';

/** @param name of the table, checked */
export function sqliteStatements(compiler: Compiler, name: string): ReturningStatements {
  const { sql } = compiler;
  const parameter = compiler.parameter.bind(compiler);
  const { table, key, value, version, expires, alive } = words({ sql, parameter }, name);
  const insert = sql`insert into ${table} (${key}, ${value}, ${version}, ${expires})
    values (${parameter('key')}, ${parameter('value')}, ${parameter('first')}, ${parameter('expires')})`;
  const write = sql`${insert} on conflict (${key}) do update set
    ${value} = excluded.value, ${version} = ${table}.${version} + 1, ${expires} = excluded.expires_at`;
  const stored = sql`cast(${table}.${value} as text)`;
  const counter = sql`cast(${stored} as integer)`;
  const expired = sql`${table}.${expires} <= ${parameter('now')}`;
  // Numbers arrive as floating-point ones.
  const sum = sql`(${counter} + cast(${parameter('by')} as integer))`;
  const largest = sql.lit(Number.MAX_SAFE_INTEGER);
  const smallest = sql.lit(Number.MIN_SAFE_INTEGER);
  const isCounter = sql`cast(cast(${counter} as text) as blob) = ${table}.${value}`;
  const addsUp = sql`${isCounter} and ${counter} between ${smallest} and ${largest} and ${sum} between ${smallest} and ${largest}`;
  return {
    ...commonStatements(compiler, name),
    write: compiler.compile(write, 'none', true),
    writeAbsent: compiler.compile(sql`${write} where ${expired}`, 'none', true),
    touch: compiler.compile(
      sql`update ${table} set ${expires} = ${parameter('expires')} where ${key} = ${parameter('key')} and ${alive}`,
      'none',
      true,
    ),
    renew: compiler.compile(
      sql`update ${table} set ${expires} = case when ${expires} is null then null else ${parameter('expires')} end
        where ${key} = ${parameter('key')} and ${alive}
        returning ${value} as value, ${version} as version, ${expires} as expires`,
      'one',
      true,
    ),
    add: compiler.compile(
      sql`${insert} on conflict (${key}) do update set
        ${value} = case when ${expired} then excluded.value else cast(cast(${sum} as text) as blob) end,
        ${version} = ${table}.${version} + 1,
        ${expires} = case when ${expired} then excluded.expires_at else ${table}.${expires} end
        where ${expired} or (${addsUp})
        returning ${value} as value, ${expires} as expires`,
      'one',
      true,
    ),
    sweep: compiler.compile(
      sql`delete from ${table} where ${key} in (select ${key} from ${table} where ${expires} <= ${parameter('now')}
        order by ${expires} limit ${sql.lit(BATCH)})`,
      'none',
      true,
    ),
  };
}
