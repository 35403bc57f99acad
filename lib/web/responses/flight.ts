import { setTimeout } from 'node:timers/promises';
import type { HeaderOf } from './headers.js';
import type { StoredResponse } from './record.js';

/** A response that came out of a flight, for those who waited. */
export interface Landed {
  readonly response: StoredResponse;
  /** Whether it is the response for a request with these headers. */
  readonly fits: (header: HeaderOf) => boolean;
  /** Waits until it is stored, or could not be. */
  readonly stored: () => Promise<void> | undefined;
}

/**
 * How a flight ended: with a response; with `'none'`, so that everybody has to make their own; or with `'left'`, when the one who asked for it went away,
 * so that another one may try.
 */
export type Landing = Landed | 'none' | 'left';

/** A response that is being made, for those who wait for it. */
export class Flight {
  readonly #landed: Promise<Landing>;
  readonly #began = performance.now();
  #land: (landed: Landing) => void = () => undefined;

  constructor() {
    this.#landed = new Promise((resolve) => {
      this.#land = resolve;
    });
  }

  /** For how long it has been under way, in milliseconds. */
  get age(): number {
    return performance.now() - this.#began;
  }

  /** Ends the waiting. Doing so again changes nothing. */
  land(landed: Landing): void {
    this.#land(landed);
  }

  /** Waits so many milliseconds at most. */
  async wait(limit: number): Promise<Landing | 'late'> {
    const stop = new AbortController();
    try {
      const over = setTimeout(Math.max(0, limit), 'late' as const, { signal: stop.signal });
      over.catch(() => undefined);
      return await Promise.race([this.#landed, over]);
    } finally {
      stop.abort();
    }
  }
}
