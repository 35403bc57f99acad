import { close, existsSync, fstatSync, fsync, mkdirSync, open, rmdir, unlink } from 'node:fs';
import { dirname } from 'node:path';
import { codeOf, failure } from './failures.js';

/** What a function of `node:fs` calls at its end. */
export type Done<T> = (error: NodeJS.ErrnoException | null, value: T) => void;

/** A call of a function of `node:fs`, as a promise. */
export function call<T = void>(start: (done: Done<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    start((error, value) => (error === null ? resolve(value) : reject(error)));
  });
}

/**
 * Makes safe what is written in a file, or which names a folder holds. One that is not there is passed over; so is a folder on a system that cannot sync one.
 */
export async function syncPath(path: string, folder: boolean): Promise<void> {
  let descriptor: number;
  try {
    descriptor = await call<number>((done) => open(path, 'r', done));
  } catch (error) {
    const code = codeOf(error);
    if (code === 'ENOENT' || code === 'ENOTDIR' || (folder && process.platform === 'win32')) return;
    throw error;
  }
  try {
    await call((done) => fsync(descriptor, done));
  } catch (error) {
    if (!folder || process.platform !== 'win32') throw error;
  } finally {
    await call((done) => close(descriptor, done));
  }
}

/** Names an open file on its disk: its copy has another name, since a number is given to another file later, but not at the same time. */
export function fileOf(descriptor: number): string {
  const { ino, birthtimeNs } = fstatSync(descriptor, { bigint: true });
  return `${ino}-${birthtimeNs}`;
}

/**
 * Deletes a file; whether it was there.
 * @throws StorageError
 */
export async function remove(path: string): Promise<boolean> {
  try {
    await call((done) => unlink(path, done));
    return true;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false;
    throw failure(error, 'delete', path);
  }
}

/** Deletes a folder, if it is empty. */
export async function removeFolder(path: string): Promise<void> {
  await call((done) => rmdir(path, done)).catch(() => undefined);
}

/**
 * Makes a folder, and those above it; answers the first that was missing.
 * @throws NodeJS.ErrnoException of the folder that could not be made
 */
export function makeFolders(path: string): string | undefined {
  try {
    return mkdirSync(path, { recursive: true });
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
    // Node says so as well where a folder that is there cannot take another (a read-only disk); this call fails for the true reason.
    let missing = path;
    while (!existsSync(dirname(missing))) missing = dirname(missing);
    try {
      mkdirSync(missing);
    } catch (reason) {
      if (codeOf(reason) !== 'EEXIST') throw reason;
    }
    mkdirSync(path, { recursive: true });
    return missing;
  }
}
