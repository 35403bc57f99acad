import { computedTime } from './machine.js';

type Awaitable<T> = T | Promise<T>;

/** One of those that are compared. */
export interface Contestant {
  readonly name: string;
  /** Runs before each measurement, and is not measured. */
  readonly prepare?: ((round: number) => Awaitable<unknown>) | undefined;
  /** What is measured. */
  readonly run: (round: number) => Awaitable<unknown>;
  /** Runs after each measurement, and is not measured. */
  readonly cleanUp?: ((round: number) => Awaitable<unknown>) | undefined;
  /** How many operations one run does. */
  readonly operations: number;
}

/** What was measured of one contestant. */
export class Measurement {
  readonly name: string;
  /** Nanoseconds an operation, by round. */
  readonly times: readonly number[];
  /** Nanoseconds that the main thread computed for an operation, over all rounds. */
  readonly computed: number;

  constructor(name: string, times: readonly number[], computed: number) {
    this.name = name;
    this.times = times;
    this.computed = computed;
  }

  /** The median of nanoseconds an operation. */
  get time(): number {
    return median(this.times);
  }

  /** How many operations a second. */
  get rate(): number {
    return 1e9 / this.time;
  }

  /** How many times as fast as another: the median of what each round gave, since what disturbs a round disturbs both. */
  speedOver(other: Measurement): number {
    return median(this.times.map((time, round) => (other.times[round] as number) / time));
  }

  /** How many times as long as another takes: the median as above. */
  timeTo(other: Measurement): number {
    return median(this.times.map((time, round) => time / (other.times[round] as number)));
  }
}

/**
 * Measures contestants in turn, round by round, each round in another order, so that what disturbs the machine disturbs all alike.
 * @param warmUps rounds before those that count, for the compiler
 */
export async function interleave(
  contestants: readonly Contestant[],
  { rounds, warmUps = 0 }: { readonly rounds: number; readonly warmUps?: number },
): Promise<ReadonlyMap<string, Measurement>> {
  const times = new Map<Contestant, number[]>(contestants.map((contestant) => [contestant, []]));
  const computed = new Map<Contestant, number>();
  for (let round = -warmUps; round < rounds; round++) {
    for (const contestant of shuffled(contestants)) {
      const { run, prepare, cleanUp, operations } = contestant;
      await prepare?.(round);
      collectGarbage();
      const computedBefore = computedTime();
      const started = process.hrtime.bigint();
      await run(round);
      const time = Number(process.hrtime.bigint() - started);
      const thread = computedTime() - computedBefore;
      await cleanUp?.(round);
      if (round < 0) continue;
      times.get(contestant)?.push(time / operations);
      computed.set(contestant, (computed.get(contestant) ?? 0) + thread / operations / rounds);
    }
  }
  return new Map(
    contestants.map((contestant) => [
      contestant.name,
      new Measurement(contestant.name, times.get(contestant) ?? [], computed.get(contestant) ?? 0),
    ]),
  );
}

/** The measurement of a contestant, who must be there. */
export function of(measurements: ReadonlyMap<string, Measurement>, name: string): Measurement {
  const measurement = measurements.get(name);
  if (measurement === undefined) throw new Error(`${name} was not measured`);
  return measurement;
}

export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] as number;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] as number)) / 2;
}

/** The bytes on the heap that what `make` gives holds. */
export async function heldBytes(make: () => Awaitable<unknown>): Promise<number> {
  collectGarbage();
  const before = process.memoryUsage().heapUsed;
  const held = await make();
  collectGarbage();
  const after = process.memoryUsage().heapUsed;
  keep(held);
  return after - before;
}

/** Runs some work for each item, so many at a time. */
export async function eachOf<T>(
  items: readonly T[],
  atOnce: number,
  work: (item: T) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) await work(items[next++] as T);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
}

function collectGarbage(): void {
  globalThis.gc?.();
}

let kept: unknown;

/** Lets the compiler not leave out what nobody would use. */
export function keep(value: unknown): void {
  kept = value;
  if (kept === keep) throw new Error('never');
}

/** A source of order that is the same in each run. */
let seed = 42;

function shuffled<T>(items: readonly T[]): T[] {
  const order = [...items];
  for (let at = order.length - 1; at > 0; at--) {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    const other = Math.floor((seed / 2147483648) * (at + 1));
    [order[at], order[other]] = [order[other] as T, order[at] as T];
  }
  return order;
}
