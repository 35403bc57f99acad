import { realpathSync, statSync } from 'node:fs';
import { resolve, sep } from 'node:path';
import { Backend } from '../../backend/backend.js';
import { checkOptions } from '../../backend/checks.js';
import { type Clock, type Duration, toMilliseconds } from '../../backend/duration.js';
import { BACKEND_OPTIONS, type BackendOptions } from '../../backend/options.js';
import { InvalidArgumentError, KeepsakeError, OutOfRangeError } from '../../errors.js';
import { show } from '../../show.js';
import { makeFolders } from './calls.js';
import { type BulkReads, FilesDriver } from './driver.js';
import { failure } from './failures.js';
import { Journaled, type JournalOptions } from './journal/journaled.js';
import { Locks } from './locks.js';
import { EncodedLayout } from './names.js';
import { Replacements } from './replacements.js';
import { Temporaries } from './temporaries.js';
import { TreeLayout } from './tree.js';
import { Watches } from './watches.js';
import type { Durability } from './writer.js';

/** Options of {@link files}. */
export interface FilesOptions extends BackendOptions {
  /**
   * What the names of the files end in: a dot, then lower-case letters, digits, `_`, `-` and further dots. `'.bin'` by default; in layout
   * `'tree'` none.
   */
  readonly extension?: string | undefined;
  /**
   * `'encoded'`, the default: each `:` in a key is a folder, and any key works. `'tree'`, for folders that exist already: each `/` is a folder, and names are
   * taken as they are.
   */
  readonly layout?: 'encoded' | 'tree' | undefined;
  /**
   * What has happened when `set` resolves. `'file'`, the default: the contents were synced before they took their place, so that
   * after a power cut the key holds its old or its new value, whole. `'journal'`, for many small writes: the value is in a journal that one sync has made safe
   * together with those of others, and is there after a power cut; its file follows. Only one process can write then. `'none'`: the contents are in place, and left to the
   * operating system.
   */
  readonly durability?: Durability | undefined;
  /**
   * Whether other processes write to the folder too; `false` by default. If so, every one of them must say so: each change then takes a
   * lock for its key, and `capabilities` say `'storage'`.
   */
  readonly shared?: boolean | undefined;
  /** How long a shared key, or a folder that another process writes by a journal, is waited for before a `LockedError`; 10 seconds by default, 0 for not at all. */
  readonly lockTimeout?: Duration | undefined;
  /** Durability `'journal'`: how long a file may lag behind what was acknowledged, while the disk keeps up; 50 milliseconds by default. */
  readonly visibleWithin?: Duration | undefined;
  /** Durability `'journal'`: how often the files are synced, so that the journal need not be read again; 10 seconds by default. */
  readonly checkpointEvery?: Duration | undefined;
  /** Durability `'journal'`: how many bytes a file of the journal takes, of which there are one to three; 64 KiB to 1 GiB, by default 8 MiB. */
  readonly segmentSize?: number | undefined;
  /**
   * Whether only to read; `false` by default. Nothing in the folder is changed then, writes are refused, and the folder must be there. If its last writer died and left what must be replayed first, opening
   * rejects with a `RecoveryNeededError`.
   */
  readonly readOnly?: boolean | undefined;
  /**
   * The folder of temporary files and locks, for layout `'tree'`, which needs one: on the same file system, and neither inside the folder nor around it.
   */
  readonly temporary?: string | undefined;
  /** How often to remove what has expired; never by default: whoever reads an expired entry removes it, and so does `deleteExpired`. */
  readonly sweepEvery?: Duration | null | undefined;
  /**
   * How `entries`, `values`, `getMany` and the listings of models read many files. `'slices'`, the default: one after the other on the main
   * thread, in slices of a few milliseconds, which is the fastest where the files are in memory or on a quick disk. `'concurrent'`: 64 at a time, beside the
   * main thread: for a disk that is slow to answer, such as a network file system, or files that were not read for long.
   */
  readonly bulkReads?: BulkReads | undefined;
  /** How `watch` looks for changes. */
  readonly watch?: FilesWatchOptions | undefined;
  /** The time; `Date.now` by default. */
  readonly clock?: Clock | undefined;
}

/** How {@link files} look for changes that others make. */
export interface FilesWatchOptions {
  /**
   * How long a file must be left alone before a change of it is told, since it may be half written; 50 milliseconds by default. More where others write
   * slowly, such as over a network.
   */
  readonly settle?: Duration | undefined;
  /**
   * Look at every file so often, rather than let the system tell: for disks of a network, of which the system sees no changes that other machines make, and
   * for more folders than it can watch.
   */
  readonly poll?: Duration | undefined;
}

