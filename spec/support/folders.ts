import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Backend, type FilesOptions, files } from 'keepsake';

/** Folders and backends of one `describe`, cleared away by `clearAway`. */
export class Folders {
  readonly #folders: string[] = [];
  readonly #opened: Backend[] = [];

  /** A new, empty folder. */
  make(): string {
    const folder = realpathSync(mkdtempSync(join(tmpdir(), 'keepsake-')));
    this.#folders.push(folder);
    return folder;
  }

  /** A backend that is closed in the end. */
  open(folder: string, options: FilesOptions = {}): Backend {
    const backend = files(folder, { durability: 'none', ...options });
    this.#opened.push(backend);
    return backend;
  }

  async clearAway(): Promise<void> {
    for (const backend of this.#opened.splice(0)) await backend.close();
    for (const folder of this.#folders.splice(0)) rmSync(folder, { recursive: true, force: true });
  }
}

/** What a promise rejects with. */
export async function rejection(promise: Promise<unknown>): Promise<Error & { code?: string; path?: string }> {
  try {
    await promise;
  } catch (error) {
    return error as Error;
  }
  throw new Error('expected a rejection');
}

/** All of a listing. */
export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

/** The value of a key as text. */
export async function text(backend: Backend, key: string): Promise<string | undefined> {
  const value = await backend.get(key);
  return value === undefined ? undefined : Buffer.from(value).toString();
}
