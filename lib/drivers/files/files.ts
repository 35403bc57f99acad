import { mkdirSync, realpathSync, statSync } from 'node:fs';
import { resolve, sep } from 'node:path';
import { Backend } from '../../backend/backend.js';
import { checkOptions } from '../../backend/checks.js';
import { type Clock, type Duration, toMilliseconds } from '../../backend/duration.js';
import { BACKEND_OPTIONS, type BackendOptions } from '../../backend/options.js';
import { InvalidArgumentError, KeepsakeError } from '../../errors.js';
import { show } from '../../show.js';
import { FilesDriver } from './driver.js';
import { failure } from './failures.js';
import { Locks } from './locks.js';
import { EncodedLayout } from './names.js';
import { TreeLayout } from './tree.js';
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
   * after a power cut the key holds its old or its new value, whole. `'none'`: they are in place, and left to the operating system.
   */
  readonly durability?: Durability | undefined;
  /**
   * Whether other processes write to the folder too; `false` by default. If so, every one of them must say so: each change then takes a
   * lock for its key, and `capabilities` say `'storage'`.
   */
  readonly shared?: boolean | undefined;
  /** How long a shared key is waited for before a `LockedError`; 10 seconds by default. */
  readonly lockTimeout?: Duration | undefined;
  /**
   * The folder of temporary files and locks, for layout `'tree'`, which needs one: on the same file system, and neither inside the folder nor around it.
   */
  readonly temporary?: string | undefined;
  /** How often to remove what has expired; never by default: whoever reads an expired entry removes it, and so does `deleteExpired`. */
  readonly sweepEvery?: Duration | null | undefined;
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
  ...['extension', 'layout', 'durability', 'shared', 'lockTimeout', 'temporary', 'sweepEvery', 'watch', 'clock'],
];
const LAYOUTS = ['encoded', 'tree'];
const DURABILITIES = ['file', 'none'];
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
  oneOf('layout', layout, LAYOUTS);
  oneOf('durability', durability, DURABILITIES);
  if (typeof shared !== 'boolean') {
    throw new InvalidArgumentError(`files: shared must be true or false; got ${show(shared)}`);
  }
  if (typeof clock !== 'function') {
    throw new InvalidArgumentError(`files: clock must be a function that gives milliseconds; got ${show(clock)}`);
  }
  const extension = toExtension(options.extension, layout);
  const temporary = toTemporary(options.temporary, layout);
  const timeout = toMilliseconds(options.lockTimeout ?? 10_000, 'lockTimeout');
  const { settle = SETTLE, poll } = toWatch(options.watch);
  const control = temporary ?? `${root}${sep}.keepsake`;
  const driver = new FilesDriver({
    name: `files in ${folder}`,
    layout: layout === 'tree' ? new TreeLayout(root, extension) : new EncodedLayout(root, extension),
    durability,
    clock,
    temporary,
    locks: shared ? new Locks(`${control}${sep}locks`, { timeout }) : undefined,
    sweepEvery: sweepEvery === null ? undefined : toMilliseconds(sweepEvery, 'sweepEvery'),
    settle: toMilliseconds(settle, 'watch.settle'),
    poll: poll === undefined ? undefined : toMilliseconds(poll, 'watch.poll'),
    prepare: () => {
      if (temporary !== undefined) checkTemporary(root, temporary);
    },
  });
  return new Backend(driver, options);
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
    mkdirSync(temporary, { recursive: true });
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
