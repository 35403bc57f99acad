import { type Duration, toMilliseconds } from '../backend/duration.js';
import type { Flight } from './flight.js';
import type { ComputeContext, StaleValue } from './options.js';
import type { Tags } from './tags.js';

/** The context of one computation; what is set is checked at once, so that a mistake is the computation's. */
export class Context<V> implements ComputeContext<V> {
  readonly key: string;
  readonly stale: StaleValue<V> | undefined;
  readonly #flight: Flight<V>;
  readonly #tags: Tags;
  #ttl: Duration | null | undefined;
  #named: readonly string[];
  #skipped = false;

  constructor(
    flight: Flight<V>,
    stale: StaleValue<V> | undefined,
    tags: Tags,
    ttl: Duration | null | undefined,
    named: readonly string[],
  ) {
    this.key = flight.key;
    this.stale = stale;
    this.#flight = flight;
    this.#tags = tags;
    this.#ttl = ttl;
    this.#named = named;
  }

  get signal(): AbortSignal {
    return this.#flight.signal;
  }

  get ttl(): Duration | null | undefined {
    return this.#ttl;
  }

  set ttl(ttl: Duration | null | undefined) {
    this.#ttl = ttl == null ? ttl : toMilliseconds(ttl, 'ttl');
  }

  get tags(): readonly string[] {
    return this.#named;
  }

  set tags(tags: Iterable<string>) {
    this.#named = this.#tags.check(tags, 'getOrSet');
  }

  /** Whether the computation asked not to be stored. */
  get skipped(): boolean {
    return this.#skipped;
  }

  skip(): undefined {
    this.#skipped = true;
  }
}
