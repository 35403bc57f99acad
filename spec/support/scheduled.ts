import type fc from 'fast-check';
import { Backend, StorageError } from 'keepsake';

/** What becomes of a call: it works, it fails and has done nothing, or it fails although it was done. */
export type Outcome = 'works' | 'fails before' | 'fails after';

/** Backends whose calls end in an order that fast-check chooses, and some of which fail. */
export class Scheduled {
  readonly #scheduler: fc.Scheduler;
  readonly #outcomes: readonly Outcome[];
  #calls = 0;
  /** Whether calls end at once, and none fails. */
  isCalm = false;

  constructor(scheduler: fc.Scheduler, outcomes: readonly Outcome[]) {
    this.#scheduler = scheduler;
    this.#outcomes = outcomes;
  }

  /**
   * A backend with the driver of another, which is called through the scheduler.
   * @param after is called when a call has done what it does
   */
  around<V>(backend: Backend<V>, after: () => void = () => undefined): Backend<V> {
    const driver = new Proxy(backend.driver, {
      get: (target, name) => {
        const found: unknown = Reflect.get(target, name, target);
        // A listing is made of pages here, which are calls; the backend underneath opens and closes by itself.
        if (name === 'stream' || name === 'open' || name === 'close') return undefined;
        if (typeof found !== 'function' || name === 'clock') return found;
        return (...args: unknown[]) => {
          if (this.isCalm) return found.apply(target, args);
          return this.#call(String(name), async () => {
            const answer: unknown = await found.apply(target, args);
            after();
            return answer;
          });
        };
      },
    });
    return new Backend(driver, backend.options, { over: [backend as unknown as Backend<never>] });
  }

  async #call(name: string, work: () => Promise<unknown>): Promise<unknown> {
    const outcome = this.#outcomes[this.#calls++ % this.#outcomes.length];
    await this.#turn(`${name} begins`);
    if (outcome === 'fails before') throw new StorageError(`${name} fails`);
    const answer = await work();
    await this.#turn(`${name} ends`);
    if (outcome === 'fails after') throw new StorageError(`${name} fails, and was done`);
    return answer;
  }

  async #turn(label: string): Promise<void> {
    if (!this.isCalm) await this.#scheduler.schedule(Promise.resolve(), label);
  }
}
