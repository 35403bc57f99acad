import { type Backend, type FilesOptions, files } from 'keepsake';
import { type Carelessness, careless } from './careless.js';
import type { Crash } from './crash.js';
import type { Promised } from './judge.js';

/** A way to keep entries, and what it promises. */
export interface Mode {
  /** What ends a folder in a key. */
  readonly separator: ':' | '/';
  readonly hasDeadlines: boolean;
  readonly hasLongKeys: boolean;
  readonly promises: Readonly<Record<Crash, Promised>>;
  /** Whether it can be written to as soon as it is opened after a power cut. */
  readonly isFreeAtOnce: boolean;
  /** @param disk the path of an empty folder, or one that was used before */
  open(disk: string, clock: () => number): Backend;
}

const FILE = { process: 'acknowledged', ordered: 'synced', replacing: 'synced', unordered: 'whole' } as const;
const NONE = { process: 'acknowledged', ordered: 'nothing', replacing: 'replaced', unordered: 'nothing' } as const;
const JOURNAL = {
  process: 'acknowledged',
  ordered: 'acknowledged',
  replacing: 'acknowledged',
  unordered: 'acknowledged',
} as const;

/** The journal's row: to be put into the table when there is one. */
export const JOURNAL_MODES: Readonly<Record<string, Mode>> = {
  journal: ofFiles(JOURNAL, { durability: 'journal' as never }),
};

/** What is proven. */
export const MODES: Readonly<Record<string, Mode>> = {
  file: ofFiles(FILE, { durability: 'file' }),
  none: ofFiles(NONE, { durability: 'none' }),
  'file, tree': ofFiles(FILE, { durability: 'file', layout: 'tree' }),
  'file, shared': ofFiles(FILE, { durability: 'file', shared: true }),
};

/** What keeps less than it promises, so that the proof can be seen to fail. */
export const CARELESS_MODES: Readonly<Record<string, Mode>> = {
  'does not sync': ofFiles(FILE, { durability: 'none' }),
  'does nothing wrong': ofCareless('nothing'),
  'renames before writing': ofCareless('renames before writing'),
  'acknowledges before renaming': ofCareless('acknowledges before renaming'),
  'writes in place': ofCareless('writes in place'),
};

function ofFiles(promises: Mode['promises'], options: FilesOptions): Mode {
  const isTree = options.layout === 'tree';
  return {
    separator: isTree ? '/' : ':',
    hasDeadlines: true,
    hasLongKeys: !isTree,
    promises,
    isFreeAtOnce: options.shared !== true,
    open: (disk, clock) =>
      files(`${disk}/data`, { ...options, clock, ...(isTree ? { temporary: `${disk}/scratch` } : {}) }),
  };
}

function ofCareless(carelessness: Carelessness): Mode {
  return {
    separator: ':',
    hasDeadlines: false,
    hasLongKeys: false,
    promises: FILE,
    isFreeAtOnce: true,
    open: (disk) => careless(`${disk}/data`, carelessness),
  };
}
