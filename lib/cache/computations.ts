import { setTimeout } from 'node:timers/promises';
import { isKeepsakeError, KeepsakeError } from '../errors.js';
import { Context } from './context.js';
import type { Entries } from './entries.js';
import type { Envelope, TagVersion } from './envelope.js';
import { Flight } from './flight.js';
import type { Locks } from './locks.js';
import type { Compute } from './options.js';
import { type Plan, type Settings, toTtl } from './settings.js';
import type { Statistics } from './statistics.js';
import type { Snapshot } from './tags.js';

/** The pauses between looks at what another process computes, in milliseconds. */
const FIRST_PAUSE = 5;
const LONGEST_PAUSE = 250;

/** Failures that are mistakes of the caller, and so are never covered by computing. */
const MISTAKES = ['INVALID_ARGUMENT', 'OUT_OF_RANGE', 'INVALID_KEY', 'UNSUPPORTED', 'CLOSED', 'ENCODE'];

/** What to compute. */
export interface Task<V> {
  readonly key: string;
  readonly place: string;
  readonly compute: Compute<V>;
  readonly plan: Plan;
  /** The value so far. */
  readonly stale: Envelope<V> | undefined;
  readonly background: boolean;
  /** Whether the value may have been stored since the caller looked. */
  readonly again: boolean;
}

/** The computations under way: one for a key in this process, and where the backend allows it in all processes. */
export class Computations<V> {
  readonly #entries: Entries<V>;
  readonly #settings: Settings;
  readonly #statistics: Statistics;
  readonly #locks: Locks | undefined;
  readonly #flights = new Map<string, Flight<V>>();
  /** Those included that no call joins any more. */
  readonly #underWay = new Set<Promise<unknown>>();
  readonly #forget = (flight: Flight<V>): void => {
    if (this.#flights.get(flight.key) === flight) this.#flights.delete(flight.key);
  };
  #ended = 0;

  constructor(entries: Entries<V>, locks: Locks | undefined, settings: Settings, statistics: Statistics) {
    this.#entries = entries;
    this.#settings = settings;
    this.#statistics = statistics;
    this.#locks = locks;
  }

  /** How many have ended: what is read before one ends may be out of date after. */
  get ended(): number {
    return this.#ended;
  }

  /** The computation of a key, if there is one to join. */
  get(key: string): Flight<V> | undefined {
    return this.#flights.get(key);
  }

