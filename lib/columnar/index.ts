export { type ArrowOptions, arrow } from './arrow.js';
export type { CsvType } from './cells.js';
export { type CsvOptions, csv } from './csv.js';
export type { ArrowTable, TableForm } from './form.js';
export { type ParquetCompression, type ParquetOptions, parquet } from './parquet.js';
