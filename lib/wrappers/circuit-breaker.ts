import type { Backend } from '../backend/backend.js';
import { checkOptions } from '../backend/checks.js';
import { type Clock, type Duration, toMilliseconds } from '../backend/duration.js';
import { BACKEND_OPTIONS, type BackendOptions } from '../backend/options.js';
import { CircuitOpenError, InvalidArgumentError, OutOfRangeError } from '../errors.js';
import { show } from '../show.js';
import { isFailure } from './failing.js';
import { guarded, type Interceptor } from './intercept.js';

/** `'closed'`: operations go through; `'open'`: they are refused; `'half-open'`: one is let through to see. */
export type CircuitState = 'closed' | 'open' | 'half-open';

/** Options of {@link circuitBreaker}. */
export interface CircuitBreakerOptions extends BackendOptions {
  /** How many failures in a row open the circuit; a whole number from 1, by default 5. */
  readonly failures?: number | undefined;
  /** How long it stays open before one operation may try; 30 seconds by default. */
  readonly resetAfter?: Duration | undefined;
  /** Which errors count as failures of the backend; by default all but those of wrong arguments, keys, values, conflicts and unsupported operations. */
  readonly when?: ((error: unknown) => boolean) | undefined;
  /** Told of every change. */
  readonly onChange?: ((state: CircuitState) => void) | undefined;
  /** The time; the backend's by default. */
  readonly clock?: Clock | undefined;
}

/**
 * A backend that is left alone for a while when it has failed several times in a row: operations reject at once with a `CircuitOpenError` until
 * `resetAfter` is over; then one of them tries, and its outcome closes the circuit or opens it again.
 *
 * @throws OutOfRangeError for `failures` that are no whole number from 1, and for a `resetAfter` that is not positive and finite
 */
export function circuitBreaker<V>(backend: Backend<V>, options: CircuitBreakerOptions = {}): Backend<V> {
  checkOptions(options, [...BACKEND_OPTIONS, 'failures', 'resetAfter', 'when', 'onChange', 'clock'], 'circuitBreaker');
  const { failures = 5, resetAfter = 30_000, when = isFailure, onChange, clock, ...rest } = options;
  if (!Number.isSafeInteger(failures) || failures < 1) {
    throw new OutOfRangeError(`circuitBreaker: failures must be a whole number from 1; got ${show(failures)}`);
  }
  for (const [name, given] of Object.entries({ when, onChange, clock })) {
    if (typeof given === 'function' || (given === undefined && name !== 'when')) continue;
    throw new InvalidArgumentError(`circuitBreaker: ${name} must be a function; got ${show(given)}`);
  }
  const { driver } = backend;
  const now = clock ?? driver.clock ?? Date.now;
  const circuit = new Circuit(driver.name, failures, toMilliseconds(resetAfter, 'resetAfter'), now, onChange);
  const around: Interceptor = async (_, next) => {
    const isProbe = circuit.enter();
    try {
      const answer = await next();
      circuit.succeeded();
      return answer;
    } catch (error) {
      if (when(error)) circuit.failed(isProbe, error);
      else circuit.succeeded();
      throw error;
    }
  };
  return guarded(backend, around, rest);
}

class Circuit {
  readonly #name: string;
  readonly #limit: number;
  readonly #resetAfter: number;
  readonly #clock: Clock;
  readonly #onChange: ((state: CircuitState) => void) | undefined;
  #state: CircuitState = 'closed';
  #failures = 0;
  #openedAt = 0;
  #cause: unknown;

  constructor(
    name: string,
    limit: number,
    resetAfter: number,
    clock: Clock,
    onChange: ((state: CircuitState) => void) | undefined,
  ) {
    this.#name = name;
    this.#limit = limit;
    this.#resetAfter = resetAfter;
    this.#clock = clock;
    this.#onChange = onChange;
  }

  /** Lets an operation through, or refuses it; whether it is the one that tries. */
  enter(): boolean {
    if (this.#state === 'closed') return false;
    const left = this.#openedAt + this.#resetAfter - this.#clock();
    if (this.#state === 'open' && left <= 0) {
      this.#become('half-open');
      return true;
    }
    const when = this.#state === 'open' ? `for ${left} ms more` : 'until the operation that tries it has ended';
    throw new CircuitOpenError(`${this.#name} failed ${this.#failures} times in a row, and is left alone ${when}`, {
      cause: this.#cause,
    });
  }

  succeeded(): void {
    this.#failures = 0;
    // One that began before the circuit opened, and ends well now, shows that the backend is back.
    if (this.#state !== 'closed') this.#become('closed');
  }

  failed(isProbe: boolean, cause: unknown): void {
    this.#failures++;
    this.#cause = cause;
    if (!isProbe && (this.#state !== 'closed' || this.#failures < this.#limit)) return;
    this.#openedAt = this.#clock();
    this.#become('open');
  }

  #become(state: CircuitState): void {
    this.#state = state;
    this.#onChange?.(state);
  }
}