  /** Begins a computation. */
  start(task: Task<V>): Flight<V> {
    const flight = new Flight<V>(task.key, task.background, this.#forget);
    this.#flights.set(task.key, flight);
    flight.promise = this.#run(flight, task);
    this.#underWay.add(flight.promise);
    const leave = () => {
      this.#underWay.delete(flight.promise);
    };
    // All who wait may have left, and nobody waits for what runs in the background.
    flight.promise.then(leave, leave);
    return flight;
  }

  /** Lets what is being computed for keys not be stored; waits for what is being stored already. */
  async supersede(concerned: (key: string) => boolean): Promise<void> {
    if (this.#flights.size === 0) return;
    await Promise.all(
      [...this.#flights.values()].filter(({ key }) => concerned(key)).map((one) => this.#supersede(one)),
    );
  }

  /** As `supersede`, for one key. */
  async supersedeKey(key: string): Promise<void> {
    const flight = this.#flights.get(key);
    if (flight !== undefined) await this.#supersede(flight);
  }

  /** Waits for all that is under way, and for what that begins. */
  async settle(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.allSettled(this.#underWay);
  }

  /** Counts a failure of the backend, and rejects with it unless it may be covered by computing. */
  cover(error: unknown, key: string, { onBackendError, signal }: Plan): void {
    if (signal?.aborted && error === signal.reason) throw error;
    if (isMistake(error)) throw explain(error, key);
    this.#statistics.backendErrors++;
    if (onBackendError === 'throw') throw explain(error, key);
    this.#settings.report(explain(error, key), key);
  }

  async #supersede(flight: Flight<V>): Promise<void> {
    flight.supersede();
    this.#forget(flight);
    await flight.storing?.catch(() => undefined);
  }

  async #run(flight: Flight<V>, task: Task<V>): Promise<V | undefined> {
    let versions: readonly TagVersion[] | undefined = [];
    try {
      const stored = await this.#claim(flight, task);
      if (flight.abandoned) return undefined;
      if (stored === undefined) {
        const computed = await this.#compute(flight, task);
        versions = computed.versions;
        return computed.value;
      }
      versions = stored.tags ?? [];
      return stored.value;
    } catch (error) {
      if (task.background) this.#settings.report(error, flight.key);
      throw error;
    } finally {
      // In this order: whoever comes from here on finds what was stored, and cannot join any more.
      flight.ended = true;
      this.#forget(flight);
      this.#ended++;
      await flight.lock?.release();
      flight.outdated = await this.#isOutdated(flight, versions);
    }
  }

  /** Takes the lock, if there is one to take; gives the fresh value, if there is one by now. */
  async #claim(flight: Flight<V>, task: Task<V>): Promise<Envelope<V> | undefined> {
    const locks = this.#locks;
    if (locks === undefined) return task.again ? this.#look(task) : undefined;
    const deadline = performance.now() + this.#settings.lockTimeout;
    let pause = FIRST_PAUSE;
    for (;;) {
      try {
        flight.lock = await locks.acquire(task.place);
      } catch (error) {
        this.cover(error, task.key, task.plan);
        return undefined;
      }
      if (flight.lock !== undefined) {
        if (flight.superseded) void flight.lock.release();
        return this.#look(task);
      }
      if (task.background && flight.joined === 0) {
        flight.abandoned = true;
        this.#forget(flight);
        return undefined;
      }
      if (pause === FIRST_PAUSE) this.#statistics.waits++;
      if (flight.aborted || performance.now() >= deadline) return undefined;
      await setTimeout(pause * (0.5 + this.#settings.random() / 2));
      pause = Math.min(pause * 1.5, LONGEST_PAUSE);
      const stored = await this.#look(task);
      if (stored !== undefined) return stored;
    }
  }

  async #look({ key, place, plan }: Task<V>): Promise<Envelope<V> | undefined> {
    try {
      const found = await this.#entries.find(key, place);
      return found.state === 'fresh' ? found.envelope : undefined;
    } catch (error) {
      this.cover(error, key, plan);
      return undefined;
    }
  }

  async #compute(
    flight: Flight<V>,
    task: Task<V>,
  ): Promise<{ readonly value: V; readonly versions: readonly TagVersion[] | undefined }> {
    const { key, plan, stale } = task;
    const snapshot = await this.#snapshot(task);
    if (flight.aborted) throw flight.signal.reason;
    const old = stale && { value: stale.value, expiredFor: this.#entries.expiredFor(stale) };
    const context = new Context(flight, old, this.#entries.tags, plan.ttl, plan.tags);
    this.#statistics.computations++;
    let value: V;
    try {
      value = await task.compute(context);
    } catch (error) {
      flight.failure = { error };
      this.#statistics.errors++;
      throw error;
    }
    let versions: readonly TagVersion[] | undefined = [];
    try {
      versions = await this.#versions(snapshot, context.tags);
      if (versions !== undefined && value !== undefined && !context.skipped && !flight.superseded) {
        const keep = Math.max(plan.staleWhileRevalidate, plan.staleIfError);
        const ttl = toTtl(context.ttl);
        flight.storing = this.#entries.write(key, task.place, { value, ttl, versions, keep });
        await flight.storing;
      }
    } catch (error) {
      this.cover(error, key, plan);
    }
    return { value, versions };
  }

  /** How the tags stand before a computation; `undefined` where the backend cannot say. */
  async #snapshot({ key, plan }: Task<V>): Promise<Snapshot | undefined> {
    const { tags } = this.#entries;
    if (!tags.supported) return undefined;
    try {
      return await tags.snapshot(plan.tags);
    } catch (error) {
      this.cover(error, key, plan);
      return undefined;
    }
  }

  /** The versions that tags had before the computation; `undefined` where they cannot be told, so that the value must not be stored. */
  async #versions(snapshot: Snapshot | undefined, tags: readonly string[]): Promise<readonly TagVersion[] | undefined> {
    if (tags.length === 0) return [];
    return snapshot && this.#entries.tags.versionsAt(snapshot, tags);
  }

  /** Whether those who joined a computation after it had begun must not have its value. */
  async #isOutdated(flight: Flight<V>, versions: readonly TagVersion[] | undefined): Promise<boolean> {
    if (versions === undefined) return true;
    if (versions.length === 0 || (flight.joined < 2 && !flight.background)) return false;
    try {
      return !(await this.#entries.tags.hold(versions));
    } catch (error) {
      this.#statistics.backendErrors++;
      this.#settings.report(explain(error, flight.key), flight.key);
      return true;
    }
  }
}

/** Whether an error is the caller's rather than the backend's. */
export function isMistake(error: unknown): boolean {
  return isKeepsakeError(error) && MISTAKES.includes(error.code.slice('KEEPSAKE_'.length));
}

/** A failure in terms of the cache's own call: the backend knows its own, and the key under which it stores. */
export function explain(error: unknown, key: string, operation = 'getOrSet'): unknown {
  if (error instanceof KeepsakeError) {
    error.operation = operation;
    error.key = key;
  }
  return error;
}
