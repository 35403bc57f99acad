import type { RawBuilder } from 'kysely';
import type { Compiler } from './compiler.js';
import type { Link } from './link.js';
import { ensureTable, type Schema } from './schema.js';
import type { Row, Statement } from './statement.js';
import { words } from './statements.js';

/** How the history of a table is made. */
export interface HistorySchema extends Schema {
  /** The triggers of the table, as rows of `name`. */
  readonly triggers: Statement;
  /** The names that they must have. */
  readonly names: readonly string[];
}

/** How a family of SQL does what each does differently. */
export interface HistoryDialect {
  /** What makes the table of a name. */
  readonly createTable: (history: RawBuilder<unknown>) => RawBuilder<unknown>;
  /** The milliseconds since 1970, by the clock of the server. */
  readonly now: RawBuilder<unknown>;
  /** What makes the triggers, each of which adds a row to the history for every row that is stored, changed or removed. */
  readonly createTriggers: (table: RawBuilder<unknown>, history: RawBuilder<unknown>) => readonly RawBuilder<unknown>[];
  readonly triggers: RawBuilder<unknown>;
  readonly names: readonly string[];
  readonly columns: Statement;
  readonly types: Readonly<Record<string, string>>;
}

/** The name of the table that holds the history of another. */
export function historyOf(name: string): string {
  return `${name}_history`;
}

/** The columns of a row of history, in the order in which triggers fill them. */
export function historyColumns({ sql }: Compiler): RawBuilder<unknown> {
  return sql`(${sql.join(['key', 'version', 'value', 'expires_at', 'created_at'].map((name) => sql.ref(name)))})`;
}

/** @param name of the table, not of its history */
export function historySchema(compiler: Compiler, name: string, dialect: HistoryDialect): HistorySchema {
  const { sql } = compiler;
  const parameter = compiler.parameter.bind(compiler);
  const { table, key, value, version, expires } = words({ sql, parameter }, name);
  const history = sql.table(historyOf(name));
  const columns = historyColumns(compiler);
  const statement = (query: RawBuilder<unknown>): Statement => compiler.compile(query, 'none', true);
  return {
    columns: dialect.columns,
    types: dialect.types,
    triggers: compiler.compile(dialect.triggers, 'many', false),
    names: dialect.names,
    create: [
      statement(dialect.createTable(history)),
      ...dialect.createTriggers(table, history).map(statement),
      // The history begins now: of times before nothing is known. The mark has the empty key, which no entry has.
      statement(sql`insert into ${history} ${columns} select ${emptyKey(compiler)}, 0, null, null, ${dialect.now}
        from (select 1 as one) as once where not exists (select 1 from ${history} as known)`),
      statement(sql`insert into ${history} ${columns} select ${key}, ${version}, ${value}, ${expires}, ${dialect.now}
        from ${table} as present where not exists (select 1 from ${history} as known where known.${key} = present.${key})`),
    ],
  };
}

/** Makes the history of a table where it is missing. Several processes may do so at once. */
export async function ensureHistory(link: Link, schema: HistorySchema, name: string, where: string): Promise<void> {
  await ensureTable(link, schema, historyOf(name), where, async () => {
    const { rows } = await link.run(schema.triggers, { table: name });
    const found = new Set(rows.map((row: Row) => String(row.name)));
    return schema.names.every((trigger) => found.has(trigger));
  });
}

/** What reads and forgets the history. */
export interface HistoryStatements {
  readonly read: Statement;
  readonly keys: Statement;
  readonly entries: Statement;
  readonly count: Statement;
  readonly revisions: Statement;
  /** The time from which on everything is known. */
  readonly horizon: Statement;
  readonly raise: Statement;
  readonly lower: Statement;
  readonly boundary: Statement;
  readonly forgetFormer: Statement;
  readonly forgetRemoved: Statement;
}

/** @param name of the table, not of its history */
export function historyStatements(compiler: Compiler, name: string): HistoryStatements {
  const { sql, dialect } = compiler;
  const parameter = compiler.parameter.bind(compiler);
  const { key, value, version, expires } = words({ sql, parameter }, name);
  const history = sql.table(historyOf(name));
  const [sequence, created] = [sql.ref('sequence'), sql.ref('created_at')];
  const time = parameter('time');
  const within = (row: RawBuilder<unknown>) =>
    sql`${row}.${key} >= ${parameter('from')} and ${row}.${key} < ${parameter('to')}`;
  const [newest, later] = [sql.raw('newest'), sql.raw('later')];
  // The sequence decides which is the later one: a clock may step back.
  const superseded = sql`${later}.${key} = ${newest}.${key} and ${later}.${sequence} > ${newest}.${sequence}
    and ${later}.${created} <= ${time}`;
  const then = sql`from ${history} as ${newest} where ${within(newest)} and ${newest}.${created} <= ${time}
    and ${newest}.${value} is not null and (${newest}.${expires} is null or ${newest}.${expires} > ${time})
    and not exists (select 1 from ${history} as ${later} where ${superseded})`;
  const page = sql`${then} order by ${newest}.${key} limit ${parameter('limit')}`;
  const plain = sql`${key} >= ${parameter('from')} and ${key} < ${parameter('to')}`;
  const mark = sql`${key} = ${emptyKey(compiler)}`;
  const statement = (query: RawBuilder<unknown>, rows: Statement['rows']): Statement =>
    compiler.compile(query, rows, rows === 'none');
  return {
    read: statement(
      sql`select ${value} as value, ${version} as version, ${expires} as expires from ${history}
        where ${key} = ${parameter('key')} and ${created} <= ${time} order by ${sequence} desc limit 1`,
      'one',
    ),
    keys: statement(sql`select ${newest}.${key} as name ${page}`, 'many'),
    entries: statement(sql`select ${newest}.${key} as name, ${newest}.${value} as value ${page}`, 'many'),
    count: statement(sql`select count(*) as counted ${then}`, 'one'),
    revisions: statement(
      sql`select ${sequence} as place, ${created} as created, ${value} as value, ${version} as version, ${expires} as expires
        from ${history} where ${key} = ${parameter('key')} and ${sequence} > ${parameter('after')}
        order by ${sequence} limit ${parameter('limit')}`,
      'many',
    ),
    horizon: statement(sql`select max(${created}) as horizon from ${history} where ${mark}`, 'one'),
    raise: statement(
      sql`insert into ${history} ${historyColumns(compiler)} values (${emptyKey(compiler)}, 0, null, null, ${time})`,
      'none',
    ),
    lower: statement(sql`delete from ${history} where ${mark} and ${created} < ${time}`, 'none'),
    boundary: statement(
      sql`select ${key} as name from ${history} where ${plain} order by ${key} limit 1 offset ${parameter('offset')}`,
      'one',
    ),
    // MySQL reads no table that it deletes from, but by a join.
    forgetFormer: statement(
      dialect === 'mysql'
        ? sql`delete ${newest} from ${history} as ${newest} join ${history} as ${later} on ${superseded} where ${within(newest)}`
        : sql`delete from ${history} as ${newest} where ${within(newest)}
            and exists (select 1 from ${history} as ${later} where ${superseded})`,
      'none',
    ),
    forgetRemoved: statement(
      sql`delete from ${history} where ${plain} and ${value} is null and ${created} <= ${time}`,
      'none',
    ),
  };
}

function emptyKey({ sql, dialect }: Compiler): RawBuilder<unknown> {
  return dialect === 'postgres' ? sql`cast('' as bytea)` : sql`x''`;
}
