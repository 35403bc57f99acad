import { hash } from 'node:crypto';
import {
  closeSync,
  fstatSync,
  fsyncSync,
  link,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  utimes,
  writeFileSync,
} from 'node:fs';
import { sep } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { LockedError, StorageError } from '../../errors.js';
import { show } from '../../show.js';
import { fileOf, makeFolders, remove } from './calls.js';
import { codeOf, failure } from './failures.js';
import { isGone, isLocal, newOwner, type Owner, parseOwner } from './owner.js';

/** Times of {@link Locks}, in milliseconds. */
export interface LockTimes {
  /** How long a lock is waited for. */
  readonly timeout: number;
  /** How often an owner says that it lives. */
  readonly heartbeatEvery?: number;
  /** After how long a silence an owner whose process cannot be looked at is held for dead. */
  readonly deadAfter?: number;
  /** For how long that silence must have been watched, since the clocks of two hosts may differ. */
  readonly watchedFor?: number;
}

/** What stands in a lock. */
interface Holder {
  readonly id: string;
  /** Absent for a lock that cannot be read. */
  readonly owner: Owner | undefined;
  readonly heartbeat: number;
  /** Whether the lock came with a copy of the folder, so that nobody holds it. */
  readonly copied: boolean;
}

const OWNER = /^owner-[0-9a-f]{16}$/;
const LOCK = /^[0-9a-f]{40}\.lock$/;
const CLAIM = /^([0-9a-f]{40}\.lock(?:\.[0-9a-f]{16})*)\.([0-9a-f]{16})$/;
const UNREADABLE = '0000000000000000';

/**
 * One lock a key, among all processes that use a folder.
 *
 * A lock is a hard link to a file that says who its owner is: so it is made whole, in one step, and the owner keeps all its locks alive by
 * touching one file. The lock of a dead owner is taken over by whoever links the claim `<lock>.<id of the dead>` first: the claim is renamed over the lock
 * if the lock still is that of the dead. Two who find the same dead owner cannot both have it, and neither can remove the lock of a third.
 */
export class Locks {
  readonly #folder: string;
  readonly #owner = newOwner();
  readonly #ownPath: string;
  readonly #times: Required<LockTimes>;
  /** Since when owners whose process cannot be looked at have been silent. */
  readonly #watched = new Map<string, { readonly heartbeat: number; readonly since: number }>();
  #timer: NodeJS.Timeout | undefined;
  #local = false;
  /** When the last sign of life was given. */
  #beatAt = performance.now();

  constructor(folder: string, times: LockTimes) {
    this.#folder = folder;
    this.#ownPath = `${folder}${sep}owner-${this.#owner.id}`;
    this.#times = { heartbeatEvery: 2000, deadAfter: 30_000, watchedFor: 5000, ...times };
  }

  /** Says who the owner of our locks is, and clears away what the dead left. */
  async open(): Promise<void> {
    this.#introduce();
    this.#local = isLocal(this.#folder);
    this.#timer = setInterval(() => this.#beat(), this.#times.heartbeatEvery).unref();
    await this.#clearAway();
  }

  /** Ends the ownership; no lock may be held any more. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await remove(this.#ownPath);
  }

  /**
   * Runs `work` while holding the lock of a key. In one driver, only one may ask for a key at a time.
   * @throws LockedError when the lock did not come free in time
   */
  async hold<T>(key: string, work: () => Promise<T>, timeout?: number): Promise<T> {
    await this.acquire(key, show(key), timeout);
    try {
      return await work();
    } finally {
      await this.release(key);
    }
  }

  /**
   * Takes the lock of a key, until `release`.
   * @param what is locked, for messages
   * @throws LockedError when it did not come free in time
   */
  async acquire(key: string, what: string, timeout = this.#times.timeout): Promise<void> {
    await this.#acquire(this.lockOf(key), key, what, timeout);
  }

  /** Lets go of the lock of a key. */
  async release(key: string): Promise<void> {
    await this.#release(this.lockOf(key));
  }

