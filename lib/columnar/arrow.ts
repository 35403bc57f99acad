import type { Codec } from '../codecs/codec.js';
import { UnsupportedError } from '../errors.js';
import { streamOf } from './arrow-stream.js';
import { type ArrowTable, formOf, type TableForm } from './form.js';
import { loadParquet, type Parquet } from './parquet-wasm.js';
import { loadArrow, toRecords, toTable } from './table.js';

/** Options of {@link arrow}. */
export interface ArrowOptions {
  /** What comes back; `'records'` by default. */
  readonly form?: TableForm | undefined;
}

/**
 * Arrays of flat records, or Arrow tables, as an Arrow IPC file, which is Feather version 2; by the packages `apache-arrow` and
 * `parquet-wasm`, which must be installed. `arrow<Table>({ form: 'table' })` gives tables back.
 *
 * A column of records holds one type, and null: text (Utf8), numbers (Float64; NaN and -0 too), booleans, bigint of 64 bits (Int64), Date
 * (Timestamp in milliseconds, UTC) or `Uint8Array` (Binary; a Buffer comes back as one). All records have the same properties; what would
 * come back otherwise is refused with an `EncodeError` such as `[3].name`. Tables hold any type.
 *
 * Of what others wrote: integers of 64 bits come as bigint, of fewer as numbers; times lose what is finer than milliseconds; other types
 * are an `UnsupportedError`: read them as a table. So are compressed files, which pandas and pyarrow write unless told
 * `compression='uncompressed'`. The format has no checksum: put it into `gzip(…)` where that matters.
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
      const stream = checked(loadParquet('arrow()'), streamOf(stored));
      const table = library.tableFromIPC(stream);
      return form === 'table' ? table : toRecords(library, table, stream.length);
    },
  };
}

/**
 * The same stream, written anew by the implementation in Rust: apache-arrow believes every offset and length, and takes all memory or all
 * time for a damaged one.
 */
function checked(library: Parquet, stream: Uint8Array): Uint8Array {
  try {
    return library.Table.fromIPCStream(stream).intoIPCStream();
  } catch (cause) {
    if (!(cause instanceof Error && /decompression requires the \w+ feature/.test(cause.message))) throw cause;
    throw new UnsupportedError(
      "the Arrow file is compressed: write it with compression='uncompressed', or use parquet()",
      {
        cause,
      },
    );
  }
}
