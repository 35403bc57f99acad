import type { Codec } from '../codecs/codec.js';
import { UnsupportedError } from '../errors.js';
import { type ArrowTable, formOf, type TableForm } from './form.js';
import { loadArrow, toRecords, toTable } from './table.js';

/** Options of {@link arrow}. */
export interface ArrowOptions {
  /** What comes back; `'records'` by default. */
  readonly form?: TableForm | undefined;
}

/**
 * Arrays of flat records, or Arrow tables, as an Arrow IPC file, which is Feather version 2; by the package `apache-arrow`, which must be
 * installed. `arrow<Table>({ form: 'table' })` gives tables back.
 *
 * A column of records holds one type, and null: text (Utf8), numbers (Float64; NaN and -0 too), booleans, bigint of 64 bits (Int64), Date
 * (Timestamp in milliseconds, UTC) or `Uint8Array` (Binary; a Buffer comes back as one). All records have the same properties; what would
 * come back otherwise is refused with an `EncodeError` such as `[3].name`. Tables hold any type.
 *
 * Of what others wrote: integers of 64 bits come as bigint, of fewer as numbers; times lose what is finer than milliseconds; other types
 * are an `UnsupportedError`: read them as a table. So are compressed files, which pandas writes unless told `compression='uncompressed'`,
 * for as long as nobody has registered a codec in apache-arrow's `compressionRegistry`. The format has no checksum.
 * @throws InvalidArgumentError for a form that nobody knows
 */
export function arrow<T extends object = ArrowTable>(options: { readonly form: 'table' }): Codec<T>;
export function arrow<T extends object = Record<string, unknown>>(options?: ArrowOptions): Codec<T[]>;
export function arrow(options: ArrowOptions = {}): Codec<object> {
  const form = formOf(options, ['form'], 'arrow');
  return {
    name: 'arrow',
    encode: async (value) => {
      const library = await loadArrow('arrow()');
      return library.tableToIPC(toTable(library, value, 'arrow'), 'file');
    },
    decode: async (stored) => {
      const library = await loadArrow('arrow()');
      checkMagic(stored);
      // A table holds views on the bytes it is made of, which others may hold.
      const bytes = new Uint8Array(stored);
      try {
        const table = library.tableFromIPC(bytes);
        return form === 'table' ? table : toRecords(library, table, bytes.length);
      } catch (error) {
        if (!(error instanceof Error && error.message.includes('codec not found'))) throw error;
        throw new UnsupportedError(
          `the Arrow file is compressed: write it without, or register a codec in apache-arrow's compressionRegistry`,
          { cause: error },
        );
      }
    },
  };
}

/** What begins and ends an Arrow file. Without a look at it, apache-arrow takes anything for a stream without a table. */
const MAGIC = Buffer.from('ARROW1');

function checkMagic(bytes: Uint8Array): void {
  const isWhole = MAGIC.equals(bytes.subarray(0, MAGIC.length)) && MAGIC.equals(bytes.subarray(-MAGIC.length));
  if (!isWhole || bytes.length < 2 * MAGIC.length) throw new TypeError('these bytes are no Arrow file, or are cut');
}
