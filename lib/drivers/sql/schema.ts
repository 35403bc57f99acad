import { StorageError } from '../../errors.js';
import type { Link } from './link.js';
import type { Call, Row, Statement } from './statement.js';

/** How a table comes to be, and how it is known again. */
export interface Schema {
  /** The columns of the table of a name, as rows of `name` and `type`; none where there is no such table. */
  readonly columns: Statement;
  /** What makes the table, one after another; each does nothing where another process was faster. */
  readonly create: readonly Statement[];
  /** The types of its columns, as the server calls them. */
  readonly types: Readonly<Record<string, string>>;
}

/**
 * Makes a table where it is missing, and looks at the one that is there. Several processes may do so at once.
 * @param complete whether what belongs to the table is there too
 * @throws StorageError for a table of somebody else
 */
export async function ensureTable(
  link: Link,
  schema: Schema,
  table: string,
  where: string,
  complete: () => Promise<boolean> = async () => true,
): Promise<void> {
  const found = await columnsOf(link, schema, table);
  if (found.size > 0) check(found, schema, table, where);
  if (found.size > 0 && (await complete())) return;
  for (let tried = 1; ; tried++) {
    try {
      await link.runAll(
        schema.create.map((statement): Call => ({ statement, values: {} })),
        true,
      );
      break;
    } catch (error) {
      // What a server says of two that make one table at once differs; that it is there then does not.
      if (tried === 5 || (await columnsOf(link, schema, table)).size === 0) throw error;
      if (await complete()) break;
    }
  }
  check(await columnsOf(link, schema, table), schema, table, where);
}

async function columnsOf(link: Link, { columns }: Schema, table: string): Promise<Map<string, string>> {
  const { rows } = await link.run(columns, { table });
  return new Map(rows.map((row: Row) => [String(row.name), String(row.type).toLowerCase()]));
}

function check(found: ReadonlyMap<string, string>, { types }: Schema, table: string, where: string): void {
  const wanted = Object.entries(types);
  if (found.size === wanted.length && wanted.every(([name, type]) => found.get(name) === type)) return;
  const shown = [...found].map(([name, type]) => `${name} ${type}`).join(', ');
  const expected = wanted.map(([name, type]) => `${name} ${type}`).join(', ');
  throw new StorageError(
    `${where}: the table ${table} is not one of keepsake: it has the columns ${shown}, not ${expected}; name another with { table }`,
  );
}
