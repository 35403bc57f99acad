import {
  closeSync,
  existsSync,
  fsync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rename,
  renameSync,
  unlinkSync,
  write,
} from 'node:fs';
import { promisify } from 'node:util';
import { Backend, capabilities, type Driver, type Entry, type Page, type ScanRequest } from 'keepsake';

/** What a driver does wrong. */
export type Carelessness = 'nothing' | 'renames before writing' | 'acknowledges before renaming' | 'writes in place';

/** Keeps files in a folder, in a way that a crash can spoil. It knows no deadlines. */
export function careless(folder: string, carelessness: Carelessness): Backend {
  return new Backend(new CarelessDriver(folder, carelessness));
}

class CarelessDriver implements Driver {
  readonly name = 'careless';
  readonly capabilities = capabilities({ values: 'bytes', persistent: true, enumerable: true });
  readonly #folder: string;
  readonly #carelessness: Carelessness;
  /** The last thing under way for each key. */
  readonly #lines = new Map<string, Promise<boolean>>();
  #count = 0;

  constructor(folder: string, carelessness: Carelessness) {
    this.#folder = folder;
    this.#carelessness = carelessness;
  }

  open(): void {
    mkdirSync(this.#folder, { recursive: true });
  }

  read(key: string): Entry<Uint8Array> | undefined {
    try {
      return { value: readFileSync(this.#pathOf(key)) };
    } catch {
      return undefined;
    }
  }

  write(key: string, value: Uint8Array): Promise<boolean> {
    return this.#inTurn(key, () => this.#store(key, value));
  }

  remove(key: string): Promise<boolean> {
    return this.#inTurn(key, async () => {
      if (!existsSync(this.#pathOf(key))) return false;
      unlinkSync(this.#pathOf(key));
      return true;
    });
  }

  #inTurn(key: string, work: () => Promise<boolean>): Promise<boolean> {
    const ended = (this.#lines.get(key) ?? Promise.resolve(true)).then(work);
    this.#lines.set(key, ended);
    return ended;
  }

  async #store(key: string, value: Uint8Array): Promise<boolean> {
    const path = this.#pathOf(key);
    const temporary = `${this.#folder}/%t${process.hrtime.bigint()}-${this.#count++}`;
    const descriptor = openSync(this.#carelessness === 'writes in place' ? path : temporary, 'w');
    if (this.#carelessness === 'renames before writing') renameSync(temporary, path);
    for (let from = 0; from < value.length; ) from += await written(descriptor, value.subarray(from));
    await promisify(fsync)(descriptor);
    closeSync(descriptor);
    if (this.#carelessness === 'nothing') renameSync(temporary, path);
    if (this.#carelessness === 'acknowledges before renaming') rename(temporary, path, () => undefined);
    return true;
  }

  scan({ prefix }: ScanRequest): Page<Uint8Array> {
    const names = readdirSync(this.#folder).filter((name) => !name.startsWith('%t'));
    const keys = names.map((name) => Buffer.from(name, 'hex').toString());
    return { entries: keys.filter((key) => key.startsWith(prefix)).map((key) => ({ key })) };
  }

  #pathOf(key: string): string {
    return `${this.#folder}/${Buffer.from(key).toString('hex')}`;
  }
}

function written(descriptor: number, bytes: Uint8Array): Promise<number> {
  return new Promise((resolve, reject) => {
    write(descriptor, bytes, 0, bytes.length, null, (error, length) =>
      error === null ? resolve(length) : reject(error),
    );
  });
}
