import { tmpdir } from 'node:os';
import { resolve } from 'node:path';

/** The parts, in the order in which they run. */
export const PARTS: readonly string[] = [
  'memory',
  'cache',
  'models',
  'files',
  'journal',
  'startup',
  'listing',
  'codecs',
  'wrappers',
  'redis',
  'sql',
  'responses',
  'web',
];

/** What the command line says. */
export interface Options {
  readonly parts: readonly string[];
  /** Little of everything, to see that it runs: its figures mean nothing. */
  readonly quick: boolean;
  /** Where the folders of the parts that use a disk are made. */
  readonly folder: string;
  /** Whether each part gets a new file system instead. */
  readonly fresh: boolean;
}

/** Reads `[parts] [--quick] [--fresh] [--folder=path]`. */
export function parseOptions(words: readonly string[]): Options {
  const parts = words.filter((word) => !word.startsWith('--'));
  const unknown = words.find(
    (word) => word.startsWith('--') && word !== '--quick' && word !== '--fresh' && !word.startsWith('--folder='),
  );
  if (unknown !== undefined) {
    throw new Error(`there is no option ${unknown}; there are --quick, --fresh and --folder=path`);
  }
  const folder = words.find((word) => word.startsWith('--folder='))?.slice('--folder='.length);
  return {
    parts: parts.length === 0 ? PARTS : parts,
    quick: words.includes('--quick'),
    fresh: words.includes('--fresh'),
    folder: folder === undefined ? tmpdir() : resolve(folder),
  };
}
