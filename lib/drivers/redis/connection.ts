import { setImmediate } from 'node:timers';
import { ClosedError, ConnectionError, TimeoutError } from '../../errors.js';
import { explain } from './failures.js';
import type { Argument, Link, Node, Reply } from './link.js';
import type { Script } from './scripts.js';

/** Gives a link that is connected. */
export type Connect = () => Promise<Link>;

/**
 * Sends commands, each within a deadline. The first one connects; after the connection broke or was given up, the next one does so
 * again. What fails rejects at once: nothing is sent twice, and nothing waits for a server to come back.
 */
export class Connection {
  /** Whether keys live on several servers. Known once connected. */
  slotted = false;
  readonly #connect: Connect;
  readonly #where: string;
  readonly #timeout: number;
  #link: Link | undefined;
  #connecting: Promise<Link> | undefined;
  #underWay = 0;
  #closed = false;
  #ended: (() => void) | undefined;

  /**
   * @param where what is connected, for messages
   * @param timeout how long connecting, and each command, may take, in milliseconds
   */
  constructor(connect: Connect, where: string, timeout: number) {
    this.#connect = connect;
    this.#where = where;
    this.#timeout = timeout;
  }

  /** Connects, if that is due. */
  async open(): Promise<void> {
    await this.#bounded('', () => this.#linked());
  }

  /** Sends a command about a key, as the server names it. */
  send(args: readonly Argument[], key: string): Promise<Reply> {
    return this.#bounded(key, () => {
      const link = this.#link;
      return link?.alive ? link.send(args, key) : this.#linked().then((made) => made.send(args, key));
    });
  }

  /** Runs a script about keys of one slot. Its text is sent only where the server does not remember it. */
  async run(script: Script, keys: readonly [string, ...string[]], args: readonly Argument[] = []): Promise<Reply> {
    const rest = [String(keys.length), ...keys, ...args];
    try {
      return await this.send(['EVALSHA', script.hash, ...rest], keys[0]);
    } catch (error) {
      const cause = error instanceof Error ? error.cause : undefined;
      if (!(cause instanceof Error && cause.message.startsWith('NOSCRIPT'))) throw error;
      return this.send(['EVAL', script.text, ...rest], keys[0]);
    }
  }

  /** The servers that hold the keys; what is sent to them is bounded, too. */
  async nodes(): Promise<readonly Node[]> {
    const link = this.#link?.alive ? this.#link : await this.#linked();
    const nodes = await link.nodes();
    return nodes.map((node) => ({ id: node.id, send: (args) => this.#bounded(undefined, () => node.send(args)) }));
  }

  /** Waits for what is under way, which has its deadlines, and ends the connections that are ours. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#underWay > 0) {
      await new Promise<void>((resolve) => {
        this.#ended = resolve;
      });
    }
    this.#link?.close();
    this.#link = undefined;
  }

  #linked(): Promise<Link> {
    if (this.#link?.alive) return Promise.resolve(this.#link);
    this.#connecting ??= this.#make().finally(() => {
      this.#connecting = undefined;
    });
    return this.#connecting;
  }

  async #make(): Promise<Link> {
    // A dead client is still known to the registry of its package.
    this.#link?.close();
    this.#link = undefined;
    const link = await this.#connect();
    this.slotted = link.slotted;
    this.#link = link;
    return link;
  }

  /** @param key whose server answers; `undefined` where any may */
  #bounded<T>(key: string | undefined, work: () => Promise<T>): Promise<T> {
    if (this.#closed) return Promise.reject(new ClosedError(`${this.#where} is closed; open another backend to go on`));
    return new Promise<T>((resolve, reject) => {
      const started = performance.now();
      let waiting = true;
      const end = (): boolean => {
        if (!waiting) return false;
        waiting = false;
        clearTimeout(timer);
        this.#underWay--;
        if (this.#underWay === 0) this.#ended?.();
        return true;
      };
      const expire = () => {
        if (!end()) return;
        reject(this.#late(started));
        this.#link?.giveUp(key);
      };
      this.#underWay++;
      // Where this process was busy for long, the answer may be there already: it is read before what is immediate.
      const timer = setTimeout(() => setImmediate(expire), this.#timeout);
      work().then(
        (value) => {
          if (end()) resolve(value);
        },
        (error) => {
          if (end()) reject(explain(error, this.#where));
        },
      );
    });
  }

  #late(started: number): Error {
    const cause = this.#link?.failureSince(started);
    const known = cause === undefined ? undefined : explain(cause, this.#where);
    if (known instanceof ConnectionError) return known;
    return new TimeoutError(`${this.#where} did not answer within ${this.#timeout} ms; it may still take effect`, {
      cause,
    });
  }
}
