import { checkOptions } from '../backend/checks.js';
import type { SynchronousCodec } from '../codecs/codec.js';
import { load } from '../codecs/load.js';
import { put } from '../codecs/plain.js';
import { InvalidArgumentError } from '../errors.js';
import { show } from '../show.js';
import { CELLS, type Cell, type CsvType } from './cells.js';
import { columnsOf, refuse } from './records.js';

/** Options of {@link csv}. */
export interface CsvOptions {
  /** The columns and what each holds, in the order in which they are written. Without, the first record says, and all is text. */
  readonly columns?: Readonly<Record<string, CsvType>> | undefined;
  /** What stands between cells: one character that is no quote and no line break; `','` by default. */
  readonly delimiter?: string | undefined;
}

/**
 * An array of flat records as a CSV file (RFC 4180) with a header, read by the package `csv-parse`, which must be installed.
 *
 * What comes back is what `columns` say, and nothing is guessed: `'text'`, `'number'` (NaN and infinities too), `'boolean'`, `'bigint'`, and
 * `'date'` (ISO 8601, to the millisecond; one without a zone is an error). An empty cell is `''` in a column of text, and `null` in others.
 * Without `columns` all is text.
 *
 * All records have the same properties; what would come back otherwise is refused with an `EncodeError` such as `[3].name`: another type,
 * null in a column of text, undefined, nested values, lone surrogates. Text that begins with `=` is written as it is: a spreadsheet may run it.
 * @throws UnsupportedError where `csv-parse` is not installed
 * @throws InvalidArgumentError for a type that nobody knows, and for such a delimiter
 */
export function csv<T extends object = Record<string, string>>(options: CsvOptions = {}): SynchronousCodec<T[]> {
  checkOptions(options, ['columns', 'delimiter'], 'csv');
  const { delimiter = ',' } = options;
  if (typeof delimiter !== 'string' || !/^[^"\r\n\ufeff\ud800-\udfff]$/.test(delimiter)) {
    throw new InvalidArgumentError(
      `csv: delimiter must be one character that is no quote and no line break; got ${show(delimiter)}`,
    );
  }
  const cells = options.columns === undefined ? undefined : cellsOf(options.columns);
  const { parse } = load<typeof import('csv-parse/sync')>('csv-parse/sync', 'csv()');
  const settings = { delimiter, record_delimiter: ['\r\n', '\n', '\r'], bom: true };
  return {
    name: 'csv',
    encode: (value) => Buffer.from(write(value, delimiter, cells)),
    decode: (bytes) => {
      const [header, ...lines] = parse(utf8.decode(bytes), settings) as string[][];
      if (header === undefined && cells === undefined) return [];
      const names = checkHeader(header ?? [], cells);
      return lines.map((line, index) => recordOf(line, names, cells, index) as T);
    },
  };
}

// csv-parse removes a byte order mark by itself, and only one that is outside of quotes.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function cellsOf(columns: unknown): ReadonlyMap<string, Cell> {
  if (typeof columns !== 'object' || columns === null || Object.keys(columns).length === 0) {
    throw new InvalidArgumentError(`csv: columns must be an object such as { name: 'text' }; got ${show(columns)}`);
  }
  return new Map(
    Object.entries(columns).map(([name, type]) => {
      if (typeof type === 'string' && Object.hasOwn(CELLS, type)) return [name, CELLS[type as CsvType]];
      throw new InvalidArgumentError(
        `csv: column ${show(name)} must be one of ${Object.keys(CELLS).join(', ')}; got ${show(type)}`,
      );
    }),
  );
}

function write(value: unknown, delimiter: string, cells: ReadonlyMap<string, Cell> | undefined): string {
  const { names, rows } = columnsOf(value, 'csv', cells && [...cells.keys()]);
  if (names.length === 0) return '';
  const special = new RegExp(`["\\r\\n\\ufeff]|${delimiter.replace(/[^A-Za-z0-9]/g, '\\$&')}`);
  const quote = (text: string): string =>
    text === '' || special.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  const lines = rows.map((row, index) =>
    names.map((name) => {
      const item = row[name];
      const cell = cells?.get(name) ?? CELLS.text;
      if (item === null && cell !== CELLS.text) return '';
      const written = cell.write(item);
      if (typeof written === 'string') return quote(written);
      throw refuse(item, item === null ? 'would come back as empty text' : written[0], index, name);
    }),
  );
  return [names.map(quote), ...lines].map((line) => `${line.join(delimiter)}\r\n`).join('');
}

function checkHeader(header: readonly string[], cells: ReadonlyMap<string, Cell> | undefined): readonly string[] {
  const twice = header.find((name, index) => header.indexOf(name) !== index);
  if (twice !== undefined) throw new TypeError(`there are two columns ${show(twice)}`);
  const foreign = cells && header.find((name) => !cells.has(name));
  if (foreign !== undefined) throw new TypeError(`there is a column ${show(foreign)}, which columns do not name`);
  const missing = cells && [...cells.keys()].find((name) => !header.includes(name));
  if (missing !== undefined) throw new TypeError(`there is no column ${show(missing)}`);
  return header;
}

function recordOf(
  line: readonly string[],
  names: readonly string[],
  cells: ReadonlyMap<string, Cell> | undefined,
  index: number,
): Record<string, unknown> {
  const record: Record<string, unknown> = {};
  for (const [at, name] of names.entries()) {
    const cell = cells?.get(name) ?? CELLS.text;
    const text = line[at] as string;
    try {
      put(record, name, text === '' && cell !== CELLS.text ? null : cell.read(text));
    } catch (error) {
      throw new TypeError(`record ${index}, column ${show(name)}: ${(error as Error).message}`, { cause: error });
    }
  }
  return record;
}
