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
  /** Whether several keys can be set as one. */
  readonly isAtomic: boolean;
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

/** In little time much is to happen; and nobody may have to wait for a lock that a crash left. */
const EAGER = { durability: 'journal', visibleWithin: 4, checkpointEvery: 10, lockTimeout: 0 } as const;

/** What is proven. */
export const MODES: Readonly<Record<string, Mode>> = {
  file: ofFiles(FILE, { durability: 'file' }),
  none: ofFiles(NONE, { durability: 'none' }),
  'file, tree': ofFiles(FILE, { durability: 'file', layout: 'tree' }),
  'file, shared': ofFiles(FILE, { durability: 'file', shared: true }),
  journal: ofFiles(JOURNAL, { ...EAGER, segmentSize: 256 * 1024 }),
  // Nearly every large value needs a new segment, and many are begun and dropped.
  'journal, small': ofFiles(JOURNAL, { ...EAGER, segmentSize: 64 * 1024 }),
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
    isAtomic: options.durability === 'journal',
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
    isAtomic: false,
    promises: FILE,
    isFreeAtOnce: true,
    open: (disk) => careless(`${disk}/data`, carelessness),
  };
}
