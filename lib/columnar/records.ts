import { joinPath } from '../codecs/plain.js';
import { EncodeError } from '../errors.js';
import { show } from '../show.js';

/** A flat record: a value for each column. */
export type FlatRecord = Readonly<Record<string, unknown>>;

/** The values of records by column. */
export interface Columns {
  readonly names: readonly string[];
  readonly rows: readonly FlatRecord[];
}

/**
 * Checks that `value` is an array of plain objects with the same properties, since a file of columns has no form for others.
 * @param wanted the names of the columns, if they are known; those of the first record otherwise
 * @throws EncodeError that names the path
 */
export function columnsOf(value: unknown, format: string, wanted?: readonly string[]): Columns {
  if (!Array.isArray(value)) throw refuse(value, `is no array of records, which is what ${format} holds`);
  const names = wanted ?? (value.length === 0 ? [] : Object.keys(checkRecord(value[0], 0, format)));
  const known = new Set(names);
  for (const name of names) {
    if (!name.isWellFormed()) throw refuse(name, 'holds a lone surrogate, which UTF-8 cannot carry', 0);
  }
  // The names are all that tells how many rows there are.
  if (value.length > 0 && names.length === 0) throw refuse(value[0], 'has no properties, and so no columns', 0);
  for (let index = 0; index < value.length; index++) {
    const record = checkRecord(value[index], index, format);
    const keys = Object.keys(record);
    const more = keys.find((key) => !known.has(key));
    if (more !== undefined) throw refuse(record, `has the property ${show(more)}, which is no column`, index);
    if (keys.length === names.length) continue;
    const less = names.find((name) => !Object.hasOwn(record, name));
    throw refuse(record, `has no property ${show(less)}; give it null, where the column takes that`, index);
  }
  return { names, rows: value as FlatRecord[] };
}

/** The error for a value that a file of columns does not carry, at a row and column. */
export function refuse(value: unknown, why: string, row?: number, column?: string): EncodeError {
  const steps = [row, column].filter((step) => step !== undefined);
  return new EncodeError(`${show(value)} ${why}`, { path: steps.reduce<string>(joinPath, '') });
}

function checkRecord(value: unknown, index: number, format: string): FlatRecord {
  const prototype = typeof value === 'object' && value !== null ? Object.getPrototypeOf(value) : undefined;
  if (prototype !== Object.prototype && prototype !== null) {
    throw refuse(value, `is no plain object, which is what a record of ${format} is`, index);
  }
  if (Object.getOwnPropertySymbols(value).length > 0) throw refuse(value, 'has a symbol for a key', index);
  return value as FlatRecord;
}
