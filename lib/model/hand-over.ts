import { hash, randomBytes } from 'node:crypto';
import { lstatSync } from 'node:fs';
import { open, readFile, rename, unlink } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { HandOverError, StorageError } from '../errors.js';
import { show } from '../show.js';
import type { Serialised } from './serialised.js';

/** What the first line of the file says of the second. */
interface Header {
  readonly format: string;
  readonly version: number;
  /** What the service is called. */
  readonly service: string;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  /** SHA-256 of the second line. */
  readonly digest: string;
}

const FORMAT = 'keepsake hand-over';
const VERSION = 1;

/** Writes the serialised form of a service for the next process: synced, in one step, readable by this user alone. */
export async function writeHandOver(path: string, serialised: Serialised, service: string, now: number): Promise<void> {
  const body = JSON.stringify(serialised);
  const header: Header = { format: FORMAT, version: VERSION, service, createdAt: now, digest: digestOf(body) };
  try {
    await writeFileAtomic(path, `${JSON.stringify(header)}\n${body}\n`, { mode: 0o600 });
    const folder = await open(dirname(resolve(path)), 'r');
    try {
      await folder.sync().catch(ignoreUnsupported);
    } finally {
      await folder.close();
    }
  } catch (error) {
    throw new StorageError(`cannot hand over to ${path}: ${error instanceof Error ? error.message : String(error)}`, {
      operation: 'handOver',
      path,
      cause: error,
    });
  }
}

function ignoreUnsupported(error: NodeJS.ErrnoException): void {
  // Windows does not sync folders, nor do some network file systems.
  if (!['EPERM', 'EINVAL', 'ENOTSUP', 'EISDIR', 'EBADF'].includes(error.code ?? '')) throw error;
}

/** A file that was taken: nobody else has it. */
export class Taken {
  readonly #path: string;
  readonly #taken: string;

  private constructor(path: string, taken: string) {
    this.#path = path;
    this.#taken = taken;
  }

  /** Takes the file; `undefined` if there is none, or somebody else was faster. */
  static async take(path: string): Promise<Taken | undefined> {
    const taken = `${path}.taken-${process.pid}-${randomBytes(4).toString('hex')}`;
    try {
      await rename(path, taken);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw new StorageError(`cannot take over ${path}: ${(error as Error).message}`, { path, cause: error });
    }
    return new Taken(path, taken);
  }

  /**
   * What is in it.
   * @throws HandOverError for what is damaged, of another user or service, of a later version, or too old
   */
  async read(service: string, maxAge: number, now: number): Promise<Serialised> {
    const stats = lstatSync(this.#taken);
    if (!stats.isFile()) throw this.#wrong('it is no regular file');
    if (process.getuid !== undefined && (stats.uid !== process.getuid() || (stats.mode & 0o022) !== 0)) {
      throw this.#wrong('it belongs to another user, or others may write to it');
    }
    const text = await readFile(this.#taken, 'utf8');
    const end = text.indexOf('\n');
    let header: Partial<Header> | null;
    try {
      header = JSON.parse(text.slice(0, end)) as Partial<Header> | null;
    } catch (cause) {
      throw this.#wrong('its first line is no JSON', cause);
    }
    if (header?.format !== FORMAT) throw this.#wrong('it is no hand-over of keepsake');
    if (header.version !== VERSION) {
      throw this.#wrong(`it has version ${show(header.version)} of the format; this keepsake reads ${VERSION}`);
    }
    const body = text.slice(end + 1, -1);
    if (header.digest !== digestOf(body)) throw this.#wrong('it is damaged: its contents do not fit their digest');
    if (header.service !== service) {
      throw this.#wrong(`it is of the service ${show(header.service)}, and this one is ${show(service)}`);
    }
    const age = now - Number(header.createdAt);
    if (!(age <= maxAge)) throw this.#wrong(`it is ${age} ms old, and at most ${maxAge} are taken`);
    return JSON.parse(body) as Serialised;
  }

  #wrong(why: string, cause?: unknown): HandOverError {
    return new HandOverError(`${this.#path} is not taken over: ${why}`, {
      operation: 'takeOver',
      path: this.#path,
      cause,
    });
  }

  /** Removes it: it was restored. */
  async end(): Promise<void> {
    await unlink(this.#taken);
  }

  /** Puts it back for the next process to try. */
  async giveBack(): Promise<void> {
    await rename(this.#taken, this.#path);
  }

  /** Puts it where nobody takes it, for a person to look at; answers where. */
  async setAside(now: number): Promise<string> {
    const aside = `${this.#path}.refused-${Math.trunc(now)}`;
    await rename(this.#taken, aside);
    return aside;
  }
}

function digestOf(text: string): string {
  return hash('sha256', text, 'hex');
}
