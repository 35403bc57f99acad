import { setImmediate } from 'node:timers/promises';

/** How long the event loop may be held up at a time, in milliseconds. */
const LENGTH = 2;

/**
 * Says when work that holds up the event loop has to pause. What a consumer does with a batch counts too: so pause before handing one on,
 * not after.
 */
export class Slice {
  /** All who pause take turns, so that several together hold up the event loop no longer than one. */
  static #turn: Promise<void> = Promise.resolve();
  #end = performance.now() + LENGTH;

  get over(): boolean {
    return performance.now() >= this.#end;
  }

  /** Lets others have their turn. */
  async pause(): Promise<void> {
    const turn = Slice.#turn.then(() => setImmediate());
    Slice.#turn = turn;
    await turn;
    this.#end = performance.now() + LENGTH;
  }
}

/** What quick `work` gives for each item, however many there are, with pauses. */
export async function mapInSlices<A, B>(items: readonly A[], work: (item: A, index: number) => B): Promise<B[]> {
  const slice = new Slice();
  const made: B[] = [];
  for (let index = 0; index < items.length; index++) {
    if (index % CHECKED_EVERY === CHECKED_EVERY - 1 && slice.over) await slice.pause();
    made.push(work(items[index] as A, index));
  }
  return made;
}

/** Asking for the time costs as much as a little work. */
const CHECKED_EVERY = 32;
