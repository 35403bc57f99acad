import type { CompiledQuery, Kysely, KyselyConfig, RawBuilder, Sql } from 'kysely';
import { loadModule } from '../../codecs/load.js';
import type { Statement } from './statement.js';

/** The families of SQL that keepsake speaks. */
export type Dialect = 'sqlite' | 'postgres' | 'mysql';

/** Stands in a statement for a value that comes with each call. */
class Parameter {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

/** What is used of a Kysely that somebody else may have made. */
export type AnyKysely = Kysely<Record<string, never>>;

/** Makes statements by Kysely, which knows how each family quotes names and numbers parameters. */
export class Compiler {
  readonly dialect: Dialect;
  readonly sql: Sql;
  readonly #kysely: AnyKysely;

  private constructor(dialect: Dialect, sql: Sql, kysely: AnyKysely) {
    this.dialect = dialect;
    this.sql = sql;
    this.#kysely = kysely;
  }

  /** @throws UnsupportedError where the package kysely is not installed */
  static async load(dialect: Dialect): Promise<Compiler> {
    const library = await loadModule(() => import('kysely'), 'kysely', `${dialect}()`);
    const parts = {
      sqlite: [library.SqliteAdapter, library.SqliteQueryCompiler, library.SqliteIntrospector],
      postgres: [library.PostgresAdapter, library.PostgresQueryCompiler, library.PostgresIntrospector],
      mysql: [library.MysqlAdapter, library.MysqlQueryCompiler, library.MysqlIntrospector],
    } as const;
    const [Adapter, QueryCompiler, Introspector] = parts[dialect];
    const config: KyselyConfig = {
      dialect: {
        createAdapter: () => new Adapter(),
        // It only compiles: what it makes goes straight to the client.
        createDriver: () => new library.DummyDriver(),
        createQueryCompiler: () => new QueryCompiler(),
        createIntrospector: (kysely) => new Introspector(kysely),
      },
    };
    return new Compiler(dialect, library.sql, new library.Kysely(config));
  }

  /** A parameter of a statement. */
  parameter(name: string): RawBuilder<unknown> {
    return this.sql`${new Parameter(name)}`;
  }

  /** A statement of what `sql` made. */
  compile(query: RawBuilder<unknown>, rows: Statement['rows'], writes: boolean): Statement {
    const { sql: text, parameters }: CompiledQuery = query.compile(this.#kysely);
    const names = parameters.map((parameter) => (parameter as Parameter).name);
    return { text: text.replace(/\s+/g, ' ').trim(), parameters: names, rows, writes };
  }
}
