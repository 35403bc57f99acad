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
  const release = await reserve(stores);
  try {
    const failures: unknown[] = [];
    const changed = stores.filter((store) => store.active).flatMap((store) => take(model, store, failures));
    if (changed.length === 0 || (atomic && failures.length > 0)) return failures;
    await model.service.track(commit(model, changed, atomic, failures));
    return failures;
  } finally {
    release();
  }
}

/**
 * Waits until no save of any of the objects is under way, and lets later ones wait: one that is under way may be of an older state, and must not come after
 * this one. They are taken one by one, each as soon as it is idle, and always in the same order, so that no two wait for each other.
 * @returns a function that lets go of them
 */
async function reserve(stores: readonly Store[]): Promise<() => void> {
  let release: (() => void) | undefined;
  const reservation = new Promise<void>((resolve) => {
    release = resolve;
  });
  const reserved: StoreState[] = [];
  for (const store of [...stores].sort((a, b) => (a.key < b.key ? -1 : 1))) {
    const state = stateOf(store);
    while (underWay(state)) await (state.waiting ?? state.writing)?.catch(() => undefined);
    state.writing = reservation;
    reserved.push(state);
  }
  return () => {
    for (const state of reserved) if (state.writing === reservation) state.writing = undefined;
    release?.();
  };
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
  try {
    await documents.setMany(
      fitting.map(({ store, document }) => [store.key, document] as const),
      { atomic: true },
    );
  } catch (error) {
    failures.push(error);
    return;
  }
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