const SETTLE = 50;
const OPTIONS = [
  ...BACKEND_OPTIONS,
  ...['extension', 'layout', 'durability', 'shared', 'lockTimeout', 'temporary', 'sweepEvery', 'clock', 'readOnly'],
  ...['bulkReads', 'watch', 'visibleWithin', 'checkpointEvery', 'segmentSize'],
];
const LAYOUTS = ['encoded', 'tree'];
const DURABILITIES = ['file', 'journal', 'none'];
const JOURNAL_OPTIONS = ['visibleWithin', 'checkpointEvery', 'segmentSize'] as const;
const BULK_READS = ['slices', 'concurrent'];
const EXTENSION = /^(?:\.[a-z0-9_-]+)+$/;
const LONGEST_EXTENSION = 32;

/**
 * A backend of bytes that keeps one file for each key in a folder, which is made when it is first used. A file holds just the bytes of its
 * value, unless it has a deadline or its key is too long for a name.
 *
 * Every write is atomic: a crash or a full disk leaves the old value or the new one, whole. Writes of one key that overlap
 * are coalesced: when the promise of a `set` resolves, its value or a newer one is in place.
 *
 * @example
 * const notes = files('./notes', { extension: '.txt' });
 * await notes.set('shopping:today', 'bread'); // notes/shopping/today.txt
 * @param folder its path, relative to the working directory of the moment
 * @throws InvalidArgumentError for options that make no sense
 */
export function files(folder: string, options: FilesOptions = {}): Backend<Uint8Array> {
  checkOptions(options, OPTIONS, 'files');
  const root = toPath(folder, 'folder');
  const { layout = 'encoded', durability = 'file', shared = false, clock = Date.now, sweepEvery = null } = options;
  const { bulkReads = 'slices' } = options;
  oneOf('layout', layout, LAYOUTS);
  oneOf('durability', durability, DURABILITIES);
  oneOf('bulkReads', bulkReads, BULK_READS);
  const { readOnly = false } = options;
  for (const [option, value] of Object.entries({ shared, readOnly })) {
    if (typeof value !== 'boolean') {
      throw new InvalidArgumentError(`files: ${option} must be true or false; got ${show(value)}`);
    }
  }
  if (typeof clock !== 'function') {
    throw new InvalidArgumentError(`files: clock must be a function that gives milliseconds; got ${show(clock)}`);
  }
  const extension = toExtension(options.extension, layout);
  const temporary = toTemporary(options.temporary, layout);
  const lockTimeout = options.lockTimeout === 0 ? 0 : toMilliseconds(options.lockTimeout ?? 10_000, 'lockTimeout');
  const { settle = SETTLE, poll } = toWatch(options.watch);
  const control = temporary ?? `${root}${sep}.keepsake`;
  const temporaries = new Temporaries();
  const filesLayout = layout === 'tree' ? new TreeLayout(root, extension) : new EncodedLayout(root, extension);
  const replacements = new Replacements();
  const watches = new Watches({
    layout: filesLayout,
    clock,
    settle: toMilliseconds(settle, 'watch.settle'),
    poll: poll === undefined ? undefined : toMilliseconds(poll, 'watch.poll'),
  });
  const journalPlace = { layout: filesLayout, extension, temporaries, replacements, watches, control, lockTimeout };
  const journal = toJournal(options, layout, durability);
  const driver = new FilesDriver({
    name: `files in ${folder}`,
    layout: filesLayout,
    synced: durability === 'file',
    journal: journal && !readOnly ? new Journaled(journalPlace, journal) : undefined,
    journalPlace,
    temporaries,
    replacements,
    watches,
    readOnly,
    clock,
    temporary,
    locks: shared && !readOnly ? new Locks(`${control}${sep}locks`, { timeout: lockTimeout }) : undefined,
    sweepEvery: sweepEvery === null || readOnly ? undefined : toMilliseconds(sweepEvery, 'sweepEvery'),
    bulkReads,
    prepare: () => {
      if (temporary !== undefined) checkTemporary(root, temporary);
    },
  });
  return new Backend(driver, options);
}

