import { lstatSync } from 'node:fs';
import { dirname, sep } from 'node:path';
import { KeepsakeError, RecoveryNeededError, StorageError } from '../../../errors.js';
import { removeFolder, syncPath } from '../calls.js';
import { codeOf, failure } from '../failures.js';
import type { Layout } from '../layout.js';
import { Locks } from '../locks.js';
import { bootOf } from '../owner.js';
import type { FileEntry } from '../reader.js';
import type { Replacements } from '../replacements.js';
import type { Temporaries } from '../temporaries.js';
import type { Watches } from '../watches.js';
import { Writer } from '../writer.js';
import { Follower } from './follower.js';
import { findJournal, segmentsIn } from './found.js';
import type { Change } from './frame.js';
import { Journal } from './journal.js';
import { needsReplay, replay } from './replay.js';

/** Times and sizes of a journal. */
export interface JournalOptions {
  /** How long a file may lag behind, in milliseconds. */
  readonly visibleWithin: number;
  /** How often the files are synced, in milliseconds. */
  readonly checkpointEvery: number;
  /** How many bytes a segment takes. */
  readonly segmentSize: number;
}

/** Where a journal is, and what it is of. */
export interface JournalPlace {
  readonly layout: Layout;
  readonly temporaries: Temporaries;
  readonly replacements: Replacements;
  readonly watches: Watches;
  /** What the names of the files end in. */
  readonly extension: string;
  /** The folder of what is not entries. */
  readonly control: string;
  /** How long the folder is waited for, in milliseconds. */
  readonly lockTimeout: number;
}

const LOCK = 'writer';
/** How many paths a warning names. */
const SHOWN = 5;

/** Files with a journal before them: a change is safe in the journal first, and comes to its file soon. */
export class Journaled {
  readonly #place: JournalPlace;
  readonly #options: JournalOptions;
  readonly #folder: string;
  readonly #locks: Locks;
  #journal: Journal | undefined;
  #follower: Follower | undefined;

  constructor(place: JournalPlace, options: JournalOptions) {
    this.#place = place;
    this.#options = options;
    this.#folder = folderOf(place);
    this.#locks = new Locks(this.#folder, { timeout: place.lockTimeout });
  }

