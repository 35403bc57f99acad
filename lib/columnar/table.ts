import type { DataType, Table, Vector } from 'apache-arrow';
import { loadModule } from '../codecs/load.js';
import { put } from '../codecs/plain.js';
import { UnsupportedError } from '../errors.js';
import { show } from '../show.js';
import { columnsOf, type FlatRecord, refuse } from './records.js';

type Arrow = typeof import('apache-arrow');

/** `apache-arrow`, the copy that an `import` of the caller's gives too. */
export function loadArrow(what: string): Promise<Arrow> {
  return loadModule(() => import('apache-arrow'), 'apache-arrow', what);
}

/** An Arrow table as it is, or of records: see `arrow` for the types. */
export function toTable(arrow: Arrow, value: unknown, format: string): Table {
  if (arrow.isArrowTable(value)) return value;
  const { names, rows } = columnsOf(value, format);
  const marked = names.find((name) => name.startsWith('\ufeff'));
  if (marked !== undefined) throw refuse(marked, 'begins with a byte order mark, which a name would lose', 0);
  const columns: Record<string, ReturnType<typeof column>> = {};
  for (const name of names) put(columns, name, column(arrow, rows, name, format));
  return new arrow.Table(columns);
}

function column(arrow: Arrow, rows: readonly FlatRecord[], name: string, format: string) {
  const first = rows.findIndex((row) => row[name] !== null);
  const kind = first < 0 ? KINDS.string : kindOf(rows[first]?.[name]);
  if (kind === undefined) {
    const value = rows[first]?.[name];
    throw refuse(
      value,
      `has no form in a flat record of ${format}; give an Arrow table to save other types`,
      first,
      name,
    );
  }
  const values = rows.map((row, index) => {
    const value = row[name];
    if (value === null) return null;
    if (kindOf(value) !== kind) throw refuse(value, `is no ${kind.name}, as the values above it are`, index, name);
    const why = kind.refuses?.(value);
    if (why !== undefined) throw refuse(value, why, index, name);
    return value;
  });
  return arrow.vectorFromArray(values, kind.type(arrow));
}

/** What a column of records may hold. */
interface Kind {
  readonly name: string;
  readonly type: (arrow: Arrow) => DataType;
  /** Why a value of the kind is refused, if it is. */
  refuses?(value: unknown): string | undefined;
}

const KINDS: Readonly<Record<'string' | 'number' | 'boolean' | 'bigint' | 'date' | 'bytes', Kind>> = {
  string: {
    name: 'text',
    type: (arrow) => new arrow.Utf8(),
    refuses: (text: string) => (text.isWellFormed() ? undefined : 'holds a lone surrogate, which UTF-8 cannot carry'),
  },
  number: { name: 'number', type: (arrow) => new arrow.Float64() },
  boolean: { name: 'boolean', type: (arrow) => new arrow.Bool() },
  bigint: {
    name: 'bigint',
    type: (arrow) => new arrow.Int64(),
    refuses: (value: bigint) =>
      BigInt.asIntN(64, value) === value ? undefined : 'is beyond the 64 bits of an integer column',
  },
  date: {
    name: 'Date',
    type: (arrow) => new arrow.TimestampMillisecond('UTC'),
    refuses: (value: Date) => (Number.isNaN(value.getTime()) ? 'is an invalid Date' : undefined),
  },
  bytes: { name: 'Uint8Array', type: (arrow) => new arrow.Binary() },
};

function kindOf(value: unknown): Kind | undefined {
  const type = typeof value;
  if (type === 'string' || type === 'number' || type === 'boolean' || type === 'bigint') return KINDS[type];
  if (value instanceof Date) return KINDS.date;
  return value instanceof Uint8Array ? KINDS.bytes : undefined;
}

/**
 * The records of a table.
 * @param room the bytes that the table takes: no column of these types needs less than a bit for a row
 * @throws UnsupportedError for a column of a type that records do not carry
 */
export function toRecords(arrow: Arrow, table: Table, room: number): Record<string, unknown>[] {
  if (table.numRows > room * 8) throw new TypeError(`${room} bytes cannot hold ${table.numRows} rows`);
  const { fields } = table.schema;
  const names = new Set(fields.map(({ name }) => name));
  if (names.size < fields.length) throw new TypeError('there are two columns of one name');
  const records = Array.from({ length: table.numRows }, (): Record<string, unknown> => ({}));
  for (const [at, { name, type }] of fields.entries()) {
    const read = readerOf(arrow, type, name);
    const vector = asBytes(arrow, table.getChildAt(at), type);
    for (let row = 0; row < records.length; row++) {
      const value: unknown = vector?.get(row);
      put(records[row] as Record<string, unknown>, name, value === null ? null : read(value));
    }
  }
  return records;
}

/** Text as the bytes that it is: apache-arrow would drop a byte order mark, and make something of what is no UTF-8. */
function asBytes(arrow: Arrow, vector: Vector | null, type: DataType): Vector | null {
  const { DataType } = arrow;
  const isText = DataType.isUtf8(type) || DataType.isLargeUtf8(type) || DataType.isUtf8View(type);
  if (vector === null || !isText) return vector;
  const bytes = DataType.isUtf8(type)
    ? new arrow.Binary()
    : DataType.isLargeUtf8(type)
      ? new arrow.LargeBinary()
      : new arrow.BinaryView();
  return new arrow.Vector(vector.data.map((data) => data.clone(bytes as DataType)));
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function readerOf(arrow: Arrow, type: DataType, name: string): (value: unknown) => unknown {
  const { DataType } = arrow;
  if (DataType.isDictionary(type)) {
    const read = readerOf(arrow, type.dictionary, name);
    // Only a column of text itself is read as bytes.
    return (value) => (typeof value === 'string' ? value : read(value));
  }
  if (DataType.isTimestamp(type) || DataType.isDate(type)) {
    return (value) => {
      const date = new Date(Math.floor(Number(value)));
      if (Number.isNaN(date.getTime())) throw new TypeError(`column ${show(name)} holds a time that no Date holds`);
      return date;
    };
  }
  if (
    DataType.isBinary(type) ||
    DataType.isLargeBinary(type) ||
    DataType.isFixedSizeBinary(type) ||
    DataType.isBinaryView(type)
  ) {
    return (value) => new Uint8Array(value as Uint8Array);
  }
  if (DataType.isUtf8(type) || DataType.isLargeUtf8(type) || DataType.isUtf8View(type)) {
    return (value) => utf8.decode(value as Uint8Array);
  }
  if (DataType.isBool(type) || DataType.isInt(type) || DataType.isFloat(type) || DataType.isNull(type)) {
    return (value) => value;
  }
  throw new UnsupportedError(
    `column ${show(name)} is of the Arrow type ${type}, which records do not carry; read it with { form: 'table' }`,
  );
}
