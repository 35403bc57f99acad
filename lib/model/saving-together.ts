import type { Backend } from '../backend/backend.js';
import { DeletedError } from '../errors.js';
import { show } from '../show.js';
import { type Document, toDocument } from './documents.js';
import type { Model } from './model.js';
import { conflict, duplicate, type StoreState } from './saving.js';
import { type Store, stateOf } from './store.js';

/** An object that is to be saved, as it is now. */
interface Changed {
  readonly store: Store;
  readonly state: StoreState;
  readonly document: Document;
}

/**
 * Saves objects in one commit. What cannot be saved is left out and told, and the others are saved; with `atomic`, nothing is.
 * @returns what failed
 */
export async function saveTogether(model: Model, stores: readonly Store[], atomic: boolean): Promise<unknown[]> {
  model.service.checkOpen('saveAll');
  const states = stores.map((store) => stateOf(store));
  // A save under way may be of an older state, and must not come after this one.
  while (states.some(underWay)) await Promise.allSettled(states.map((state) => state.waiting ?? state.writing));
  const failures: unknown[] = [];
  const changed = stores.filter((store) => store.active).flatMap((store) => take(model, store, failures));
  if (changed.length === 0 || (atomic && failures.length > 0)) return failures;
  const saving = commit(model, changed, atomic, failures);
  for (const { state } of changed) {
    const writing = saving.finally(() => {
      if (state.writing === writing) state.writing = undefined;
    });
    writing.catch(() => undefined);
    state.writing = writing;
  }
  await model.service.track(saving);
  return failures;
}

function underWay({ waiting, writing }: StoreState): boolean {
  return waiting !== undefined || writing !== undefined;
}

/** The object as it is now, if it has changed. */
function take(model: Model, store: Store, failures: unknown[]): Changed[] {
  try {
    const state = stateOf(store);
    if (state.deleted) throw new DeletedError(`${model.className} ${show(store.key)} was deleted`, { key: store.key });
    const document = toDocument(model.toDict(store, false));
    return state.digest === document.digest ? [] : [{ store, state, document }];
  } catch (error) {
    failures.push(error);
    return [];
  }
}

async function commit(model: Model, changed: readonly Changed[], atomic: boolean, failures: unknown[]): Promise<void> {
  await Promise.all(changed.map(({ store }) => model.manager.removalOf(store.key)));
  const documents = await model.documents();
  const fitting = await fits(model, documents, changed, failures);
  if (fitting.length === 0 || (atomic && failures.length > 0)) return;
  for (const { state, document } of fitting) state.attempted = document.digest;
  await documents.setMany(
    fitting.map(({ store, document }) => [store.key, document] as const),
    { atomic: true },
  );
  for (const { state, document } of fitting) {
    state.attempted = undefined;
    state.digest = document.digest;
  }
}

/** Those whose saving undoes nobody else's: `save` says the same of one object. */
async function fits(
  model: Model,
  documents: Backend<Document>,
  changed: readonly Changed[],
  failures: unknown[],
): Promise<Changed[]> {
  const toLookAt = changed.filter(({ state }) => state.digest === undefined || model.optimistic);
  const found = await documents.getMany(toLookAt.map(({ store }) => store.key));
  const refused = new Set<Changed>();
  for (const [index, one] of toLookAt.entries()) {
    const { store, state } = one;
    const current = found[index];
    if (current?.digest === state.digest) continue;
    if (current !== undefined && current.digest === state.attempted) continue;
    refused.add(one);
    failures.push(state.digest === undefined ? duplicate(model, store.key) : conflict(model, store.key, current));
  }
  return changed.filter((one) => !refused.has(one));
}
