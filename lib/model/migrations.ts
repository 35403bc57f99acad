import { CorruptDataError, DeclarationError, MigrationError } from '../errors.js';
import { show } from '../show.js';

/** Steps by the version they lead to: each gets the data of the version before and answers the new data. Pure functions. */
export type Migrations = {
  readonly [version: number]: (data: Record<string, unknown>) => Record<string, unknown>;
};

/** Checks version and steps of a class. */
export function checkMigrations(className: string, version: unknown, migrations: unknown): void {
  if (version !== undefined && !(Number.isSafeInteger(version) && (version as number) >= 0)) {
    throw new DeclarationError(`${className}: version must be a whole number from 0; got ${show(version)}`);
  }
  if (migrations !== undefined && (typeof migrations !== 'object' || migrations === null)) {
    throw new DeclarationError(`${className}: migrations must be functions by version; got ${show(migrations)}`);
  }
  for (const [to, step] of Object.entries(migrations ?? {})) {
    if (!/^[1-9][0-9]*$/.test(to)) {
      throw new DeclarationError(`${className}: migrations are named by whole numbers from 1; got ${show(to)}`);
    }
    if (Number(to) > ((version as number | undefined) ?? 0)) {
      throw new DeclarationError(`${className}: a migration leads to version ${to}, past the class's ${version ?? 0}`);
    }
    if (typeof step !== 'function')
      throw new DeclarationError(`${className}: migration ${to} must be a function; got ${show(step)}`);
  }
}

/**
 * The data at `version`.
 * @param subject the object, for messages, and where it was read
 * @throws MigrationError for data of a newer version, and when a step fails
 */
export function migrate(
  data: Record<string, unknown>,
  version: number,
  migrations: Migrations,
  subject: { readonly what: string; readonly key: string; readonly path: string | undefined },
): Record<string, unknown> {
  const { $version: from = 0 } = data;
  const { key, path } = subject;
  const what = path === undefined ? subject.what : `${path}: ${subject.what}`;
  if (!Number.isSafeInteger(from) || (from as number) < 0) {
    throw new CorruptDataError(`${what}: $version must be a whole number from 0; it is ${show(from)}`, { key, path });
  }
  if ((from as number) > version) {
    throw new MigrationError(
      `${what} was saved by version ${from} of its class; this is version ${version}. Update the program`,
      { key, path },
    );
  }
  let { $version: _, ...current } = data;
  for (let to = (from as number) + 1; to <= version; to++) {
    const step = migrations[to];
    if (step === undefined) continue;
    try {
      current = step(current);
    } catch (cause) {
      throw new MigrationError(
        `${what}: the migration to version ${to} threw: ${cause instanceof Error ? cause.message : cause}`,
        { cause, key, path },
      );
    }
    if (typeof current !== 'object' || current === null || Array.isArray(current) || current instanceof Promise) {
      throw new MigrationError(`${what}: the migration to version ${to} must answer an object; got ${show(current)}`, {
        key,
        path,
      });
    }
  }
  return current;
}
