export { type MysqlOptions, mysql } from './drivers/sql/mysql/mysql.js';
export type { KyselyLike, SqlOptions } from './drivers/sql/options.js';
export { type PostgresOptions, postgres } from './drivers/sql/postgres/postgres.js';
export type { SqliteDatabase } from './drivers/sql/sqlite/database.js';
export { type SqliteOptions, sqlite } from './drivers/sql/sqlite/sqlite.js';
