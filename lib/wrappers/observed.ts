import { tracingChannel } from 'node:diagnostics_channel';
import type { Backend } from '../backend/backend.js';
import { checkOptions } from '../backend/checks.js';
import type { Awaitable } from '../backend/driver.js';
import { BACKEND_OPTIONS, type BackendOptions } from '../backend/options.js';
import { InvalidArgumentError } from '../errors.js';
import { show } from '../show.js';
import { over } from './delegate.js';
import { type Call, intercept } from './intercept.js';

/** What one kind of operation came to. */
export interface OperationStatistics {
  /** How many have ended. */
  readonly calls: number;
  /** How many of them rejected. */
  readonly failures: number;
  /** The time of all together, in milliseconds. */
  readonly milliseconds: number;
}

/** Counts what is done with a backend; given to {@link observed}, and read at any time. Several backends may share one. */
export class Statistics {
  #hits = 0;
  #misses = 0;
  #operations = new Map<Call['operation'], { calls: number; failures: number; milliseconds: number }>();

  /** How many reads found an entry; each key of `getMany` counts. */
  get hits(): number {
    return this.#hits;
  }

  /** How many reads found none. */
  get misses(): number {
    return this.#misses;
  }

  /** What each method of the driver came to; those never called are not there. */
  get operations(): ReadonlyMap<Call['operation'], OperationStatistics> {
    return this.#operations;
  }

  /** Sets everything to 0. */
  reset(): void {
    this.#hits = 0;
    this.#misses = 0;
    this.#operations = new Map();
  }

  /** For `JSON.stringify`. */
  toJSON(): object {
    return { hits: this.#hits, misses: this.#misses, operations: Object.fromEntries(this.#operations) };
  }

  /** For `observed`. */
  add(call: Call, milliseconds: number, failed: boolean, answer: unknown): void {
    let operation = this.#operations.get(call.operation);
    if (operation === undefined) {
      operation = { calls: 0, failures: 0, milliseconds: 0 };
      this.#operations.set(call.operation, operation);
    }
    operation.calls++;
    operation.milliseconds += milliseconds;
    if (failed) operation.failures++;
    else if (call.kind === 'read' || call.operation === 'renew') {
      for (const entry of call.operation === 'readMany' ? (answer as unknown[]) : [answer]) {
        if (entry === undefined) this.#misses++;
        else this.#hits++;
      }
    }
  }
}

/** What is used of a span of OpenTelemetry (`@opentelemetry/api`). */
export interface SpanLike {
  recordException(error: Error): void;
  setStatus(status: { readonly code: 0 | 1 | 2; readonly message?: string }): unknown;
  end(): void;
}

/** What is used of a tracer of OpenTelemetry (`@opentelemetry/api`): `trace.getTracer('my-service')` is one. */
export interface TracerLike {
  startSpan(
    name: string,
    options: { readonly kind: 2; readonly attributes: { readonly [name: string]: string } },
  ): SpanLike;
}

/** Options of {@link observed}. */
export interface ObservedOptions extends BackendOptions {
  /** What the backend is called in statistics, channels and spans; its own name by default. */
  readonly name?: string | undefined;
  /** Counts every operation. */
  readonly statistics?: Statistics | undefined;
  /** Gets a span for every operation. */
  readonly tracer?: TracerLike | undefined;
}

/** What is published on the channels `tracing:keepsake:operation:*`, see `node:diagnostics_channel`. */
export interface OperationMessage {
  /** The `name` of the observed backend. */
  readonly backend: string;
  readonly operation: Call['operation'];
  /** The key, of an operation on one. */
  readonly key: string | undefined;
}

const channel = tracingChannel<string, OperationMessage>('keepsake:operation');

/** Methods whose first argument is a key. */
const KEYED: ReadonlySet<Call['operation']> = new Set([
  'read',
  'write',
  'remove',
  'touch',
  'renew',
  'increment',
  'update',
  'setAside',
]);

/**
 * A backend whose operations can be watched: counted by {@link Statistics}, published on the tracing channel `keepsake:operation` of
 * `node:diagnostics_channel` (where somebody has subscribed), and traced by OpenTelemetry (where a `tracer` is given). Values are shown to nobody.
 *
 * @example
 * const statistics = new Statistics();
 * const pages = observed(memory<string>(), { statistics });
 */
export function observed<V>(backend: Backend<V>, options: ObservedOptions = {}): Backend<V> {
  checkOptions(options, [...BACKEND_OPTIONS, 'name', 'statistics', 'tracer'], 'observed');
  const { name = backend.name, statistics, tracer, ...rest } = options;
  if (statistics !== undefined && !(statistics instanceof Statistics)) {
    throw new InvalidArgumentError(`observed: statistics must be a Statistics; got ${show(statistics)}`);
  }
  if (tracer !== undefined && typeof tracer?.startSpan !== 'function') {
    throw new InvalidArgumentError(`observed: tracer must have a method startSpan; got ${show(tracer)}`);
  }
  const around = async <T>(call: Call, next: () => Awaitable<T>): Promise<T> => {
    const { operation, args } = call;
    const key = KEYED.has(operation) ? String(args[0]) : undefined;
    const attributes = { 'db.system.name': 'keepsake', 'db.namespace': name, 'db.operation.name': operation };
    const span = tracer?.startSpan(`${operation} ${name}`, { kind: 2, attributes });
    const started = performance.now();
    try {
      const answer = channel.hasSubscribers
        ? await channel.tracePromise(async () => next(), { backend: name, operation, key })
        : await next();
      statistics?.add(call, performance.now() - started, false, answer);
      return answer;
    } catch (error) {
      statistics?.add(call, performance.now() - started, true, undefined);
      if (error instanceof Error) span?.recordException(error);
      span?.setStatus({ code: 2, message: error instanceof Error ? error.message : String(error) });
      throw error;
    } finally {
      span?.end();
    }
  };
  return over(backend, intercept(backend.driver, around, { name: backend.driver.name }), rest);
}
