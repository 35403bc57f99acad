import { Backend } from '../../backend/backend.js';
import { checkOptions } from '../../backend/checks.js';
import { type Duration, toMilliseconds } from '../../backend/duration.js';
import { BACKEND_OPTIONS, type BackendOptions } from '../../backend/options.js';
import { InvalidArgumentError } from '../../errors.js';
import { show } from '../../show.js';
import { inherited } from '../delegate.js';
import { complete } from '../members.js';
import { TieredDriver } from './driver.js';
import { type OnFailure, Tier } from './tier.js';

/** Options of {@link tiered}. */
export interface TieredOptions extends BackendOptions {
  /**
   * What becomes of a write that a tier other than the canonical one neither takes nor, if it can be read, can at least forget. `'throw'`, the default:
   * the write rejects, although the canonical tier has it. `'bypass'`: it resolves. In both cases this process does not read the key from that tier until the
   * tier has forgotten it; other processes, and this one after a restart, may.
   */
  readonly onFailure?: OnFailure | undefined;
}

/** A tier with options of its own. */
export interface TierOptions<V> {
  readonly backend: Backend<V>;
  /**
   * How long a copy lives here at most; as long as the entry by default. It bounds how long the tier gives what others have changed past it. Only for tiers
   * before the canonical one.
   */
  readonly maxTtl?: Duration | undefined;
  /** As for all tiers, by default. */
  readonly onFailure?: OnFailure | undefined;
}

/**
 * Backends behind each other, the fastest first. The **canonical** one decides: the last that can be read and written.
 *
 * - Reads go from head to tail. What is found is stored in the tiers before, which can be read and written, with the remaining time to live (at
 *   most `maxTtl`, and the tier's own `ttl` where the entry never expires), unless it was changed meanwhile.
 * - Writes go to the canonical tier, and if it took them, to all others that can be written, from tail to head. Deletes reach the same.
 * - Conditions, `update`, `increment`, `touch` and `getEntry` are the canonical tier's; capabilities are derived from it.
 * - Listings and counts are the canonical tier's, with what further ones behind it can be read.
 *
 * Writes of one key take turns within this process, and a slow reader never puts back what was changed past it. Other processes change
 * the canonical tier past the copies of this one: give the tiers before it a `maxTtl` then.
 *
 * A tier before the canonical one that fails to read is passed over and reported (`report`; by default a process warning at most once a minute for each tier). See
 * docs/wrappers-tiered.md for what happens when which tier fails.
 *
 * The defaults (`ttl`, `onCorrupt`, `report`) are those of the canonical tier; each tier keeps its own `timeout`.
 *
 * @example
 * const pages = tiered([{ backend: memory({ max: 10_000 }), maxTtl: '1m' }, encoded(files('./pages'), json())]);
 * @throws InvalidArgumentError for no tiers, for backends of bytes beside such of objects, and for options that make no sense
 */
export function tiered<V>(tiers: readonly (Backend<V> | TierOptions<V>)[], options: TieredOptions = {}): Backend<V> {
  checkOptions(options, [...BACKEND_OPTIONS, 'onFailure'], 'tiered');
  const { onFailure = 'throw', ...rest } = options;
  checkOnFailure(onFailure);
  const given = toTiers(tiers);
  const backends = given.map(({ backend }) => backend);
  const drivers = complete(backends, 'tiered');
  const main = mainOf(backends);
  const made = given.map((tier, at) => {
    if (at >= main) checkMain(tier, at === main);
    const { ttl } = tier.backend.options;
    return new Tier(tier.backend, drivers[at] as (typeof drivers)[number], {
      maxTtl: tier.maxTtl === undefined ? undefined : toMilliseconds(tier.maxTtl, 'maxTtl'),
      // What the canonical tier stores has the deadline that the caller, or the default of the whole, gave it.
      ttl: ttl == null || at === main ? undefined : toMilliseconds(ttl, 'ttl'),
      onFailure: tier.onFailure ?? onFailure,
    });
  });
  const defaults = { ...inherited(backends[main] as Backend<V>, rest), timeout: rest.timeout };
  const driver = new TieredDriver(made, made[main] as Tier<V>, defaults.report);
  return new Backend(driver, defaults, { over: backends as unknown as Backend<never>[], opensInner: false });
}

function toTiers<V>(tiers: readonly (Backend<V> | TierOptions<V>)[]): TierOptions<V>[] {
  if (!Array.isArray(tiers)) {
    throw new InvalidArgumentError(`tiered: a list of at least one backend is expected; got ${show(tiers)}`);
  }
  return tiers.map((tier: Backend<V> | TierOptions<V>) => {
    if (tier instanceof Backend) return { backend: tier };
    checkOptions(tier, ['backend', 'maxTtl', 'onFailure'], 'tiered: a tier');
    if (tier.onFailure !== undefined) checkOnFailure(tier.onFailure);
    return tier;
  });
}

/** The tier that decides: the last that can be read and written; without any, the last that can be written. */
function mainOf<V>(backends: readonly Backend<V>[]): number {
  const last = (fits: (backend: Backend<V>) => boolean): number => backends.findLastIndex(fits);
  const canonical = last(({ capabilities }) => capabilities.readable && capabilities.writable);
  if (canonical !== -1) return canonical;
  const writable = last(({ capabilities }) => capabilities.writable);
  return writable === -1 ? backends.length - 1 : writable;
}

function checkOnFailure(onFailure: unknown): void {
  if (onFailure === 'throw' || onFailure === 'bypass') return;
  throw new InvalidArgumentError(`tiered: onFailure must be 'throw' or 'bypass'; got ${show(onFailure)}`);
}

function checkMain<V>({ backend, maxTtl, onFailure }: TierOptions<V>, isMain: boolean): void {
  if (maxTtl !== undefined) {
    throw new InvalidArgumentError(
      `tiered: maxTtl is for the tiers before ${isMain ? backend.name : 'the canonical one'}, which decides; use volatile to bound what it holds`,
    );
  }
  if (isMain && onFailure === 'bypass') {
    throw new InvalidArgumentError(`tiered: ${backend.name} decides, so what it does not take must reject`);
  }
}
