import type { CacheStatistics } from './options.js';

/** The counters of a cache. */
export class Statistics implements CacheStatistics {
  hits = 0;
  misses = 0;
  staleHits = 0;
  computations = 0;
  errors = 0;
  waits = 0;
  backendErrors = 0;

  /** The counters as they are now, which do not change any more. */
  get now(): CacheStatistics {
    return Object.freeze({ ...this });
  }
}
