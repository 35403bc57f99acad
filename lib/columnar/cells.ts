import { show } from '../show.js';

/** What a column of a CSV file holds. */
export type CsvType = 'text' | 'number' | 'boolean' | 'bigint' | 'date';

/** How values of one type are written in a cell and read from it. */
export interface Cell {
  /** The text, or why there is none, as `[reason]`. */
  write(value: unknown): string | readonly [reason: string];
  /** Throws for text that is none of the type's. An empty cell is not asked about, save of text. */
  read(text: string): unknown;
}

const INTEGER = /^[+-]?[0-9]+$/;
const NUMBER = /^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$/;
/** A date alone is its midnight in UTC, as ISO 8601 has it; a time without a zone could be any. */
const DATE =
  /^([0-9]{4}|[+-][0-9]{6})-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?(Z|[+-][0-9]{2}:[0-9]{2}))?$/;
/** As JavaScript, Python and others write them. */
const SPECIAL: ReadonlyMap<string, number> = new Map([
  ...(['NaN', 'nan'] as const).map((text) => [text, Number.NaN] as const),
  ...(['Infinity', 'inf'] as const).map((text) => [text, Number.POSITIVE_INFINITY] as const),
  ...(['-Infinity', '-inf'] as const).map((text) => [text, Number.NEGATIVE_INFINITY] as const),
]);
const BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ['true', true],
  ['false', false],
  ['True', true],
  ['False', false],
]);

/** The types by name. */
export const CELLS: Readonly<Record<CsvType, Cell>> = {
  text: {
    write: (value) => {
      if (typeof value !== 'string') return ['is no text; say the type in columns'];
      return value.isWellFormed() ? value : ['holds a lone surrogate, which UTF-8 cannot carry'];
    },
    read: (text) => text,
  },
  number: {
    write: (value) => {
      if (typeof value !== 'number') return ['is no number'];
      return Object.is(value, -0) ? '-0' : String(value);
    },
    read: (text) => {
      const number = SPECIAL.get(text) ?? (NUMBER.test(text) ? Number(text) : undefined);
      if (number === undefined) throw new TypeError(`${show(text)} is no number`);
      if (INTEGER.test(text) && !Number.isSafeInteger(number) && String(number) !== text) {
        throw new TypeError(`${text} is more than a number holds exactly; make the column a bigint`);
      }
      return number;
    },
  },
  boolean: {
    write: (value) => (typeof value === 'boolean' ? String(value) : ['is no boolean']),
    read: (text) => {
      const value = BOOLEANS.get(text);
      if (value === undefined) throw new TypeError(`${show(text)} is neither true nor false`);
      return value;
    },
  },
  bigint: {
    write: (value) => (typeof value === 'bigint' ? String(value) : ['is no bigint']),
    read: (text) => {
      if (!INTEGER.test(text)) throw new TypeError(`${show(text)} is no integer`);
      return BigInt(text.startsWith('+') ? text.slice(1) : text);
    },
  },
  date: {
    write: (value) => {
      if (!(value instanceof Date)) return ['is no Date'];
      return Number.isNaN(value.getTime()) ? ['is an invalid Date'] : value.toISOString();
    },
    read: (text) => {
      const date = new Date(DATE.test(text) ? text : Number.NaN);
      if (Number.isNaN(date.getTime())) throw new TypeError(`${show(text)} is no date of ISO 8601 in a known zone`);
      return date;
    },
  },
};
