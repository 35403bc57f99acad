import type { Codec } from '../codecs/codec.js';
import { InvalidArgumentError } from '../errors.js';
import { show } from '../show.js';
import { type ArrowTable, formOf, type TableForm } from './form.js';
import { loadParquet, type Parquet } from './parquet-wasm.js';
import { loadArrow, toRecords, toTable } from './table.js';

/** How the columns of a Parquet file are compressed. */
export type ParquetCompression = 'none' | 'snappy' | 'gzip' | 'brotli' | 'zstd' | 'lz4';

/** Options of {@link parquet}. */
export interface ParquetOptions {
  /** What comes back; `'records'` by default. */
  readonly form?: TableForm | undefined;
  /** How columns are compressed when they are written; `'snappy'` by default, as others have it. All are read. */
  readonly compression?: ParquetCompression | undefined;
}

/**
 * Arrays of flat records, or Arrow tables, as a Parquet file; by the packages `parquet-wasm` and `apache-arrow`, which must be installed.
 * Values are those of `arrow()`. Files are read and written in the memory of WebAssembly, of at most 4 GiB.
 *
 * @throws InvalidArgumentError for a form or a compression that nobody knows
 */
export function parquet<T extends object = ArrowTable>(options: ParquetOptions & { readonly form: 'table' }): Codec<T>;
export function parquet<T extends object = Record<string, unknown>>(options?: ParquetOptions): Codec<T[]>;
export function parquet(options: ParquetOptions = {}): Codec<object> {
  const form = formOf(options, ['form', 'compression'], 'parquet');
  const { compression = 'snappy' } = options;
  if (!Object.hasOwn(COMPRESSIONS, compression)) {
    const names = Object.keys(COMPRESSIONS).join(', ');
    throw new InvalidArgumentError(`parquet: compression must be one of ${names}; got ${show(compression)}`);
  }
  return {
    name: 'parquet',
    encode: async (value) => {
      const [library, files] = await libraries();
      const stream = library.tableToIPC(toTable(library, value, 'parquet'), 'stream');
      const { Compression, Table, WriterPropertiesBuilder, writeParquet } = files;
      const properties = new WriterPropertiesBuilder().setCompression(Compression[COMPRESSIONS[compression]]).build();
      return writeParquet(Table.fromIPCStream(stream), properties);
    },
    decode: async (stored) => {
      const [library, files] = await libraries();
      const stream = files.readParquet(stored).intoIPCStream();
      const table = library.tableFromIPC(stream);
      return form === 'table' ? table : toRecords(library, table, stream.length);
    },
  };
}

const COMPRESSIONS = {
  none: 'UNCOMPRESSED',
  snappy: 'SNAPPY',
  gzip: 'GZIP',
  brotli: 'BROTLI',
  zstd: 'ZSTD',
  lz4: 'LZ4_RAW',
} as const;

async function libraries(): Promise<[typeof import('apache-arrow'), Parquet]> {
  return [await loadArrow('parquet()'), loadParquet('parquet()')];
}
