import { ConnectionError, InvalidArgumentError, OutOfRangeError } from '../errors.js';
import { show } from '../show.js';
import type { ConnectionInformation, ConnectionRequest } from './messages.js';

/** Options of {@link Connection.lines}. */
export interface LinesOptions {
  /** How many bytes a line may have, from 1 to 65,535; 16,384 by default. Longer ones make the iteration throw a `ConnectionError`. */
  readonly maximum?: number | undefined;
}

const LINE_FEED = 0x0a;

/** What a connection needs of those who hold it. */
export interface ConnectionHost {
  /** Whether what has arrived may be read. */
  readonly delivering: boolean;
  request(request: ConnectionRequest): void;
  /** A reader has come back for more, or gone. */
  settled(): void;
}

/**
 * A client's connection, which the supervisor owns: it stays when the generations change. What is written goes to the client in order; what arrives is
 * read by one `for await` at a time, of chunks or of `lines()`. What nobody has read when the generations change, the next one reads; for lines, also the
 * beginning of one.
 *
 * What follows from something read belongs to this generation as long as the loop has not come back for more.
 */
export class Connection implements AsyncIterable<Buffer> {
  /** Names the connection in all generations: a session field may hold it. */
  readonly id: string;
  /** The client's address. */
  readonly remoteAddress: string | undefined;
  /** The client's port. */
  readonly remotePort: number | undefined;
  /** The port that it connected to. */
  readonly localPort: number | undefined;
  /** Whether a former generation had it already. */
  readonly inherited: boolean;
  /** Resolves when the connection is closed, by whichever side. */
  readonly closed: Promise<void>;

  readonly #host: ConnectionHost;
  #arrived: Buffer = Buffer.alloc(0);
  #ended = false;
  #isClosed = false;
  #finished = false;
  #unsent = 0;
  #handlers = 0;
  #iterating = false;
  #wake: (() => void) | undefined;
  #drained: (() => void)[] = [];
  #close: () => void = () => undefined;

  /** Made by keepsake. */
  constructor(information: ConnectionInformation, host: ConnectionHost) {
    this.id = information.id;
    this.remoteAddress = information.remoteAddress;
    this.remotePort = information.remotePort;
    this.localPort = information.localPort;
    this.inherited = information.inherited;
    this.#host = host;
    this.closed = new Promise((resolve) => {
      this.#close = resolve;
    });
  }

  /** Whether something can still be written. */
  get writable(): boolean {
    return !this.#finished && !this.#isClosed;
  }

  /** How many bytes were written and have not left the supervisor. */
  get unsent(): number {
    return this.#unsent;
  }

  /**
   * Sends text (as UTF-8) or bytes. On a connection that is closed or ended it does nothing.
   * @returns whether the client keeps up; if not, `await drained()` before there is more to send
   */
  write(data: string | Uint8Array): boolean {
    if (typeof data !== 'string' && !(data instanceof Uint8Array)) {
      throw new InvalidArgumentError(`write: data must be text or a Uint8Array; got ${show(data)}`);
    }
    const bytes = typeof data === 'string' ? Buffer.from(data) : data;
    if (!this.writable || bytes.byteLength === 0) return this.#unsent < 65_536;
    this.#unsent += bytes.byteLength;
    this.#host.request({ type: 'write', id: this.id, data: bytes });
    return this.#unsent < 65_536;
  }