  /**
   * Checks that nobody has taken a lock from us, where we were silent for so long that somebody might: stopped, or on a machine that was.
   * @throws LockedError
   */
  checkHeld(key: string): void {
    if (performance.now() - this.#beatAt < this.#times.deadAfter / 2) return;
    const lock = this.lockOf(key);
    if (look(lock)?.id === this.#owner.id) return;
    throw new LockedError(`this process was silent for so long that another one took ${lock}; open the folder anew`, {
      path: lock,
    });
  }

  /** Whether somebody who lives, as far as one can tell, has the lock of a key; looks, and takes nothing. */
  isHeld(key: string): boolean {
    const lock = this.lockOf(key);
    const holder = look(lock);
    this.#local = isLocal(this.#folder);
    return holder !== undefined && !this.#isDead(holder, lock);
  }

  /** The path of the lock of a key. */
  lockOf(key: string): string {
    return `${this.#folder}${sep}${hash('sha256', key, 'hex').slice(0, 40)}.lock`;
  }

  async #acquire(lock: string, key: string, what: string, timeout: number): Promise<void> {
    const end = performance.now() + timeout;
    for (let attempt = 0; ; attempt++) {
      if (await this.#link(lock)) return;
      const holder = look(lock);
      if (holder !== undefined) {
        // A link that was made although the answer was lost, as network file systems may do.
        if (holder.id === this.#owner.id) return;
        if (this.#isDead(holder, lock) && (await this.#takeOver(lock, holder.id))) return;
      }
      if (performance.now() >= end) {
        const who = holder?.owner === undefined ? 'somebody' : `process ${holder.owner.pid} on ${holder.owner.host}`;
        throw new LockedError(`${what} is locked by ${who}, and did not come free within ${timeout} ms (${lock})`, {
          key,
          path: lock,
        });
      }
      if (holder !== undefined || attempt > 0) await wait(1 + Math.random() * Math.min(49, attempt));
    }
  }

  async #release(lock: string): Promise<void> {
    // Who was held for dead, stopped for long, may find that another owner has the lock now.
    if (look(lock)?.id === this.#owner.id) await remove(lock);
  }

  /** Whether the lock is ours now: no other link of that name was there. */
  async #link(path: string): Promise<boolean> {
    for (let attempt = 0; ; attempt++) {
      const error = await new Promise<NodeJS.ErrnoException | null>((resolve) => link(this.#ownPath, path, resolve));
      if (error === null) return true;
      if (error.code === 'EEXIST' || error.code === 'EMLINK') return false;
      if (error.code === 'ENOENT' && attempt < 3) {
        // Somebody cleared our folder away.
        this.#introduce();
        continue;
      }
      if (error.code === 'EPERM' || error.code === 'ENOTSUP' || error.code === 'ENOSYS') {
        const message = `cannot lock ${path}: the file system has no hard links, which locks are made of`;
        throw new StorageError(message, { path, cause: error });
      }
      throw failure(error, 'lock', path);
    }
  }

  async #takeOver(path: string, dead: string): Promise<boolean> {
    const claim = `${path}.${dead}`;
    if (!(await this.#link(claim))) {
      const holder = look(claim);
      const ours = holder?.id === this.#owner.id;
      if (
        !ours &&
        (holder === undefined || !this.#isDead(holder, claim) || !(await this.#takeOver(claim, holder.id)))
      ) {
        return false;
      }
    }
    if (look(path)?.id === dead) {
      try {
        renameSync(claim, path);
        return true;
      } catch (error) {
        throw failure(error, 'take over', path);
      }
    }
    await remove(claim);
    return false;
  }

  #isDead({ id, owner, heartbeat, copied }: Holder, path: string): boolean {
    if (copied) return true;
    if (owner !== undefined) {
      const gone = isGone(owner, this.#local);
      if (gone !== undefined) return gone;
    }
    const name = owner === undefined ? path : id;
    const watched = this.#watched.get(name);
    const now = performance.now();
    if (watched?.heartbeat !== heartbeat) {
      this.#watched.set(name, { heartbeat, since: now });
      return this.#times.watchedFor === 0 && Date.now() - heartbeat > this.#times.deadAfter;
    }
    return Date.now() - heartbeat > this.#times.deadAfter && now - watched.since >= this.#times.watchedFor;
  }

  #introduce(): void {
    try {
      makeFolders(this.#folder);
      const descriptor = openSync(this.#ownPath, 'w');
      try {
        writeFileSync(descriptor, JSON.stringify({ ...this.#owner, file: fileOf(descriptor) }));
        // A power cut could leave locks that do not say whose they are, and that are waited for until their silence tells.
        fsyncSync(descriptor);
      } finally {
        closeSync(descriptor);
      }
    } catch (error) {
      throw failure(error, 'write', this.#ownPath);
    }
  }

  #beat(): void {
    const now = Date.now() / 1000;
    // A folder that vanished is made again when a lock is needed.
    utimes(this.#ownPath, now, now, (error) => {
      if (error === null) this.#beatAt = performance.now();
    });
  }

  /** Removes what owners left who are dead for sure: their files, their locks, and their claims to locks that others have by now. */
  async #clearAway(): Promise<void> {
    for (const name of readdirSync(this.#folder)) {
      const path = this.#folder + sep + name;
      if (!OWNER.test(name) && !LOCK.test(name) && !CLAIM.test(name)) continue;
      const holder = look(path);
      if (holder?.owner === undefined || !this.#isDead(holder, path)) continue;
      if (LOCK.test(name)) {
        if (await this.#takeOver(path, holder.id)) await this.#release(path);
      } else if (OWNER.test(name)) {
        await remove(path);
      } else {
        const [, lock, dead] = CLAIM.exec(name) ?? [];
        // The id of a dead owner never comes back, so nobody can need the claim.
        if (look(`${this.#folder}${sep}${lock}`)?.id !== dead) await remove(path);
      }
    }
  }
}

/** Who holds a lock; `undefined` when it is free. */
function look(path: string): Holder | undefined {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(path, 'r');
    const owner = parseOwner(readFileSync(descriptor, 'utf8'));
    const copied = owner?.file !== undefined && owner.file !== fileOf(descriptor);
    return { id: owner?.id ?? UNREADABLE, owner, heartbeat: fstatSync(descriptor).mtimeMs, copied };
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw failure(error, 'read the lock', path);
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}
