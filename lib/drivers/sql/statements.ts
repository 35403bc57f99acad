import type { RawBuilder } from 'kysely';
import type { Compiler } from './compiler.js';
import type { Statement } from './statement.js';

/** What every family of SQL says in the same words. */
export interface Statements {
  readonly read: Statement;
  readonly write: Statement;
  readonly writeAbsent: Statement;
  readonly writePresent: Statement;
  readonly writeVersion: Statement;
  readonly remove: Statement;
  readonly removeVersion: Statement;
  readonly touch: Statement;
  readonly keys: Statement;
  readonly entries: Statement;
  readonly count: Statement;
  /** The key that so many others come before. */
  readonly boundary: Statement;
  readonly removeRange: Statement;
  readonly sweep: Statement;
}

/** The names of the table and its columns, quoted, and what is often said of them. */
export interface Words {
  readonly table: RawBuilder<unknown>;
  readonly key: RawBuilder<unknown>;
  readonly value: RawBuilder<unknown>;
  readonly version: RawBuilder<unknown>;
  readonly expires: RawBuilder<unknown>;
  /** Whether an entry has not expired. */
  readonly alive: RawBuilder<unknown>;
  /** Whether a key lies in the range that is asked for: never LIKE, which knows letters, not bytes. */
  readonly within: RawBuilder<unknown>;
}

/** The most rows that one statement removes. */
export const BATCH = 1000;

export function words({ sql, parameter }: Pick<Compiler, 'sql' | 'parameter'>, name: string): Words {
  const [key, value, version, expires] = ['key', 'value', 'version', 'expires_at'].map((column) => sql.ref(column)) as [
    RawBuilder<unknown>,
    RawBuilder<unknown>,
    RawBuilder<unknown>,
    RawBuilder<unknown>,
  ];
  return {
    table: sql.table(name),
    key,
    value,
    version,
    expires,
    alive: sql`(${expires} is null or ${expires} > ${parameter('now')})`,
    within: sql`${key} >= ${parameter('from')} and ${key} < ${parameter('to')}`,
  };
}

/** What is the same everywhere. A version is a counter of its key's writes; see `firstVersion`. */
export function commonStatements(
  compiler: Compiler,
  name: string,
): Omit<Statements, 'write' | 'writeAbsent' | 'touch' | 'sweep'> {
  const { sql } = compiler;
  const parameter = compiler.parameter.bind(compiler);
  const { table, key, value, version, expires, alive, within } = words({ sql, parameter }, name);
  const replace = sql`update ${table} set ${value} = ${parameter('value')}, ${version} = ${version} + 1,
    ${expires} = ${parameter('expires')} where ${key} = ${parameter('key')} and ${alive}`;
  const remove = sql`delete from ${table} where ${key} = ${parameter('key')} and ${alive}`;
  const sameVersion = sql`and ${version} = ${parameter('version')}`;
  const listed = sql`from ${table} where ${within} and ${alive} order by ${key} limit ${parameter('limit')}`;
  return {
    // Columns are named in one word each, which no plugin of a Kysely that was given spells otherwise.
    read: compiler.compile(
      sql`select ${value} as value, ${version} as version, ${expires} as expires from ${table} where ${key} = ${parameter('key')}`,
      'one',
      false,
    ),
    writePresent: compiler.compile(replace, 'none', true),
    writeVersion: compiler.compile(sql`${replace} ${sameVersion}`, 'none', true),
    remove: compiler.compile(remove, 'none', true),
    removeVersion: compiler.compile(sql`${remove} ${sameVersion}`, 'none', true),
    keys: compiler.compile(sql`select ${key} as name ${listed}`, 'many', false),
    entries: compiler.compile(sql`select ${key} as name, ${value} as value ${listed}`, 'many', false),
    count: compiler.compile(sql`select count(*) as counted from ${table} where ${within} and ${alive}`, 'one', false),
    boundary: compiler.compile(
      sql`select ${key} as name from ${table} where ${within} order by ${key} limit 1 offset ${parameter('offset')}`,
      'one',
      false,
    ),
    removeRange: compiler.compile(sql`delete from ${table} where ${within}`, 'none', true),
  };
}

/**
 * The version of a key's first value: a random whole number below 2^52, from which on each write counts one up. So the numbers stay safe
 * integers, and those of a key that was removed and stored again do not come again.
 */
export function firstVersion(): number {
  return Math.floor(Math.random() * 2 ** 52);
}
