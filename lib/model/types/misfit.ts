import { joinPath } from '../../codecs/plain.js';
import { EncodeError, isKeepsakeError } from '../../errors.js';
import { show } from '../../show.js';

/** What a field type throws for a value or form that does not fit; the model makes the error that users see of it. */
export class Misfit extends Error {
  /** What is wrong. */
  readonly reason: string;
  /** The path from the field to the place. */
  readonly place: string;

  constructor(reason: string, place = '', cause?: unknown) {
    super(reason, cause === undefined ? undefined : { cause });
    this.reason = reason;
    this.place = place;
  }
}

/** The misfit of a form that is not what a type writes. */
export function misfit(form: unknown, expected: string): Misfit {
  return new Misfit(`${show(form)} is not ${expected}`);
}

/** An error that happened in the part `step` of a value, as a misfit of the whole. */
export function within(step: string | number, error: unknown): Misfit {
  if (error instanceof Misfit) return new Misfit(error.reason, joinPath(joinPath('', step), error.place), error.cause);
  if (error instanceof EncodeError) return new Misfit(error.reason, joinPath(joinPath('', step), error.path ?? ''));
  const reason = error instanceof Error ? error.message : String(error);
  return new Misfit(isKeepsakeError(error) ? reason : `its type threw: ${reason}`, joinPath('', step), error);
}
