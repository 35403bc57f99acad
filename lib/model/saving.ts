import type { Backend } from '../backend/backend.js';
import { ConflictError, DeletedError, DuplicateKeyError } from '../errors.js';
import { show } from '../show.js';
import { type Document, toDocument } from './documents.js';
import type { Model } from './model.js';
import { type Store, stateOf } from './store.js';

/** Options of `save`. */
export interface SaveOptions {
  /** Write even what was last read or written. */
  readonly force?: boolean | undefined;
  /** Let the first save of a new object replace what is saved under its key. */
  readonly overwrite?: boolean | undefined;
}

/** A state of an object that waits to be written. */
interface Pending {
  readonly document: Document;
  readonly options: SaveOptions;
  /** Got when `save` was called, so that a service that closes meanwhile still writes it. */
  readonly documents: Promise<Backend<Document>>;
}

/** What is known of an object beside its fields; made when first needed. */
export class StoreState {
  /** Names the text that was last read or written. */
  digest: string | undefined;
  /** Names the text of a write that failed, and may have taken effect all the same. */
  attempted: string | undefined;
  /** Keys of the file that no field claims. */
  rest: Record<string, unknown> | undefined;
  deleted = false;
  /** The time as of which it is, in milliseconds since 1970; `undefined` for what is present. */
  asOf: number | undefined;
  /** The newest state that waits. */
  newest: Pending | undefined;
  /** The write under way. */
  writing: Promise<void> | undefined;
  /** The write that takes `newest` once the one under way has ended. */
  waiting: Promise<void> | undefined;
}

/** Saves an object; see `Store.save`. */
export async function save(model: Model, store: Store, options: SaveOptions): Promise<void> {
  const state = stateOf(store);
  if (state.deleted) {
    throw new DeletedError(`${model.className} ${show(store.key)} was deleted; create it anew to save it`, {
      operation: 'save',
      key: store.key,
    });
  }
  model.checkPresent(store, 'save');
  model.service.checkOpen('save');
  model.checkCurrent();
  model.activate(store);
  const document = toDocument(model.toDict(store, false));
  const idle = state.writing === undefined && state.waiting === undefined;
  if (idle && state.digest === document.digest && !options.force) return;
  await model.service.track(enqueue(model, store, state, { document, options, documents: model.documents() }));
}

function enqueue(model: Model, store: Store, state: StoreState, pending: Pending): Promise<void> {
  const { newest } = state;
  // A wish of an earlier save that this one stands for is kept.
  const options = {
    force: pending.options.force || newest?.options.force,
    overwrite: pending.options.overwrite || newest?.options.overwrite,
  };
  state.newest = { ...pending, options };
  if (state.waiting !== undefined) return state.waiting;
  if (state.writing === undefined) return start(model, store, state);
  state.waiting = state.writing.then(
    () => start(model, store, state),
    () => start(model, store, state),
  );
  return state.waiting;
}

function start(model: Model, store: Store, state: StoreState): Promise<void> {
  const pending = state.newest as Pending;
  state.newest = undefined;
  state.waiting = undefined;
  const writing = write(model, store, state, pending).finally(() => {
    if (state.writing === writing) state.writing = undefined;
  });
  state.writing = writing;
  return writing;
}

async function write(model: Model, store: Store, state: StoreState, pending: Pending): Promise<void> {
  const { document, options } = pending;
  const { key } = store;
  // The removal of this object waits for its saves, so they do not wait for it.
  if (!state.deleted) await model.manager.removalOf(key);
  if (state.digest === document.digest && !options.force) return;
  const documents = await pending.documents;
  const { attempted } = state;
  state.attempted = document.digest;
  if (options.overwrite) {
    await documents.set(key, document);
  } else if (state.digest === undefined) {
    const written = await setAbsent(documents, key, document);
    if (!written && !(await isOwn(documents, key, attempted))) {
      state.attempted = attempted;
      throw duplicate(model, key);
    }
    if (!written) await documents.set(key, document);
  } else if (model.optimistic) {
    await documents.update(key, (current) => {
      if (current?.digest === state.digest) return document;
      if (current !== undefined && current.digest === attempted) return document;
      state.attempted = attempted;
      throw conflict(model, key, current);
    });
  } else {
    await documents.set(key, document);
  }
  state.attempted = undefined;
  state.digest = document.digest;
}

/** Whether what is saved is what an earlier save of this object tried to write. */
async function isOwn(documents: Backend<Document>, key: string, attempted: string | undefined): Promise<boolean> {
  return attempted !== undefined && (await documents.get(key))?.digest === attempted;
}

async function setAbsent(documents: Backend<Document>, key: string, document: Document): Promise<boolean> {
  if (documents.capabilities.conditionalSet !== 'none') return documents.set(key, document, { if: 'absent' });
  return !(await documents.has(key)) && documents.set(key, document);
}

/** Reads an object again; see `Store.load`. */
export async function reload<T extends Store>(model: Model<T>, store: T): Promise<boolean> {
  model.checkCurrent();
  model.checkPresent(store, 'load');
  const state = stateOf(store);
  const documents = await model.documents();
  for (;;) {
    await (state.waiting ?? state.writing)?.catch(ignore);
    const { digest } = state;
    const document = await documents.get(store.key);
    // What was read beside a save may be older than what is saved by now.
    if (state.writing !== undefined || state.digest !== digest) continue;
    if (document === undefined) state.digest = undefined;
    else model.refresh(store, document, () => documents.locate(store.key));
    return document !== undefined;
  }
}

/** Removes an object; see `Store.delete`. */
export async function remove(model: Model, store: Store): Promise<boolean> {
  const state = stateOf(store);
  const { key } = store;
  model.checkPresent(store, 'delete');
  model.service.checkOpen('delete');
  model.checkCurrent();
  const documents = model.documents();
  state.deleted = true;
  const wasActive = model.active.get(key) === store;
  if (wasActive) model.active.delete(key);
  try {
    return await model.service.track(
      model.manager.removing(key, async () => {
        // Saves called before are to end first, so that none of them brings the file back.
        await (state.waiting ?? state.writing)?.catch(ignore);
        return (await documents).delete(key);
      }),
    );
  } catch (error) {
    state.deleted = false;
    if (wasActive && !model.retired && !model.active.has(key)) model.active.set(key, store);
    throw error;
  }
}

function ignore(): void {}

/** The error of a first save over what is saved already. */
export function duplicate(model: Model, key: string): DuplicateKeyError {
  return new DuplicateKeyError(
    `${model.className} ${show(key)} is saved already, and this object was never loaded; load it, or save with { overwrite: true }`,
    { operation: 'save', key },
  );
}

/** The error of a save over what somebody else changed. */
export function conflict(model: Model, key: string, current: Document | undefined): ConflictError {
  const what = current === undefined ? 'was deleted' : 'was changed';
  return new ConflictError(
    `${model.className} ${show(key)} ${what} by somebody else since this object was loaded or saved; load() it and try again`,
    { operation: 'save', key },
  );
}
