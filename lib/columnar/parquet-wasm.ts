import { load } from '../codecs/load.js';

/** A table in the memory of WebAssembly, until it is taken out. */
interface RustTable {
  intoIPCStream(): Uint8Array;
}

/** What is used of `parquet-wasm`, whose own types need those of browsers. */
export interface Parquet {
  readonly Compression: Readonly<Record<string, number>>;
  readonly Table: { fromIPCStream(stream: Uint8Array): RustTable };
  readonly WriterPropertiesBuilder: new () => { setCompression(compression: number | undefined): { build(): unknown } };
  writeParquet(table: unknown, properties: unknown): Uint8Array;
  readParquet(file: Uint8Array): RustTable;
}

/** `parquet-wasm`: the Rust implementations of Arrow and Parquet, which check what they read. */
export function loadParquet(what: string): Parquet {
  return load<Parquet>('parquet-wasm', what);
}
