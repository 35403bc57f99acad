import ms from 'ms';
import { InvalidArgumentError, OutOfRangeError } from '../errors.js';
import { show } from '../show.js';

/** A length of time: milliseconds, or text such as `'500ms'`, `'30s'`, `'10m'`, `'7d'` (read by the package `ms`). */
export type Duration = number | string;

/** Where the time comes from: milliseconds since 1970, `Date.now` by default. Inject another to test expiry without waiting. */
export type Clock = () => number;

/**
 * The milliseconds of a duration, which must be positive and finite.
 * @param name what the duration is, for the message
 * @throws OutOfRangeError for zero, a negative number, NaN, Infinity or text that is no duration
 * @throws InvalidArgumentError for what is neither a number nor text
 */
export function toMilliseconds(duration: Duration, name: string): number {
  if (typeof duration !== 'number' && typeof duration !== 'string') {
    throw new InvalidArgumentError(`${name} must be milliseconds or text such as '30s'; got ${show(duration)}`);
  }
  const milliseconds = typeof duration === 'number' ? duration : parse(duration);
  if (!(milliseconds > 0) || milliseconds > Number.MAX_SAFE_INTEGER) {
    throw new OutOfRangeError(
      `${name} must be positive and finite: milliseconds, or text such as '500ms', '30s', '7d'; got ${show(duration)}`,
    );
  }
  return milliseconds;
}

function parse(text: string): number {
  if (text.length === 0 || text.length > 100) return Number.NaN;
  return ms(text as ms.StringValue) ?? Number.NaN;
}
