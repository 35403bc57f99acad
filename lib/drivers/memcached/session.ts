import { connect, type NetConnectOpts, type Socket } from 'node:net';
import { AccessDeniedError, ConnectionError, StorageError, TimeoutError, UnsupportedError } from '../../errors.js';

/** What is sent: a line without its end, and the block of data that follows it. */
export interface Command {
  readonly head: string;
  readonly data?: readonly Uint8Array[] | undefined;
  /** How large the item is that it would store, by the server's count. */
  readonly size?: number | undefined;
}

/** What a meta command is answered. */
export interface Reply {
  /** `HD` done, `VA` with a value, `EN` a miss, `NF` not found, `NS` not stored, `EX` another compare-and-set token, `MN` after a quiet batch. */
  readonly code: string;
  /** The flags, each a letter and what belongs to it. */
  readonly flags: readonly string[];
  readonly value?: Buffer | undefined;
  /** The run of the server that answered, see {@link Session.run}. */
  readonly run: string;
}

/** How to come to a session. */
export interface SessionOptions {
  readonly place: NetConnectOpts;
  /** What is connected, for messages. */
  readonly where: string;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
}

/** One that waits for an answer. Answers come in the order of questions. */
interface Waiting {
  /** By `performance.now()`. */
  readonly started: number;
  /** Whether its time begins again whenever something comes, since it is one of many. */
  readonly patient: boolean;
  /** Whether it was told that it is late. Its answer is still to come. */
  late?: boolean;
  /** Takes a line; says whether the answer is complete with it. */
  readonly line: (line: string) => boolean;
  /** Takes a reply of the meta protocol; says whether the answer is complete. Absent where none is expected. */
  readonly reply?: (reply: Reply) => boolean;
  readonly reject: (error: Error) => void;
}

const CODES = new Set(['HD', 'VA', 'EN', 'NF', 'NS', 'EX', 'MN']);
/** Longer than any line that memcached writes: a key of 250 bytes, each percent-encoded, and some numbers. */
const LONGEST_LINE = 4096;
/** The largest item that any memcached can be told to take. */
const LARGEST_ITEM = 2 ** 30;
const END_OF_LINE = Buffer.from('\r\n');

/** One connection to memcached, on which commands are pipelined. It ends at the first thing that does not belong there. */
export class Session {
  readonly #socket: Socket;
  readonly #options: SessionOptions;
  readonly #timeout: number;
  readonly #waiting: Waiting[] = [];
  /** How many of `#waiting` have been answered, since removing the first of an array costs its length. */
  #answered = 0;
  #run = '';
  #itemLimit = Number.POSITIVE_INFINITY;
  #failure: Error | undefined;
  #timer: NodeJS.Timeout | undefined;
  #progress = 0;
  #corked = false;
  /** What has come and was not read yet. */
  #chunks: Buffer[] = [];
  #held = 0;
  /** So many bytes must be there before there is anything to read. */
  #needed = 1;
  /** The reply whose value is coming. */
  #coming: { readonly code: string; readonly flags: readonly string[]; readonly length: number } | undefined;
  #drained: (() => void) | undefined;

  /** @param timeout how long an answer may take, in milliseconds */
  constructor(options: SessionOptions, timeout: number) {
    this.#options = options;
    this.#timeout = timeout;
    this.#socket = connect(options.place);
    this.#socket.setNoDelay(true);
    this.#socket.on('data', (chunk) => this.#take(chunk));
    this.#socket.on('error', (error) => this.#fail(this.#broken(error)));
    this.#socket.on('close', () => this.#fail(this.#broken()));
  }

  /** Whether commands can be sent. */
  get alive(): boolean {
    return this.#failure === undefined;
  }

  /** Names the run of the server: another one after each start, as its compare-and-set tokens begin anew then. Known once it has greeted. */
  get run(): string {
    return this.#run;
  }