  /**
   * Takes the folder, and replays what the writer before left.
   * @param outermost the folder in which that of the files was made, or would have been
   * @throws LockedError when another writer has it
   * @throws CorruptDataError when what was left is damaged
   */
  async open(outermost: string): Promise<void> {
    const { layout, temporaries, replacements, watches } = this.#place;
    const after = await take(this.#place, this.#locks);
    try {
      await syncNames(this.#place, outermost);
      const checkOwner = () => this.#locks.checkHeld(LOCK);
      const writer = new Writer({ layout, synced: false, temporaries, replacements });
      const follower = new Follower(
        {
          layout,
          writer,
          watches,
          ...this.#options,
          checkOwner,
          isLost: () => journal.isLost,
          mark: (progress) => journal.mark(progress),
        },
        after,
      );
      const journal = new Journal({
        folder: this.#folder,
        segmentSize: this.#options.segmentSize,
        boot: bootOf(),
        extension: this.#place.extension,
        after,
        checkOwner,
        committed: (changes, sequence, time) => follower.committed(changes, sequence, time),
        makeRoom: async () => {
          await follower.follow();
          await follower.checkpoint();
        },
      });
      this.#journal = journal;
      this.#follower = follower;
    } catch (error) {
      await leave(this.#locks, this.#folder);
      throw error;
    }
  }

  /** Brings everything into the files, makes them safe, deletes the journal and lets go of the folder. */
  async close(): Promise<void> {
    const journal = this.#journal as Journal;
    const follower = this.#follower as Follower;
    let failed: unknown;
    try {
      await journal.end();
      await follower.follow();
      await follower.checkpoint();
    } catch (error) {
      failed = error;
    }
    try {
      await follower.stop();
      await journal.close(failed === undefined && !journal.isLost);
    } finally {
      await leave(this.#locks, this.#folder);
    }
    if (failed === undefined) return;
    if (journal.isLost) throw failed;
    const why = failed instanceof Error ? failed.message : String(failed);
    throw new StorageError(
      `${why}. What was not written is safe in the journal, and is when the folder is opened again`,
      {
        path: this.#folder,
        cause: failed,
      },
    );
  }

  /** Makes changes safe, all of them or none. */
  commit(changes: readonly Change[]): Promise<void> {
    return (this.#journal as Journal).commit(changes);
  }

  /** What stands for the file of a key that lags behind: its entry, or `null` for a deleted one. `undefined` where the file itself counts. */
  find(key: string): FileEntry | null | undefined {
    return (this.#follower as Follower).find(key);
  }

  /** The keys whose files lag behind. */
  keys(): string[] {
    return (this.#follower as Follower).keys();
  }

  /** Brings everything into the files that is safe by now. */
  follow(): Promise<void> {
    return (this.#follower as Follower).follow();
  }
}

/**
 * Replays what a writer with a journal left in a folder, for those who write without.
 * @throws LockedError while there is such a writer
 */
export async function replayLeft(place: JournalPlace): Promise<void> {
  const folder = folderOf(place);
  if (!isThere(folder)) return;
  const locks = new Locks(folder, { timeout: place.lockTimeout });
  await take(place, locks);
  await leave(locks, folder);
}

/**
 * For those who only read.
 * @throws RecoveryNeededError where a writer died, and left what its files do not hold
 */
export function checkReplayed(place: JournalPlace): void {
  const folder = folderOf(place);
  if (segmentsIn(folder).length === 0) return;
  if (new Locks(folder, { timeout: 0 }).isHeld(LOCK)) return;
  const found = findJournal(folder);
  if (found === undefined || !needsReplay(found, bootOf())) return;
  throw new RecoveryNeededError(
    `the last writer of ${place.layout.root.path} died, and ${folder} holds what its files do not; open the folder for writing once, which brings it in`,
    { path: folder },
  );
}

/** Locks the folder and replays what was left; answers the sequence of the last change. */
async function take(place: JournalPlace, locks: Locks): Promise<number> {
  const { layout, temporaries, replacements, control } = place;
  const folder = folderOf(place);
  try {
    await locks.open();
    await locks.acquire(LOCK, `the folder ${layout.root.path}`);
  } catch (error) {
    await locks.close();
    throw error;
  }
  try {
    const found = findJournal(folder);
    if (found === undefined) return 0;
    if (found.changes.size > 0 && found.extension !== place.extension) throw otherExtension(place, found.extension);
    const writer = new Writer({ layout, synced: true, temporaries, replacements });
    const displaced = await replay(found, { layout, writer, folder, boot: bootOf() });
    if (displaced.length > 0) {
      const paths = displaced.slice(0, SHOWN).join(', ') + (displaced.length > SHOWN ? ', …' : '');
      const message = `${displaced.length} files were set aside after a crash, since what was saved and what was found are not the same; merge them by hand, or delete them: ${paths}`;
      process.emitWarning(message, { type: 'KeepsakeWarning', code: 'KEEPSAKE_DISPLACED' });
    }
    return found.last;
  } catch (error) {
    await leave(locks, folder);
    throw error instanceof KeepsakeError ? error : failure(error, 'replay the journal in', control);
  }
}

/**
 * Makes safe that the folder of the journal can be found: a file system need not do so when it syncs what is inside. Who made the folders may have
 * died before that.
 */
async function syncNames({ control, layout }: JournalPlace, outermost: string): Promise<void> {
  for (let path = control; ; path = dirname(path)) {
    try {
      await syncPath(path, true);
    } catch (error) {
      // What is around the folder of the files may be closed to readers.
      if (codeOf(error) === 'EACCES' && path.length < layout.root.path.length) return;
      throw failure(error, 'sync the folder', path);
    }
    if (path === outermost || path === dirname(path)) return;
  }
}

async function leave(locks: Locks, folder: string): Promise<void> {
  try {
    await locks.release(LOCK);
  } finally {
    await locks.close();
  }
  await removeFolder(folder);
  await removeFolder(dirname(folder));
}

function otherExtension({ layout, extension }: JournalPlace, found: string): StorageError {
  const { path } = layout.root;
  return new StorageError(
    `the last writer of ${path} died, and left changes of files that end in "${found}", not "${extension}"; open the folder with extension: '${found}' once, which brings them in`,
    { path },
  );
}

function folderOf({ control }: JournalPlace): string {
  return `${control}${sep}journal`;
}

function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}
