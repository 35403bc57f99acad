import type { Awaitable } from '../../backend/driver.js';
import * as operations from '../../backend/operations.js';
import { StorageError } from '../../errors.js';
import { show } from '../../show.js';
import { type Reports, reason } from './reports.js';
import type { Tier } from './tier.js';

/** The tiers that are told of what another has decided: copies, which can be read, and mirrors, which cannot. */
export class Others<V> {
  readonly #tiers: readonly Tier<V>[];
  readonly #decider: string;
  readonly #reports: Reports;

  /**
   * @param tiers in the order in which they are told
   * @param decider the name of the tier that decides, for messages
   */
  constructor(tiers: readonly Tier<V>[], decider: string, reports: Reports) {
    this.#tiers = tiers;
    this.#decider = decider;
    this.#reports = reports;
  }

  get none(): boolean {
    return this.#tiers.length === 0;
  }

  /** Whether some cannot be read, so that forgetting a key does not make them right. */
  get mirrors(): boolean {
    return this.#tiers.some(({ readable }) => !readable);
  }

  /** Whether all can be cleared. */
  get enumerable(): boolean {
    return this.#tiers.every(({ driver }) => driver.capabilities.enumerable);
  }

  /**
   * Tells all of a change that has been made. A copy that does not take it has to forget the keys; one that cannot is not read for them.
   * @param keys what was changed; `undefined` for anything
   * @throws StorageError for the first that neither took it nor forgot it, if its `onFailure` is `'throw'`
   */
  async tell(keys: readonly string[] | undefined, telling: (tier: Tier<V>) => Awaitable<unknown>): Promise<void> {
    let failure: StorageError | undefined;
    for (const tier of this.#tiers) {
      try {
        await telling(tier);
        if (keys !== undefined) tier.settle(keys);
      } catch (error) {
        const isRight = tier.readable && (await this.#forgetIn(tier, keys));
        if (!isRight && tier.onFailure === 'throw') failure ??= this.#untold(tier, error, keys);
        else this.#reports.about(tier, error, 'did not take a change');
      }
    }
    if (failure !== undefined) throw failure;
  }

  /** Lets the copies forget what may have been changed. */
  async forget(keys: readonly string[] | undefined): Promise<void> {
    for (const tier of this.#tiers) if (tier.readable) await this.#forgetIn(tier, keys);
  }

  async #forgetIn(tier: Tier<V>, keys: readonly string[] | undefined): Promise<boolean> {
    try {
      if (keys !== undefined) await operations.removeMany(tier.driver, keys);
      else await operations.clear(tier.driver, '');
    } catch (error) {
      tier.doubt(keys);
      this.#reports.about(tier, error, 'may hold what is outdated, and is not asked for it');
      return false;
    }
    if (keys !== undefined) tier.settle(keys);
    return true;
  }

  #untold(tier: Tier<V>, error: unknown, keys: readonly string[] | undefined): StorageError {
    const what = keys === undefined ? 'what was cleared' : keys.length === 1 ? show(keys[0]) : `${keys.length} keys`;
    const then = tier.readable ? ' and is not asked until it has forgotten what it holds' : '';
    return new StorageError(
      `${this.#decider} has the change of ${what}, but ${tier.name} did not take it${then}: ${reason(error)}. Make it again, or set onFailure to 'bypass'`,
      { cause: error, retryable: true },
    );
  }
}
