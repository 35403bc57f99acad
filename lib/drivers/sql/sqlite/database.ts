import { loadModule } from '../../../codecs/load.js';
import { InvalidArgumentError, UnsupportedError } from '../../../errors.js';
import { show } from '../../../show.js';
import type { Row } from '../statement.js';

/** A database of `better-sqlite3`, of `libsql` or of `node:sqlite`, as far as it is used. */
export interface SqliteDatabase {
  prepare(text: string): unknown;
  exec(text: string): unknown;
  close(): unknown;
}

/** A statement that is prepared. */
export interface Prepared {
  all(parameters: readonly unknown[]): readonly Row[];
  get(parameters: readonly unknown[]): Row | undefined;
  /** How many rows it changed. */
  run(parameters: readonly unknown[]): number;
}

/** The same ways through all of these libraries. */
export interface Database {
  prepare(text: string): Prepared;
  exec(text: string): void;
  close(): void;
}

/** Takes its parameters as an array, as better-sqlite3 and libsql do; libsql takes one buffer alone for names of parameters. */
interface ByArray {
  all(parameters: readonly unknown[]): Row[];
  get(parameters: readonly unknown[]): Row | undefined;
  run(parameters: readonly unknown[]): { readonly changes: number };
}

/** Takes its parameters one by one, as `node:sqlite` does. */
interface BySpread {
  all(...parameters: unknown[]): Row[];
  get(...parameters: unknown[]): Row | undefined;
  run(...parameters: unknown[]): { readonly changes: number | bigint };
}

/** @throws InvalidArgumentError for what is no database of one of the libraries */
export function adapt(given: SqliteDatabase): Database {
  for (const name of ['prepare', 'exec', 'close'] as const) {
    if (typeof given?.[name] === 'function') continue;
    throw new InvalidArgumentError(
      `sqlite: database must be one of better-sqlite3, libsql or node:sqlite; got ${show(given)}`,
    );
  }
  // The others have it.
  const spread = !('transaction' in given);
  return {
    prepare: (text) => (spread ? bySpread(given.prepare(text) as BySpread) : byArray(given.prepare(text) as ByArray)),
    exec: (text) => void given.exec(text),
    close: () => void given.close(),
  };
}

function byArray(statement: ByArray): Prepared {
  return {
    all: (parameters) => statement.all(parameters),
    get: (parameters) => statement.get(parameters),
    run: (parameters) => statement.run(parameters).changes,
  };
}

function bySpread(statement: BySpread): Prepared {
  return {
    all: (parameters) => statement.all(...parameters),
    get: (parameters) => statement.get(...parameters),
    run: (parameters) => Number(statement.run(...parameters).changes),
  };
}

type Constructor = new (path: string, options?: object) => SqliteDatabase;

/** Those of which the first that is installed is used. */
const LIBRARIES: readonly (() => Promise<Constructor>)[] = [
  // @ts-expect-error: the one of the three that need not be installed here
  async () => ((await import('better-sqlite3')) as { default: Constructor }).default,
  async () => ((await import('libsql')) as unknown as { default: Constructor }).default,
  // @ts-expect-error: Node has it from 22.5 on
  async () => ((await import('node:sqlite')) as { DatabaseSync: Constructor }).DatabaseSync,
];

/**
 * Opens a database by the first of the libraries that is there.
 * @param options what the library's own constructor takes
 * @throws UnsupportedError where none is installed
 */
export async function openDatabase(path: string, options: Readonly<Record<string, unknown>>): Promise<SqliteDatabase> {
  for (const load of LIBRARIES) {
    const Library = await loadModule(load, '', '').catch(unlessMissing);
    if (Library !== undefined) return new Library(path, options);
  }
  throw new UnsupportedError(
    'sqlite() needs the package better-sqlite3 or libsql, or Node 22.5 or newer: npm install better-sqlite3',
  );
}

function unlessMissing(error: unknown): undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  // What Node says of a module of its own that it does not have.
  if (error instanceof UnsupportedError || code === 'ERR_UNKNOWN_BUILTIN_MODULE') return undefined;
  throw error;
}
