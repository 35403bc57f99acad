import { createHash } from 'node:crypto';
import { Backend, type Condition, capabilities, type Driver, type Entry, type Page, type ScanRequest } from 'keepsake';

/** A backend for the specs of models: all of them take theirs from here. */
export function openForModels(): Backend {
  return new Backend(new BytesDriver());
}

/** Bytes in a Map, which counts its writes, and can be told to wait or to fail. */
export class BytesDriver implements Driver {
  readonly capabilities = capabilities({
    values: 'bytes',
    conditionalSet: 'process',
    conditionalDelete: 'process',
    update: 'process',
    increment: 'process',
    touch: 'process',
    enumerable: true,
  });
  readonly name = 'bytes';
  readonly stored = new Map<string, Uint8Array>();
  /** The texts that were written, oldest first. */
  readonly written: string[] = [];
  reads = 0;
  removed = 0;
  closed = false;
  #failure: Error | undefined;
  #lateFailure: Error | undefined;
  #gate: Promise<void> | undefined;
  #readGate: Promise<void> | undefined;

  /** Lets every operation from now on wait; what it gives lets them go on. */
  hold(): () => void {
    let release!: () => void;
    this.#gate = new Promise((resolve) => {
      release = () => {
        this.#gate = undefined;
        resolve();
      };
    });
    return release;
  }

  /** Lets reads from now on answer late, with what was there when they began; what it gives lets them go on. */
  holdReads(): () => void {
    let release!: () => void;
    this.#readGate = new Promise((resolve) => {
      release = () => {
        this.#readGate = undefined;
        resolve();
      };
    });
    return release;
  }

  /** Lets the next write or removal fail; `undefined` takes that back. */
  failWith(error: Error | undefined): void {
    this.#failure = error;
  }

  /** Lets the next write take effect and fail all the same, as a connection does that breaks before the answer. */
  failLateWith(error: Error): void {
    this.#lateFailure = error;
  }

  /** The text kept for a key. */
  text(key: string): string | undefined {
    const bytes = this.stored.get(key);
    return bytes && Buffer.from(bytes).toString();
  }

  /** Puts a text there, as somebody else would. */
  put(key: string, text: string): void {
    this.stored.set(key, Buffer.from(text));
  }

  close(): void {
    this.closed = true;
  }

  async read(key: string): Promise<Entry<Uint8Array> | undefined> {
    this.reads++;
    const value = this.stored.get(key);
    await this.#gate;
    await this.#readGate;
    return value && { value, version: version(value) };
  }

  async write(key: string, value: Uint8Array, _: number | undefined, condition?: Condition): Promise<boolean> {
    await this.#pass();
    const current = this.stored.get(key);
    if (condition === 'absent' && current !== undefined) return false;
    if (condition === 'present' && current === undefined) return false;
    if (typeof condition === 'object' && (!current || version(current) !== condition.version)) return false;
    this.stored.set(key, value);
    this.written.push(Buffer.from(value).toString());
    const failure = this.#lateFailure;
    this.#lateFailure = undefined;
    if (failure !== undefined) throw failure;
    return true;
  }

  async remove(key: string): Promise<boolean> {
    await this.#pass();
    this.removed++;
    return this.stored.delete(key);
  }

  async scan({ prefix, values }: ScanRequest): Promise<Page<Uint8Array>> {
    await this.#gate;
    const found = [...this.stored].filter(([key]) => key.startsWith(prefix));
    return { entries: found.map(([key, value]) => (values ? { key, value } : { key })) };
  }

  locate(key: string): string {
    return `bytes/${key}`;
  }

  async #pass(): Promise<void> {
    await (this.#gate ?? new Promise((resolve) => setImmediate(resolve)));
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure;
  }
}

function version(value: Uint8Array): string {
  return createHash('sha1').update(value).digest('base64');
}

/** The text kept for a key of a backend of bytes. */
export async function textOf(backend: Backend, key: string): Promise<string | undefined> {
  const bytes = await backend.get(key);
  return bytes && Buffer.from(bytes).toString();
}

let mode: 'standard' | 'legacy' | undefined;

function probe(...parts: unknown[]): void {
  mode = typeof parts[1] === 'object' ? 'standard' : 'legacy';
}

class Probe {
  @probe property = 1;
}
void Probe;

/** The decorators that these specs were compiled with. */
export const decorators = mode as unknown as 'standard' | 'legacy';

/** The error of what throws, at once or later. */
export async function errorOf(work: () => unknown): Promise<Error & { readonly code?: string }> {
  try {
    await work();
  } catch (error) {
    return error as Error & { readonly code?: string };
  }
  throw new Error('nothing was thrown');
}

/** What is thrown is of this class of errors, and its message fits. */
export async function refuses(work: () => unknown, name: string, message: RegExp = /./): Promise<void> {
  const error = await errorOf(work);
  if (error.name !== name || !message.test(error.message)) {
    throw new Error(`expected ${name} ${message}; got ${error.name}: ${error.message}`, { cause: error });
  }
}