  /** Resolves when the client has kept up with what was written, or the connection is closed. */
  drained(): Promise<void> {
    if (this.#unsent < 65_536 || this.#isClosed) return Promise.resolve();
    return new Promise((resolve) => this.#drained.push(resolve));
  }

  /** Sends the rest, if given, and ends this side; what the client sends can still be read. */
  end(data?: string | Uint8Array): void {
    if (data !== undefined) this.write(data);
    if (!this.writable) return;
    this.#finished = true;
    this.#host.request({ type: 'finish', id: this.id });
  }

  /** Closes the connection at once. */
  destroy(): void {
    if (this.#isClosed) return;
    this.#finished = true;
    this.#host.request({ type: 'destroy', id: this.id });
  }

  /** What arrives, in chunks as they come. */
  [Symbol.asyncIterator](): AsyncGenerator<Buffer, void, undefined> {
    return this.#read(() => this.#take(this.#arrived.length));
  }

  /**
   * What arrives, in lines: UTF-8, without the line feed, and without a carriage return before it. A rest without a line feed is a line when the client ends.
   * @throws ConnectionError for a line that is too long
   */
  lines(options: LinesOptions = {}): AsyncGenerator<string, void, undefined> {
    const { maximum = 16_384 } = options;
    if (!Number.isInteger(maximum) || maximum < 1 || maximum > 65_535) {
      throw new OutOfRangeError(`lines: maximum must be from 1 to 65,535 bytes; got ${show(maximum)}`);
    }
    return this.#read(() => this.#takeLine(maximum));
  }

  #takeLine(maximum: number): string | undefined {
    const end = this.#arrived.indexOf(LINE_FEED);
    const length = end === -1 ? this.#arrived.length : end;
    if (length > maximum) {
      throw new ConnectionError(
        `a line of ${this.remoteAddress} has more than ${maximum} bytes; allow more by { maximum }`,
      );
    }
    if (end === -1 && !this.#ended) return undefined;
    const line = this.#take(end === -1 ? length : end + 1);
    return line?.toString('utf8').replace(/\r?\n$/, '');
  }

  #take(bytes: number): Buffer | undefined {
    if (bytes === 0) return undefined;
    const taken = this.#arrived.subarray(0, bytes);
    this.#arrived = this.#arrived.subarray(bytes);
    this.#host.request({ type: 'read', id: this.id, bytes });
    return taken;
  }

  async *#read<T>(take: () => T | undefined): AsyncGenerator<T, void, undefined> {
    if (this.#iterating) throw new InvalidArgumentError('the connection is read already; one loop at a time can');
    this.#iterating = true;
    try {
      for (;;) {
        const item = this.#host.delivering ? take() : undefined;
        if (item !== undefined) {
          yield item;
        } else if (this.#host.delivering && (this.#ended || this.#isClosed)) {
          return;
        } else {
          const woken = new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
          this.#host.settled();
          await woken;
        }
      }
    } finally {
      this.#iterating = false;
      this.#host.settled();
    }
  }

  /** Whether something that was read is still being dealt with; for keepsake itself. */
  get busy(): boolean {
    return (this.#handlers > 0 || this.#iterating) && this.#wake === undefined;
  }

  /** Whether somebody waits for the client to read; for keepsake itself. */
  get slow(): boolean {
    return this.#drained.length > 0;
  }

  /** What has arrived and was not read; for keepsake itself. */
  get unread(): Buffer {
    return this.#arrived;
  }

  /** Counts a function that deals with it as busy; for keepsake itself. */
  async handle(handler: () => unknown): Promise<void> {
    this.#handlers++;
    try {
      await handler();
    } finally {
      this.#handlers--;
      this.#host.settled();
    }
  }

  /** Something arrived, ended, closed or left; for keepsake itself. */
  receive(what: Buffer | 'end' | 'close' | number): void {
    if (typeof what === 'number') {
      this.#unsent -= what;
    } else if (what === 'end') {
      this.#ended = true;
    } else if (what === 'close') {
      this.#isClosed = true;
      this.#close();
    } else {
      this.#arrived = this.#arrived.length === 0 ? what : Buffer.concat([this.#arrived, what]);
    }
    if (this.#unsent < 65_536 || this.#isClosed) for (const resolve of this.#drained.splice(0)) resolve();
    this.wake();
  }

  /** Lets a reader look again; for keepsake itself. */
  wake(): void {
    if (!this.#host.delivering) return;
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}
