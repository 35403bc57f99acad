import { setImmediate } from 'node:timers';
import { TimeoutError } from '../../errors.js';

/** One piece of work under way. */
export class Attempt {
  /** Whether nobody waits for it any more. */
  over = false;
  /** Frees what the work holds, once nobody waits for it. */
  giveUp: (() => void) | undefined;
}

/** Bounds work in time, and knows what is under way. */
export class Deadlines {
  readonly #timeout: number;
  readonly #where: string;
  #underWay = 0;
  #idle: (() => void) | undefined;

  /**
   * @param timeout milliseconds for each piece of work
   * @param where what is asked, for messages
   */
  constructor(timeout: number, where: string) {
    this.#timeout = timeout;
    this.#where = where;
  }

  /**
   * Does some work; what it rejects with afterwards is nobody's business.
   * @throws TimeoutError when its time is over
   */
  run<T>(work: (attempt: Attempt) => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const attempt = new Attempt();
      const end = (): boolean => {
        if (attempt.over) return false;
        attempt.over = true;
        clearTimeout(timer);
        this.#underWay--;
        if (this.#underWay === 0) this.#idle?.();
        return true;
      };
      const expire = (): void => {
        if (attempt.over) return;
        attempt.giveUp?.();
        end();
        reject(new TimeoutError(`${this.#where} did not answer within ${this.#timeout} ms; it may still take effect`));
      };
      this.#underWay++;
      // Where this process was busy for long, the answer may be there already: it is read before what is immediate.
      const timer = setTimeout(() => setImmediate(expire), this.#timeout);
      work(attempt).then(
        (value) => {
          if (end()) resolve(value);
        },
        (error) => {
          if (end()) reject(error);
        },
      );
    });
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    if (this.#underWay === 0) return;
    await new Promise<void>((resolve) => {
      this.#idle = resolve;
    });
  }
}
