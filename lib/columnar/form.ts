import { checkOptions } from '../backend/checks.js';
import { InvalidArgumentError } from '../errors.js';
import { show } from '../show.js';

/** What keepsake's types know of a `Table` of `apache-arrow`, so that they need not be installed. */
export interface ArrowTable {
  readonly numRows: number;
  readonly numCols: number;
}

/** What comes back: `'records'`, an array of flat objects, or `'table'`, a `Table` of `apache-arrow`. Both are written. */
export type TableForm = 'records' | 'table';

/** The form that options ask for. */
export function formOf(options: { readonly form?: TableForm | undefined }, known: readonly string[], what: string) {
  checkOptions(options, known, what);
  const { form = 'records' } = options;
  if (form === 'records' || form === 'table') return form;
  throw new InvalidArgumentError(`${what}: form must be 'records' or 'table'; got ${show(form)}`);
}
