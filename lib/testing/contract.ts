import type { Backend } from '../backend/backend.js';
import { changes } from './changes.js';
import { conditions } from './conditions.js';
import { counters } from './counters.js';
import { expiry } from './expiry.js';
import { keys } from './keys.js';
import { lifecycle } from './lifecycle.js';
import { listing } from './listing.js';
import { many } from './many.js';
import { namespaces } from './namespaces.js';
import type { ContractOptions } from './options.js';
import { claims, type Need, type Promises } from './promises.js';
import { refusals } from './refusals.js';
import { signals } from './signals.js';
import { storage } from './storage.js';
import { Subject } from './subject.js';
import { values } from './values.js';
import { versions } from './versions.js';
import { watching } from './watching.js';

/**
 * Holds a backend to everything that keepsake promises of every backend, and then a namespace of it to the same.
 *
 * `capabilities` drive it: what a driver claims must work, and what it does not claim must be refused with an `UnsupportedError`, up
 * front. It takes `describe` and `it` from whichever test runner is at hand, and needs no other.
 *
 * @example
 * import { contract } from 'keepsake/testing';
 *
 * describe('memory', () => {
 *   let now = Date.now();
 *   const clock = { now: () => now, advance: (milliseconds: number) => void (now += milliseconds) };
 *   contract({ describe, it, clock, open: () => memory({ clock: clock.now }) });
 * });
 */
export function contract<V>(options: ContractOptions<V>): void {
  const given = options as unknown as ContractOptions<unknown>;
  given.describe('the contract', () => declare(given, (backend) => backend));
  given.describe('the contract in a namespace', () => declare(given, (backend) => backend.namespace('inner')));
}

const chapters: Readonly<Record<string, (promise: Promises) => void>> = {
  values,
  keys,
  namespaces,
  expiry,
  versions,
  conditions,
  changes,
  counters,
  'many at once': many,
  listing,
  signals,
  lifecycle,
  storage,
  watching,
  refusals,
};

function declare(options: ContractOptions<unknown>, view: (backend: Backend<unknown>) => Backend<unknown>): void {
  for (const [title, chapter] of Object.entries(chapters)) {
    options.describe(title, () => {
      chapter((promise, needs, body) => {
        const all: readonly Need[] = chapter === refusals ? needs : ['readable', 'writable', ...needs];
        options.it(promise, () => keep(options, view, all, body));
      });
    });
  }
}

async function keep(
  options: ContractOptions<unknown>,
  view: (backend: Backend<unknown>) => Backend<unknown>,
  needs: readonly Need[],
  body: (subject: Subject) => Promise<void>,
): Promise<void> {
  const whole = await options.open();
  try {
    if (needs.every((need) => claims(whole.capabilities, need))) await body(new Subject(view(whole), options, view));
  } finally {
    await whole.close();
  }
}
