import { join } from 'node:path';
import type { Backend } from 'keepsake';
import { mysql, postgres, type SqlOptions, sqlite } from 'keepsake/sql';
import { Folders } from './folders.js';
import { startMysql } from './servers/mysql.js';
import { startPostgres } from './servers/postgres.js';
import { useServer } from './servers/server.js';

/** A database for the specs of one `describe`, in which each backend may have a table of its own. */
export interface Database {
  /** A backend in it; the same table is the same storage. */
  open(options?: SqlOptions): Backend;
  /** Where it is, as a URL. */
  readonly url: string;
}

let tables = 0;

/** A name for a table that no other spec uses. */
export function newTable(): string {
  tables++;
  return `table_${process.pid}_${tables}`;
}

/** The engines of SQL, each with a way to have a database while the specs of the surrounding `describe` run. */
export const DATABASES: Readonly<Record<'sqlite' | 'postgres' | 'mysql', () => Database>> = {
  sqlite: () => {
    const folders = new Folders();
    let folder: string;
    before(() => {
      folder = folders.make();
    });
    after(() => folders.clearAway());
    const path = () => join(folder, 'test.db');
    return {
      open: (options) => sqlite(path(), options),
      get url() {
        return `sqlite:${path()}`;
      },
    };
  },
  postgres: () => {
    const using = useServer(startPostgres);
    return {
      open: (options) => postgres(using.server.url, options),
      get url() {
        return using.server.url;
      },
    };
  },
  mysql: () => {
    const using = useServer(startMysql);
    return {
      open: (options) => mysql(using.server.url, options),
      get url() {
        return using.server.url;
      },
    };
  },
};