function toJournal(
  options: FilesOptions,
  layout: 'encoded' | 'tree',
  durability: Durability,
): JournalOptions | undefined {
  if (durability !== 'journal') {
    const idle = JOURNAL_OPTIONS.find((name) => options[name] !== undefined);
    if (idle === undefined) return undefined;
    throw new InvalidArgumentError(`files: ${idle} is for durability 'journal'; got ${show(durability)}`);
  }
  if (layout === 'tree') {
    throw new InvalidArgumentError(`files: durability 'journal' needs layout 'encoded'; use 'file' with 'tree'`);
  }
  if (options.shared === true) {
    throw new InvalidArgumentError(
      `files: with durability 'journal' one process writes; use 'file' where the folder is shared`,
    );
  }
  const { segmentSize = 8 * 2 ** 20 } = options;
  if (!Number.isInteger(segmentSize) || segmentSize < 2 ** 16 || segmentSize > 2 ** 30) {
    throw new OutOfRangeError(
      `files: segmentSize must be a whole number of 65,536 to 1,073,741,824 bytes; got ${show(segmentSize)}`,
    );
  }
  return {
    visibleWithin: toMilliseconds(options.visibleWithin ?? 50, 'visibleWithin'),
    checkpointEvery: toMilliseconds(options.checkpointEvery ?? 10_000, 'checkpointEvery'),
    segmentSize,
  };
}

function toPath(folder: unknown, name: string): string {
  if (typeof folder !== 'string' || folder === '' || folder.includes('\0')) {
    throw new InvalidArgumentError(`files: ${name} must be the path of a folder; got ${show(folder)}`);
  }
  const path = resolve(folder);
  // The root of the file system ends in a separator, all others do not.
  return path.endsWith(sep) ? path.slice(0, -1) : path;
}

function oneOf(name: string, value: unknown, allowed: readonly string[]): void {
  if (allowed.includes(value as string)) return;
  const choice = allowed.map((one) => `'${one}'`).join(' or ');
  throw new InvalidArgumentError(`files: ${name} must be ${choice}; got ${show(value)}`);
}

function toExtension(extension: unknown, layout: 'encoded' | 'tree'): string {
  if (extension === undefined) return layout === 'tree' ? '' : '.bin';
  if (typeof extension === 'string' && extension.length <= LONGEST_EXTENSION && EXTENSION.test(extension)) {
    // Temporary files and those set aside end in digits.
    if (!/[.-][0-9]+$/.test(extension)) return extension;
  }
  throw new InvalidArgumentError(
    `files: extension must be a dot and then lower-case letters, digits, "_", "-" or further dots, not end in a number, and have at most ${LONGEST_EXTENSION} characters, such as '.json'; got ${show(extension)}`,
  );
}

function toWatch(watch: unknown = {}): FilesWatchOptions {
  checkOptions(watch, ['settle', 'poll'], 'files: watch');
  return watch as FilesWatchOptions;
}

function toTemporary(temporary: unknown, layout: 'encoded' | 'tree'): string | undefined {
  if (layout === 'encoded') {
    if (temporary === undefined) return undefined;
    throw new InvalidArgumentError(
      `files: temporary is for layout 'tree'; layout 'encoded' keeps its own beside the files`,
    );
  }
  if (temporary === undefined) {
    throw new InvalidArgumentError(
      `files: layout 'tree' needs temporary, a folder on the same file system that is not inside the one of the files`,
    );
  }
  return toPath(temporary, 'temporary');
}

/** Checks real paths, since links may lead anywhere. */
function checkTemporary(root: string, temporary: string): void {
  try {
    makeFolders(temporary);
    const folder = realpathSync(root);
    const scratch = realpathSync(temporary);
    if (`${scratch}${sep}`.startsWith(`${folder}${sep}`)) {
      throw new InvalidArgumentError(
        `files: temporary must not be ${scratch === folder ? 'the folder of the files itself' : 'inside the folder of the files'}, or what is in it would be entries; got ${show(temporary)}`,
      );
    }
    if (`${folder}${sep}`.startsWith(`${scratch}${sep}`)) {
      throw new InvalidArgumentError(
        `files: the folder ${show(root)} must not lie inside temporary, ${show(temporary)}`,
      );
    }
    if (statSync(folder).dev !== statSync(scratch).dev) {
      throw new InvalidArgumentError(
        `files: temporary must be on the same file system as the folder, since files are renamed from one to the other; ${show(temporary)} is not`,
      );
    }
  } catch (error) {
    if (error instanceof KeepsakeError || error instanceof InvalidArgumentError) throw error;
    throw failure(error, 'use as temporary', temporary);
  }
}
