import type { Atomicity, Capabilities } from '../backend/capabilities.js';
import type { Subject } from './subject.js';

/** A capability that a promise stands on. */
export type Need = Exclude<keyof Capabilities, 'values'>;

/**
 * Declares one promise. It is kept where the backend claims every capability of `needs`; where it does not, the promises of
 * `refusals.ts` hold it to refusing.
 */
export type Promises = (title: string, needs: readonly Need[], body: (subject: Subject) => Promise<void>) => void;

/** Whether the capabilities claim it. */
export function claims(capabilities: Capabilities, need: Need): boolean {
  const claimed: Atomicity | boolean = capabilities[need];
  return claimed !== 'none' && claimed !== false;
}
