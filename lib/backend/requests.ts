import { setImmediate } from 'node:timers';
import { ClosedError, TimeoutError } from '../errors.js';

/**
 * Bounds what a driver asks of a server: each request has a deadline, and closing waits for those under way. For drivers whose client
 * package keeps the connections.
 */
export class Requests {
  readonly #where: string;
  readonly #timeout: number;
  readonly #explain: (error: unknown, where: string) => unknown;
  #underWay = 0;
  #closed = false;
  #ended: (() => void) | undefined;

  /**
   * @param where what is asked, for messages
   * @param timeout how long a request may take, in milliseconds
   * @param explain turns what the client package rejects with into an error of keepsake
   */
  constructor(where: string, timeout: number, explain: (error: unknown, where: string) => unknown) {
    this.#where = where;
    this.#timeout = timeout;
    this.#explain = explain;
  }

  /**
   * Makes a request, and rejects once its time is over, whether the client heeds the signal or not.
   * @throws TimeoutError when it took too long; it may still take effect
   * @throws ClosedError after `close`
   */
  run<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (this.#closed) return Promise.reject(new ClosedError(`${this.#where} is closed; open another backend to go on`));
    return new Promise<T>((resolve, reject) => {
      const controller = new AbortController();
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
        const message = `${this.#where} did not answer within ${this.#timeout} ms; it may still take effect`;
        reject(new TimeoutError(message));
        controller.abort();
      };
      this.#underWay++;
      // Where this process was busy for long, the answer may be there already: it is read before what is immediate.
      const timer = setTimeout(() => setImmediate(expire), this.#timeout);
      work(controller.signal).then(
        (value) => {
          if (end()) resolve(value);
        },
        (error) => {
          if (end()) reject(this.#explain(error, this.#where));
        },
      );
    });
  }

  /** Takes no more, and waits for what is under way, which has its deadlines. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#underWay === 0) return;
    await new Promise<void>((resolve) => {
      this.#ended = resolve;
    });
  }
}
