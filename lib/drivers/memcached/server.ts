import { setTimeout } from 'node:timers/promises';
import { Rendezvous } from '../../backend/rendezvous.js';
import { ClosedError, StorageError, UnsupportedError } from '../../errors.js';
import { type Command, type Reply, Session, type SessionOptions } from './session.js';

/** What an item is called that a dump lists, and when memcached forgets it. */
export interface Dumped {
  /** The key, percent-encoded. */
  readonly key: string;
  /** Seconds since 1970 by the server's clock; -1 for never. */
  readonly expires: number;
}

/** The first wait before connecting again, in milliseconds; doubled with every failure. */
const FIRST_WAIT = 10;
const LONGEST_WAIT = 1000;
/** How often a dump is asked for that came out empty on a server which has items. */
const DUMPS = 20;

/**
 * One server of memcached. The first command connects, and after the connection broke, the next one does so again, not sooner than a while after
 * the last failure. What fails rejects: no command is sent twice.
 */
export class Server extends Rendezvous {
  readonly #options: SessionOptions;
  readonly #timeout: number;
  #session: Session | undefined;
  #connecting: Promise<Session> | undefined;
  #unfinished: Session | undefined;
  readonly #dumping = new Set<Session>();
  /** A server makes one dump at a time. */
  #lastDump: Promise<unknown> = Promise.resolve();
  #failures = 0;
  #failedAt = 0;
  readonly #closing = new AbortController();

  /**
   * @param name its place, by which keys find it
   * @param timeout how long connecting, and each command, may take, in milliseconds
   */
  constructor(name: string, options: SessionOptions, timeout: number) {
    super(name);
    this.#options = options;
    this.#timeout = timeout;
  }

  /** Connects, if that is due. */
  async open(): Promise<void> {
    await this.#connected(performance.now());
  }

  /**
   * Sends a command.
   * @param run the run of the server that it is meant for; another one is taken as one that has another value
   */
  async send(command: Command, run?: string): Promise<Reply> {
    const started = performance.now();
    const session = this.#alive() ?? (await this.#connected(started));
    if (run !== undefined && run !== session.run) return { code: 'EX', flags: [], run: session.run };
    return session.send(command, started);
  }

  /** Sends commands together; rejects with the first failure when all are answered. */
  async sendAll(commands: readonly Command[]): Promise<Reply[]> {
    const started = performance.now();
    const session = this.#alive() ?? (await this.#connected(started));
    const ended = await Promise.allSettled(commands.map((command) => session.send(command, started, true)));
    return ended.map((one) => {
      if (one.status === 'rejected') throw one.reason;
      return one.value;
    });
  }

  /** Sends commands of which only some are answered, and gives the answers. */
  async sendQuietly(heads: readonly string[]): Promise<Reply[]> {
    const started = performance.now();
    const session = this.#alive() ?? (await this.#connected(started));
    return session.sendQuietly(heads, started);
  }

  /**
   * Lists the items of the server, those that are there throughout surely. The dump has a connection of its own, on which others need not wait
   * for its end.
   * @param start what the percent-encoded keys wanted start with
   */
  dump(start: string): Promise<Dumped[]> {
    const dumping = this.#lastDump.then(() => this.#dump(start));
    this.#lastDump = dumping.catch(() => undefined);
    return dumping;
  }

  /** Waits for what is under way, which has its deadlines, and ends the connections. */
  async close(): Promise<void> {
    this.#closing.abort();
    const closed = this.#isClosed();
    this.#unfinished?.destroy(closed);
    for (const session of this.#dumping) session.destroy(closed);
    await this.#connecting?.catch(() => undefined);
    await this.#session?.close();
    await this.#lastDump;
    this.#session = undefined;
  }

  #alive(): Session | undefined {
    return this.#session?.alive === true && !this.#closing.signal.aborted ? this.#session : undefined;
  }

