import { type FSWatcher, type Stats, watch } from 'node:fs';
import { basename, sep } from 'node:path';
import type { WatchRequest } from '../../backend/driver.js';
import type { Clock } from '../../backend/duration.js';
import { KeepsakeError, StorageError } from '../../errors.js';
import { isExpired, isSame, type Known, look, stamped, stampOf } from './known.js';
import { type Folder, HASHED, type Layout, type Place } from './layout.js';
import { countEvent, onOverflow } from './overflow.js';
import { Settling } from './settling.js';
import { openFolder, Slice, subFolder } from './walk.js';
import { cannotWatch, identify, isMissing, namesBetween, statsOf, Watched } from './watched.js';

/** How a folder is watched; checked. */
export interface WatchSettings {
  readonly layout: Layout;
  readonly clock: Clock;
  /** How long a file must be left alone before it is looked at, in milliseconds. */
  readonly settle: number;
  /** How often to look at everything, in milliseconds; where absent, the system tells what has changed. */
  readonly poll: number | undefined;
}

/** The longest that a timer waits. */
const LONGEST = 2 ** 31 - 1;

/**
 * Tells of the files that others change in a folder and the folders below.
 *
 * The system only says where to look. What has changed is told by content: a digest of each file is remembered, and compared with what is there once the file has been
 * left alone for a while. Each folder is watched by itself: Node's `recursive` watches each file on Linux, and misses those that are replaced.
 *
 * All looking is done by one worker, one step after the other.
 */
export class FolderWatch {
  readonly #settings: WatchSettings;
  readonly #layout: Layout;
  readonly #request: WatchRequest;
  readonly #isUnderWay: (path: string) => boolean;
  readonly #root: Watched;
  /** The names of the folders that lead from the root to all keys of the prefix: nothing else in them is of interest. */
  readonly #path: readonly string[];
  readonly #settling: Settling;
  readonly #slice = new Slice();
  readonly #ignoreOverflow: () => void;
  #polling: NodeJS.Timeout | undefined;
  /** Which folder the root was, so that another in its place is noticed. */
  #identity: string | undefined;
  #started = false;
  #over = false;
  /** Whether everything must be looked at. */
  #lost = false;
  #working: Promise<void> | undefined;
  /** The file that is being read, and whether the driver itself has changed it meanwhile. */
  #reading: { readonly path: string; doubtful: boolean } | undefined;

  /** @param isUnderWay whether the driver itself is changing the file right now */
  constructor(settings: WatchSettings, request: WatchRequest, isUnderWay: (path: string) => boolean) {
    const { layout, settle } = settings;
    this.#settings = settings;
    this.#layout = layout;
    this.#request = request;
    this.#isUnderWay = isUnderWay;
    this.#root = new Watched(layout.root, undefined);
    const start = layout.start(request.prefix);
    // Where no key can have the prefix, nothing in the root is of interest.
    this.#path = start === undefined ? [''] : namesBetween(layout.root.path, start.path);
    this.#settling = new Settling(settle, () => this.#work());
    this.#ignoreOverflow = onOverflow(() => this.#lookAtAll());
  }

  /**
   * Looks at everything once; every change after that is seen.
   * @throws StorageError where a folder cannot be watched or listed
   */
  async start(): Promise<void> {
    const scanning = this.#scan(this.#root);
    this.#working = scanning.catch(() => undefined);
    await scanning;
    this.#working = undefined;
    this.#started = true;
    this.#pollLater();
    this.#settling.schedule();
  }

