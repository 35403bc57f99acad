import type { Compiler } from '../compiler.js';
import type { ReturningStatements } from '../returning.js';
import type { Statement } from '../statement.js';
import { BATCH, commonStatements, words } from '../statements.js';

/** The statements of PostgreSQL. */
export interface PostgresStatements extends ReturningStatements {
  readonly readMany: Statement;
  readonly writeMany: Statement;
  readonly removeMany: Statement;
}

/** @param name of the table, checked */
export function postgresStatements(compiler: Compiler, name: string): PostgresStatements {
  const { sql } = compiler;
  const parameter = compiler.parameter.bind(compiler);
  const { table, key, value, version, expires, alive } = words({ sql, parameter }, name);
  const columns = sql`(${key}, ${value}, ${version}, ${expires})`;
  const insert = sql`insert into ${table} ${columns}
    values (${parameter('key')}, ${parameter('value')}, ${parameter('first')}, ${parameter('expires')})`;
  const replace = sql`on conflict (${key}) do update set
    ${value} = excluded.value, ${version} = ${table}.${version} + 1, ${expires} = excluded.expires_at`;
  const expired = sql`${table}.${expires} <= ${parameter('now')}`;
  // Bytes as text, whatever the encoding of the database.
  const stored = sql`encode(${table}.${value}, 'escape')`;
  const sum = sql`(cast(${stored} as bigint) + cast(${parameter('by')} as bigint))`;
  const largest = sql.lit(Number.MAX_SAFE_INTEGER);
  const addsUp = sql`case when ${stored} ~ '^(0|-?[1-9][0-9]{0,15})$'
    then abs(cast(${stored} as bigint)) <= ${largest} and abs(${sum}) <= ${largest} else false end`;
  const given = sql`any(cast(${parameter('keys')} as bytea[]))`;
  return {
    ...commonStatements(compiler, name),
    write: compiler.compile(sql`${insert} ${replace}`, 'none', true),
    writeAbsent: compiler.compile(sql`${insert} ${replace} where ${expired}`, 'none', true),
    touch: compiler.compile(
      sql`update ${table} set ${expires} = ${parameter('expires')} where ${key} = ${parameter('key')} and ${alive}`,
      'none',
      true,
    ),
    renew: compiler.compile(
      sql`update ${table} set ${expires} = case when ${expires} is null then null else cast(${parameter('expires')} as bigint) end
        where ${key} = ${parameter('key')} and ${alive}
        returning ${value} as value, ${version} as version, ${expires} as expires`,
      'one',
      true,
    ),
    add: compiler.compile(
      sql`${insert} on conflict (${key}) do update set
        ${value} = case when ${expired} then excluded.value else decode(cast(${sum} as text), 'escape') end,
        ${version} = ${table}.${version} + 1,
        ${expires} = case when ${expired} then excluded.expires_at else ${table}.${expires} end
        where ${expired} or (${addsUp})
        returning ${value} as value, ${expires} as expires`,
      'one',
      true,
    ),
    readMany: compiler.compile(
      sql`select ${key} as name, ${value} as value, ${version} as version, ${expires} as expires
        from ${table} where ${key} = ${given}`,
      'many',
      false,
    ),
    writeMany: compiler.compile(
      sql`insert into ${table} ${columns} select given.key, given.value, cast(${parameter('first')} as bigint),
        cast(${parameter('expires')} as bigint)
        from unnest(cast(${parameter('keys')} as bytea[]), cast(${parameter('values')} as bytea[])) as given(key, value)
        ${replace}`,
      'none',
      true,
    ),
    removeMany: compiler.compile(sql`delete from ${table} where ${key} = ${given} and ${alive}`, 'none', true),
    // What others are changing at this moment is left for the next time.
    sweep: compiler.compile(
      sql`delete from ${table} where ${key} = any(array(select ${key} from ${table} where ${expires} <= ${parameter('now')}
        order by ${expires} limit ${sql.lit(BATCH)} for update skip locked))`,
      'none',
      true,
    ),
  };
}