  #connected(started: number): Promise<Session> {
    if (this.#closing.signal.aborted) return Promise.reject(this.#isClosed());
    const alive = this.#alive();
    if (alive !== undefined) return Promise.resolve(alive);
    this.#connecting ??= this.#connect(started).finally(() => {
      this.#connecting = undefined;
    });
    return this.#connecting;
  }

  async #connect(started: number): Promise<Session> {
    // Whoever waits for the connection must be answered in time.
    const longest = Math.min(LONGEST_WAIT, this.#timeout / 4);
    const wait = this.#failures === 0 ? 0 : Math.min(FIRST_WAIT * 2 ** (this.#failures - 1), longest);
    const left = this.#failedAt + wait - performance.now();
    if (left > 0) await setTimeout(left, undefined, { signal: this.#closing.signal }).catch(() => undefined);
    if (this.#closing.signal.aborted) throw this.#isClosed();
    const session = new Session(this.#options, this.#timeout);
    this.#unfinished = session;
    try {
      await session.greet(started);
    } catch (error) {
      this.#failures++;
      this.#failedAt = performance.now();
      session.destroy(error as Error);
      throw error;
    } finally {
      this.#unfinished = undefined;
    }
    this.#failures = 0;
    this.#session = session;
    return session;
  }

  async #dump(start: string): Promise<Dumped[]> {
    if (this.#closing.signal.aborted) throw this.#isClosed();
    // A server that is down is found so by the connection that knows when to try again.
    await this.#connected(performance.now());
    const session = new Session(this.#options, this.#timeout);
    this.#dumping.add(session);
    try {
      await session.greet(performance.now());
      return await this.#dumpOn(session, start);
    } finally {
      this.#dumping.delete(session);
      session.destroy(this.#isClosed());
    }
  }

  async #dumpOn(session: Session, start: string): Promise<Dumped[]> {
    const end = performance.now() + this.#timeout;
    let emptied = false;
    // By the hash table, since the lists of all classes leave out what is being used; older servers know only these.
    let way = 'hash';
    for (let tried = 1; ; tried++) {
      const found: Dumped[] = [];
      let lines = 0;
      const take = (line: string) => {
        lines++;
        const [, key = '', expires = ''] = /^key=(\S+) exp=(-?\d+)/.exec(line) ?? [];
        if (key.startsWith(start)) found.push({ key, expires: Number(expires) });
      };
      const refusal = await session.sendForLines(`lru_crawler metadump ${way}`, take, performance.now());
      if (refusal === undefined) {
        if (lines > 0) return found;
        // While the hash table grows, newer servers give an empty dump and say nothing of it; older ones wait.
        const { items, growing } = await this.#state(session);
        if (items === 0 || (emptied && !growing) || tried >= DUMPS) {
          if (!growing || items === 0) return found;
          throw new StorageError(`${this.#options.where}: the server cannot list its items while its table grows`, {
            retryable: true,
          });
        }
        emptied = !growing;
      } else if (refusal.startsWith('BADCLASS') && way === 'hash') {
        way = 'all';
        continue;
      } else if (!refusal.startsWith('BUSY')) {
        throw new UnsupportedError(`${this.#options.where}: the server does not list its items; it says: ${refusal}`);
      } else if (performance.now() > end) {
        throw new StorageError(`${this.#options.where}: others are listing the items of the server; try again later`, {
          retryable: true,
        });
      }
      await setTimeout(Math.random() * Math.min(200, 5 * 2 ** tried), undefined, {
        signal: this.#closing.signal,
      }).catch(() => undefined);
    }
  }

  async #state(session: Session): Promise<{ readonly items: number; readonly growing: boolean }> {
    let items = 0;
    let growing = false;
    const take = (line: string) => {
      const [, name, value] = line.split(' ');
      if (name === 'curr_items') items = Number(value);
      if (name === 'hash_is_expanding') growing = value === '1';
    };
    await session.sendForLines('stats', take, performance.now());
    return { items, growing };
  }

  #isClosed(): ClosedError {
    return new ClosedError(`${this.#options.where} is closed; open another backend to go on`);
  }
}
