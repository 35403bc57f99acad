import { ClosedError, ConnectionError, TimeoutError } from '../../errors.js';
import { explain } from './failures.js';
import type { Argument, Link, Node, Reply } from './link.js';
import type { Script } from './scripts.js';

/** Gives a link that is connected. */
export type Connect = () => Promise<Link>;

/** Who does not answer. */
type Silent = Pick<Node, 'giveUp'> | { destroy(): void };

/** What is waited for. */
interface Command {
  /** Who answers: a server, or the one of a key. */
  readonly by: Silent | string;
  /** By `performance.now()`. */
  readonly started: number;
  readonly reject: (error: Error) => void;
}

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
  /** Oldest first. */
  readonly #underWay = new Set<Command>();
  #timer: NodeJS.Timeout | undefined;
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
    await this.bounded('', () => this.#linked());
  }

  /** Sends a command about a key, as the server names it. */
  send(args: readonly Argument[], key: string): Promise<Reply> {
    return this.bounded(key, () => {
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
    return nodes.map((node) => ({ ...node, send: (args) => this.bounded(node, () => node.send(args)) }));
  }

  /** Waits for what is under way, which has its deadlines, and ends the connections that are ours. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#underWay.size > 0) {
      await new Promise<void>((resolve) => {
        this.#ended = resolve;
      });
    }
    clearTimeout(this.#timer);
    this.#link?.close();
    this.#link = undefined;
  }

  #linked(): Promise<Link> {
    if (this.#closed) return Promise.reject(this.#isClosed());
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
    if (this.#closed) {
      link.close();
      throw this.#isClosed();
    }
    this.slotted = link.slotted;
    this.#link = link;
    return link;
  }

  /**
   * Waits for `work` no longer than a command may take.
   * @param by who is to be given up if it takes longer: a server, or the one of a key
   */
  bounded<T>(by: Silent | string, work: () => Promise<T>): Promise<T> {
    if (this.#closed) return Promise.reject(this.#isClosed());
    return new Promise<T>((resolve, reject) => {
      const command: Command = { by, started: performance.now(), reject };
      this.#underWay.add(command);
      this.#timer ??= setTimeout(() => setImmediate(() => this.#expire()), this.#timeout).unref();
      work().then(
        (value) => {
          if (this.#end(command)) resolve(value);
        },
        (error) => {
          if (this.#end(command)) reject(explain(error, this.#where));
        },
      );
    });
  }

  /** Whether a command was still waited for. */
  #end(command: Command): boolean {
    const waiting = this.#underWay.delete(command);
    if (this.#underWay.size === 0) this.#ended?.();
    return waiting;
  }

  /**
   * Rejects what is late. One timer serves all, since all have the same time. It comes here by way of what is immediate: where this process was
   * busy for long, the answers that are there already are read before.
   */
  #expire(): void {
    const now = performance.now();
    this.#timer = undefined;
    for (const command of this.#underWay) {
      const left = command.started + this.#timeout - now;
      if (left > 0) {
        this.#timer = setTimeout(() => setImmediate(() => this.#expire()), left).unref();
        return;
      }
      this.#end(command);
      command.reject(this.#late(command.started));
      if (typeof command.by === 'string') this.#link?.giveUp(command.by);
      else if ('giveUp' in command.by) command.by.giveUp();
      else command.by.destroy();
    }
  }

  #isClosed(): ClosedError {
    return new ClosedError(`${this.#where} is closed; open another backend to go on`);
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
