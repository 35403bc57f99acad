/** A statement as the server takes it, made once. */
export interface Statement {
  readonly text: string;
  /** What its parameters are called, in the order of their places; one may have several. */
  readonly parameters: readonly string[];
  /** How many rows it answers. */
  readonly rows: 'none' | 'one' | 'many';
  /** Whether it changes anything. */
  readonly writes: boolean;
}

/** Values for the parameters of a statement. */
export type Values = Readonly<Record<string, unknown>>;

/** A statement to be run. */
export interface Call {
  readonly statement: Statement;
  readonly values: Values;
}

/** What a column holds, as the client gives it. */
export type Row = Readonly<Record<string, unknown>>;

/** What a statement came to. */
export interface Result {
  readonly rows: readonly Row[];
  /** How many rows were changed, by the count of the server. */
  readonly affected: number;
  /** What MySQL calls the last inserted id; 0 where there is none. */
  readonly mark: number;
}

/** The values in the order of their places. */
export function bind({ parameters }: Statement, values: Values): unknown[] {
  return parameters.map((name) => values[name]);
}
