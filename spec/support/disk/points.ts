import type { Crash } from './crash.js';
import type { CrashPoint, Work } from './machine.js';
import type { Random } from './random.js';

/** Of how many crash points the work goes on at one, to crash again. */
const ONE_IN = 8;
/** How often it may go on. */
const AGAIN = 2;

/**
 * Moments spread evenly over the work, from before its first call to after its last.
 * @param count how many; all that differ if it is more than these
 */
export function pointsOf(work: Work, crash: Crash, count: number, random: Random): CrashPoint[] {
  const ticks = momentsOf(work);
  const points: CrashPoint[] = [];
  for (let index = 0; index < Math.min(count, ticks.length); index++) {
    const at = count >= ticks.length ? index : Math.floor(((index + random.next()) * ticks.length) / count);
    const again = random.below(ONE_IN) === 0 ? AGAIN : 0;
    points.push({ crash, tick: ticks[at] ?? 0, seed: random.seed(), again });
  }
  return points;
}

/** All moments at which a crash may leave something else than at the one before. */
function momentsOf({ trace, history }: Work): number[] {
  const ticks = new Set<number>([0]);
  for (const { issued, completed } of trace.operations) ticks.add(issued).add(completed);
  for (const { changes } of history.values()) {
    for (const { started, acknowledged } of changes) ticks.add(started).add(acknowledged ?? started);
  }
  return [...ticks].sort((a, b) => a - b);
}