  /** The driver itself is about to change a file. */
  doubt(path: string): void {
    if (this.#reading?.path === path) this.#reading.doubtful = true;
  }

  /** The driver itself has changed a file. */
  remember({ path, folder }: Place, known: Known | undefined): void {
    const node = this.#nodeAt(folder, known !== undefined);
    const name = path.slice(folder.length + 1);
    if (node === undefined || !this.#isOurs(node, name)) return;
    if (known === undefined || isExpired(known, this.#settings.clock())) node.files.delete(name);
    else node.files.set(name, known);
  }

  /** Ends it: the driver is closed, or it has failed. */
  end(error?: unknown): void {
    if (this.#over) return;
    this.close();
    this.#request.ended(error);
  }

  /** Frees everything. */
  close(): void {
    if (this.#over) return;
    this.#over = true;
    this.#ignoreOverflow();
    clearTimeout(this.#polling);
    this.#settling.close();
    this.#root.close();
  }

  /** Waits until the worker has stopped. */
  async idle(): Promise<void> {
    await this.#working;
  }

  #lookAtAll(): void {
    this.#lost = true;
    this.#work();
  }

  #pollLater(): void {
    const { poll } = this.#settings;
    clearTimeout(this.#polling);
    if (poll === undefined || this.#over) return;
    this.#polling = setTimeout(() => this.#lookAtAll(), Math.min(poll, LONGEST));
  }

  /** Lets the worker do what there is to do. */
  #work(): void {
    if (!this.#started || this.#over || this.#working !== undefined) return;
    this.#working = this.#workOff()
      .catch((error: unknown) => this.end(error))
      .finally(() => {
        this.#working = undefined;
        if (this.#lost) this.#work();
        this.#settling.schedule();
      });
  }

  async #workOff(): Promise<void> {
    while (!this.#over) {
      if (this.#lost) {
        this.#lost = false;
        await this.#scan(this.#root);
        this.#pollLater();
      }
      const next = this.#settling.take();
      if (next === undefined) return;
      if (this.#slice.over) await this.#slice.pause();
      if (next.name === undefined) await this.#checkRoot();
      else if (!next.node.closed) await this.#check(next.node, next.name);
    }
  }

  #onEvent(node: Watched, type: string, name: string | null): void {
    if (this.#over) return;
    countEvent();
    if (name === null) {
      this.#doubtAllOf(node);
      return;
    }
    const isRename = type === 'rename';
    // So the system says that the folder itself was moved or removed.
    if (isRename && name === basename(node.folder.path)) this.#doubtFolder(node);
    if (this.#isOurs(node, name) || (isRename && this.#leads(node, name))) this.#settling.add(node, name, isRename);
  }

  /** The folder itself may be another by now. */
  #doubtFolder(node: Watched): void {
    if (node.parent === undefined) this.#settling.add(node, undefined, true);
    else this.#settling.add(node.parent, basename(node.folder.path), true);
  }

  /** Anything in the folder may have changed. */
  #doubtAllOf(node: Watched): void {
    if (this.#over) return;
    if (node.parent === undefined) this.#lookAtAll();
    else this.#doubtFolder(node);
  }

  async #checkRoot(): Promise<void> {
    if (identify(this.#root.folder.path) !== this.#identity) await this.#scan(this.#root);
  }

  /** Looks at what a name stands for by now. */
  async #check(node: Watched, name: string): Promise<void> {
    const path = node.folder.path + sep + name;
    const stats = statsOf(path);
    if (stats === undefined) this.#checkRootIsThere();
    const sub = stats && this.#leads(node, name) ? this.#subFolder(node, name, stats) : undefined;
    if (sub !== undefined) await this.#scan(node.sub(name) ?? node.add(name, sub));
    else await this.#leave(node.sub(name));
    if (!this.#isOurs(node, name)) return;
    if (this.#isUnderWay(path)) return this.#settling.add(node, name, false);
    const known = stats?.isFile() ? await this.#lookOrLater(path) : undefined;
    if (known === 'doubtful') this.#settling.add(node, name, false);
    else this.#compare(node, name, known);
  }

  /** Remembers what a file holds by now, and tells of it if it differs. */
  #compare(node: Watched, name: string, known: Known | undefined): void {
    const now = this.#settings.clock();
    const before = node.files.get(name);
    const live = known === undefined || isExpired(known, now) ? undefined : known;
    if (live === undefined) node.files.delete(name);
    else node.files.set(name, live);
    if (live === undefined ? before === undefined || isExpired(before, now) : isSame(before, live)) return;
    const key = this.#keyOf(node, name, live ?? before);
    if (key === undefined) return;
    this.#request.changed({ type: live === undefined ? 'delete' : 'set', key });
  }

  /** Watches a folder, again if need be, and looks at all that is in it. */
  async #scan(node: Watched): Promise<void> {
    if (this.#over) return;
    const { folder } = node;
    if (!this.#watch(node)) return this.#leave(node);
    const only = this.#path[node.depth];
    const subs: [string, Folder][] = [];
    const missing = new Set(node.names());
    if (only !== undefined) {
      const stats = only === '' ? undefined : statsOf(folder.path + sep + only);
      const sub = stats && this.#subFolder(node, only, stats);
      if (sub !== undefined) subs.push([only, sub]);
      missing.delete(only);
    } else {
      const handle = openFolder(this.#layout, folder);
      if (handle === undefined) return this.#leave(node);
      try {
        for (let dirent = handle.readSync(); dirent !== null; dirent = handle.readSync()) {
          const { name } = dirent;
          const sub = subFolder(this.#layout, folder, dirent);
          if (sub !== undefined) subs.push([name, sub]);
          else if (dirent.isFile() && this.#isOurs(node, name)) await this.#meet(node, name);
          else continue;
          missing.delete(name);
          if (this.#slice.over) await this.#slice.pause();
          if (this.#over) return;
        }
      } finally {
        handle.closeSync();
      }
    }
    for (const name of missing) this.#settling.add(node, name, true);
    for (const [name, sub] of subs) {
      if (node.closed) return;
      if (this.#leads(node, name)) await this.#scan(node.sub(name) ?? node.add(name, sub));
    }
  }

  /** Looks at a file that a scan has met. */
  async #meet(node: Watched, name: string): Promise<void> {
    const path = node.folder.path + sep + name;
    const before = node.files.get(name);
    const stats = this.#settings.poll === undefined ? undefined : statsOf(path);
    const stamp = stats && stampOf(stats, Date.now());
    if (stamp !== undefined && typeof before === 'object' && before.stamp === stamp) return;
    if (!this.#started) return this.#meetFirst(node, name, path, stamp);
    const known = this.#isUnderWay(path) ? 'doubtful' : await this.#lookOrLater(path);
    if (known === undefined || known === 'doubtful' || !isSame(node.files.get(name), known)) {
      this.#settling.add(node, name, false);
    } else {
      node.files.set(name, stamped(known, stamp));
    }
  }

  /** Before the start nothing is told of; what the driver changes meanwhile it says itself. */
  async #meetFirst(node: Watched, name: string, path: string, stamp: string | undefined): Promise<void> {
    let known = await this.#look(path);
    while (known === 'doubtful') known = await this.#look(path);
    if (known !== undefined && !isExpired(known, this.#settings.clock())) node.files.set(name, stamped(known, stamp));
  }

  /** What a file holds; `'doubtful'` where the driver has changed it meanwhile. */
  async #look(path: string): Promise<Known | 'doubtful' | undefined> {
    const looking = look(path);
    if (!(looking instanceof Promise)) return looking;
    const reading = { path, doubtful: false };
    this.#reading = reading;
    const known = await looking.finally(() => {
      this.#reading = undefined;
    });
    return reading.doubtful ? 'doubtful' : known;
  }

  /** The same; a file that cannot be opened for now is doubtful too. */
  async #lookOrLater(path: string): Promise<Known | 'doubtful' | undefined> {
    try {
      return await this.#look(path);
    } catch (error) {
      if (error instanceof KeepsakeError && error.retryable) return 'doubtful';
      throw error;
    }
  }

  /** Forgets a folder that is not there any more, with all that was in it. */
  async #leave(gone: Watched | undefined): Promise<void> {
    if (gone === undefined) return;
    this.#checkRootIsThere();
    gone.remove();
    for (const node of gone.all()) {
      for (const name of [...node.files.keys()]) {
        // The driver says itself what becomes of a file that it is changing.
        if (!this.#isUnderWay(node.folder.path + sep + name)) this.#compare(node, name, undefined);
        if (this.#slice.over) await this.#slice.pause();
      }
    }
  }

  /** Lets the system tell of changes in a folder, whichever folder has that path by now; whether it is there. */
  #watch(node: Watched): boolean {
    const { path } = node.folder;
    if (node === this.#root) {
      this.#checkRootIsThere();
      this.#identity = identify(path);
    }
    if (this.#settings.poll !== undefined) return node === this.#root || statsOf(path) !== undefined;
    let watcher: FSWatcher;
    try {
      watcher = watch(path, (type, name) => this.#onEvent(node, type, name));
    } catch (error) {
      if (node !== this.#root && isMissing(error)) return false;
      throw cannotWatch(error, path);
    }
    watcher.on('error', () => this.#doubtAllOf(node));
    node.watchBy(watcher);
    return true;
  }

  /** The node of a folder that the driver has written to; it may not have been looked at yet. */
  #nodeAt(folder: string, make: boolean): Watched | undefined {
    let node = this.#root;
    for (const name of namesBetween(this.#root.folder.path, folder)) {
      let sub = node.sub(name);
      const made = make && sub === undefined ? this.#layout.folderOf(node.folder, name) : undefined;
      if (made !== undefined) sub = node.add(name, made);
      if (sub === undefined) return undefined;
      node = sub;
    }
    return node;
  }

  #subFolder(node: Watched, name: string, stats: Stats): Folder | undefined {
    const entry = { name, isDirectory: () => stats.isDirectory(), isSymbolicLink: () => stats.isSymbolicLink() };
    return subFolder(this.#layout, node.folder, entry);
  }

  /** Whether keys of the prefix may be in a folder of this name. */
  #leads(node: Watched, name: string): boolean {
    const only = this.#path[node.depth];
    if (only !== undefined) return only === name;
    const prefix = this.#layout.folderOf(node.folder, name)?.prefix;
    return prefix !== undefined && (prefix.startsWith(this.#request.prefix) || this.#request.prefix.startsWith(prefix));
  }

  /** Whether a file of this name may be of a key of the prefix. */
  #isOurs(node: Watched, name: string): boolean {
    if (node.depth < this.#path.length) return false;
    const key = this.#layout.keyOf(node.folder, name);
    return key === HASHED || key?.startsWith(this.#request.prefix) === true;
  }

  #keyOf(node: Watched, name: string, known: Known | undefined): string | undefined {
    const key = this.#layout.keyOf(node.folder, name);
    if (key !== HASHED) return key;
    const named = typeof known === 'object' ? known.key : undefined;
    if (named === undefined || this.#layout.place(named).path !== node.folder.path + sep + name) return undefined;
    return named.startsWith(this.#request.prefix) ? named : undefined;
  }

  #checkRootIsThere(): void {
    const { path } = this.#root.folder;
    if (identify(path) !== undefined) return;
    throw new StorageError(`the folder ${path} has vanished while it was watched; put it back, and watch it anew`, {
      operation: 'watch',
      path,
    });
  }
}
