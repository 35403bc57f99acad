import { type KeepsakeError, StorageError } from '../../errors.js';
import type { Tier } from './tier.js';

/** Milliseconds between two warnings about one tier. */
const WARN_EVERY = 60_000;

/** Says what went wrong in a tier where the caller need not know. */
export class Reports {
  readonly #report: ((error: KeepsakeError) => void) | undefined;
  readonly #warned = new Map<unknown, number>();

  /** @param report is told of everything; without it there is a process warning about each tier at most once a minute */
  constructor(report: ((error: KeepsakeError) => void) | undefined) {
    this.#report = report;
  }

  about<V>(tier: Tier<V>, error: unknown, what: string): void {
    const message = `${tier.name}, a tier, ${what}: ${reason(error)}`;
    if (this.#report !== undefined) {
      this.#report(new StorageError(message, { cause: error }));
      return;
    }
    const now = performance.now();
    if (now < (this.#warned.get(tier) ?? Number.NEGATIVE_INFINITY) + WARN_EVERY) return;
    this.#warned.set(tier, now);
    process.emitWarning(message, { type: 'KeepsakeWarning', code: 'KEEPSAKE_STORAGE' });
  }
}

export function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