  /**
   * Says who we are, and learns who answers.
   * @param started when what needs the session was begun, by `performance.now()`
   */
  async greet(started: number): Promise<void> {
    const { username, password, where } = this.#options;
    const first = username === undefined ? undefined : this.#authenticate(username, password ?? '', started);
    const statistics = this.#statistics('stats', started);
    const settings = this.#statistics('stats settings', started);
    await Promise.all([first, statistics, settings]);
    const known = await statistics;
    const version = known.get('version') ?? '';
    const [, major = '0', minor = '0'] = /^(\d+)\.(\d+)/.exec(version) ?? [];
    if (Number(major) < 1 || (Number(major) === 1 && Number(minor) < 6)) {
      throw new UnsupportedError(
        `${where}: memcached 1.6 or newer is needed; this server says ${version || 'nothing'}`,
      );
    }
    const begun = Number(known.get('time')) - Number(known.get('uptime'));
    this.#run = `${begun.toString(36)}.${Number(known.get('pid')).toString(36)}`;
    const limit = Number((await settings).get('item_size_max'));
    if (limit > 0) this.#itemLimit = limit;
  }

  /** Sends a meta command. */
  send(command: Command, started: number, patient = false): Promise<Reply> {
    const { size = 0 } = command;
    if (size > this.#itemLimit) return Promise.reject(this.#tooLarge(size));
    return new Promise<Reply>((resolve, reject) => {
      this.#ask(command, {
        started,
        patient,
        reject,
        line: (line) => this.#refused(line, reject),
        reply: (reply) => {
          resolve(reply);
          return true;
        },
      });
    });
  }

  /** Sends `mg` commands of which only those are answered that find something (`q`), and gives those answers. */
  sendQuietly(heads: readonly string[], started: number): Promise<Reply[]> {
    return new Promise<Reply[]>((resolve, reject) => {
      const replies: Reply[] = [];
      this.#ask(
        { head: `${heads.join('\r\n')}\r\nmn` },
        {
          started,
          patient: true,
          reject,
          // A refusal ends nothing: the end of the batch is still to come.
          line: (line) => {
            this.#refused(line, reject);
            return false;
          },
          reply: (reply) => {
            if (reply.code === 'MN') resolve(replies);
            else if (reply.code === 'VA') replies.push(reply);
            else this.#fail(this.#garbage(reply.code));
            return reply.code === 'MN';
          },
        },
      );
    });
  }

  /**
   * Sends a command that is answered by lines, up to one that says `END`.
   * @param take is given each line
   * @returns what the server says in place of it, where it does not want to
   */
  sendForLines(head: string, take: (line: string) => void, started: number): Promise<string | undefined> {
    return new Promise((resolve, reject) => {
      const line = (text: string): boolean => {
        if (text === 'END') resolve(undefined);
        else if (/^(BUSY|BADCLASS|ERROR|CLIENT_ERROR|SERVER_ERROR)\b/.test(text)) resolve(text);
        else {
          take(text);
          return false;
        }
        return true;
      };
      this.#ask({ head }, { started, patient: true, reject, line });
    });
  }

  /** Waits for what is under way, which has its deadlines, and ends the connection. */
  async close(): Promise<void> {
    if (this.alive && this.#answered < this.#waiting.length) {
      await new Promise<void>((resolve) => {
        this.#drained = resolve;
      });
    }
    this.destroy(this.#broken());
  }

  /** Ends the connection now. */
  destroy(why: Error): void {
    this.#fail(why);
  }

  #authenticate(username: string, password: string, started: number): Promise<void> {
    const text = Buffer.from(`${username} ${password}`);
    return new Promise((resolve, reject) => {
      const line = (answer: string): boolean => {
        if (answer === 'STORED') resolve();
        else reject(this.#denied(answer));
        return true;
      };
      // A server that wants no password takes it for an item: one that has expired from the start.
      const command = { head: `set keepsake 0 -1 ${text.length}`, data: [text] };
      this.#ask(command, { started, patient: false, reject, line });
    });
  }

  async #statistics(head: string, started: number): Promise<Map<string, string>> {
    const found = new Map<string, string>();
    const take = (line: string) => {
      const [, name = '', value = ''] = /^STAT (\S+) ?(.*)$/.exec(line) ?? [];
      if (name === '') this.#fail(this.#garbage(line));
      found.set(name, value);
    };
    const refusal = await this.sendForLines(head, take, started);
    if (refusal !== undefined) throw this.#explain(refusal);
    return found;
  }

  #ask({ head, data }: Command, waiting: Waiting): void {
    if (this.#failure !== undefined) {
      waiting.reject(this.#failure);
      return;
    }
    const left = waiting.started + this.#timeout - performance.now();
    if (left <= 0) {
      waiting.reject(this.#late());
      return;
    }
    this.#waiting.push(waiting);
    this.#timer ??= setTimeout(() => setImmediate(() => this.#expire()), left);
    if (!this.#corked) {
      // What is asked in one turn goes out together.
      this.#corked = true;
      this.#socket.cork();
      process.nextTick(() => {
        this.#corked = false;
        this.#socket.uncork();
      });
    }
    this.#socket.write(`${head}\r\n`);
    if (data === undefined) return;
    for (const bytes of data) this.#socket.write(bytes);
    this.#socket.write(END_OF_LINE);
  }

  #take(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#held += chunk.length;
    this.#progress = performance.now();
    if (this.#held < this.#needed) return;
    const bytes = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks);
    const rest = bytes.subarray(this.#read(bytes));
    this.#chunks = rest.length === 0 ? [] : [rest];
    this.#held = rest.length;
  }

  /** Reads what is complete; answers where the rest begins. */
  #read(bytes: Buffer): number {
    let at = 0;
    while (this.alive) {
      if (this.#coming !== undefined) {
        const { code, flags, length } = this.#coming;
        const end = at + length;
        this.#needed = length + 2;
        if (bytes.length < end + 2) break;
        if (bytes[end] !== 13 || bytes[end + 1] !== 10) {
          this.#fail(this.#garbage('a value that does not end where it should'));
          break;
        }
        this.#coming = undefined;
        this.#reply({ code, flags, value: bytes.subarray(at, end), run: this.#run });
        at = end + 2;
        continue;
      }
      const end = bytes.indexOf(10, at);
      if ((end < 0 ? bytes.length : end) - at > LONGEST_LINE) this.#fail(this.#garbage('a line without end'));
      if (end < 0) {
        this.#needed = bytes.length - at + 1;
        break;
      }
      // The lines of a dump end without a carriage return.
      this.#line(bytes.toString('latin1', at, bytes[end - 1] === 13 && end > at ? end - 1 : end));
      at = end + 1;
    }
    return at;
  }

  #line(line: string): void {
    const waiting = this.#waiting[this.#answered];
    if (waiting === undefined) {
      this.#fail(this.#explain(line));
      return;
    }
    if (waiting.reply === undefined) {
      if (waiting.line(line)) this.#done();
      return;
    }
    const [code = '', ...flags] = line.split(' ');
    if (!CODES.has(code)) {
      if (waiting.line(line)) this.#done();
      return;
    }
    if (code !== 'VA') {
      this.#reply({ code, flags, run: this.#run });
      return;
    }
    const [length = '', ...rest] = flags;
    if (!/^\d{1,10}$/.test(length) || Number(length) > LARGEST_ITEM) this.#fail(this.#garbage(line));
    else this.#coming = { code, flags: rest, length: Number(length) };
  }

  #reply(reply: Reply): void {
    if (this.#waiting[this.#answered]?.reply?.(reply)) this.#done();
  }

  /** Takes a line that is no reply of the meta protocol, where one was expected. */
  #refused(line: string, reject: (error: Error) => void): boolean {
    const error = this.#explain(line);
    reject(error);
    // After anything else, what the server takes for a command is no longer what we do.
    if (!line.startsWith('SERVER_ERROR ')) this.#fail(error);
    return true;
  }

  #done(): void {
    this.#answered++;
    if (this.#answered === this.#waiting.length) {
      this.#waiting.length = 0;
      this.#answered = 0;
      clearTimeout(this.#timer);
      this.#timer = undefined;
      this.#drained?.();
    } else if (this.#answered === 1024) {
      this.#waiting.splice(0, this.#answered);
      this.#answered = 0;
    }
  }

  /**
   * Rejects what is late: with the connection, unless answers to others are coming. One timer serves all. It comes here by way of what is
   * immediate: where this process was busy for long, the answers that are there already are read before.
   */
  #expire(): void {
    this.#timer = undefined;
    const now = performance.now();
    let next = Number.POSITIVE_INFINITY;
    for (const waiting of this.#waiting.slice(this.#answered)) {
      if (waiting.late === true) continue;
      const left =
        (waiting.patient ? Math.max(waiting.started, this.#progress) : waiting.started) + this.#timeout - now;
      if (left > 0) {
        next = Math.min(next, left);
        continue;
      }
      if (waiting === this.#waiting[this.#answered] || now - this.#progress >= this.#timeout) {
        this.#fail(this.#late());
        return;
      }
      waiting.late = true;
      waiting.reject(this.#late());
    }
    if (next < Number.POSITIVE_INFINITY) this.#timer = setTimeout(() => setImmediate(() => this.#expire()), next);
  }

  #fail(why: Error): void {
    if (this.#failure !== undefined) return;
    this.#failure = why;
    clearTimeout(this.#timer);
    this.#socket.destroy();
    this.#chunks = [];
    const left = this.#waiting.splice(0).slice(this.#answered);
    this.#answered = 0;
    for (const { reject } of left) reject(why);
    this.#drained?.();
  }

  #late(): TimeoutError {
    const { where } = this.#options;
    return new TimeoutError(`${where} did not answer within ${this.#timeout} ms; it may still take effect`);
  }

  #broken(cause?: Error & { readonly code?: string }): ConnectionError {
    const why = cause === undefined ? 'the server has ended it' : cause.message || cause.code;
    return new ConnectionError(
      `${this.#options.where}: the connection failed: ${why}; what was under way may still take effect`,
      { retryable: true, cause },
    );
  }

  #garbage(line: string): ConnectionError {
    return new ConnectionError(
      `${this.#options.where}: what answers there does not speak the protocol of memcached: check host and port; it says ${JSON.stringify(line.slice(0, 80))}`,
      { retryable: this.#run !== '' },
    );
  }

  #denied(line: string): Error {
    const { where } = this.#options;
    if (!line.startsWith('CLIENT_ERROR')) return this.#explain(line);
    return new AccessDeniedError(`${where}: the server refuses the user or the password: ${line}`);
  }

  #tooLarge(size: number): StorageError {
    return new StorageError(
      `${this.#options.where}: the item would have ${size} bytes, and the server takes ${this.#itemLimit}; store less, compress it (gzip), or start memcached with a larger -I`,
    );
  }

  /** What an answer means that is no reply of the meta protocol. */
  #explain(line: string): Error {
    const { where } = this.#options;
    if (/^CLIENT_ERROR unauthenticated/.test(line)) {
      return new AccessDeniedError(`${where}: the server wants a user and a password: give username and password`);
    }
    if (/^SERVER_ERROR object too large/.test(line)) {
      return new StorageError(
        `${where}: the value is larger than the server takes; store less, compress it (gzip), or start memcached with a larger -I`,
      );
    }
    if (line.startsWith('SERVER_ERROR ')) {
      return new StorageError(`${where}: ${line.slice('SERVER_ERROR '.length)}`, { retryable: true });
    }
    if (/^ERROR Too many/i.test(line)) {
      return new ConnectionError(`${where}: ${line.slice('ERROR '.length)}`, { retryable: true });
    }
    if (/^(ERROR|CLIENT_ERROR)\b/.test(line)) {
      return new UnsupportedError(`${where}: the server does not know what it was asked; it says: ${line}`);
    }
    return this.#garbage(line);
  }
}
