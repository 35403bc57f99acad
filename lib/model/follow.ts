import type { Backend } from '../backend/backend.js';
import type { KeyChange } from '../backend/driver.js';
import { eachOf } from '../backend/operations.js';
import type { Watch } from '../backend/watch.js';
import { EncodeError, KeepsakeError } from '../errors.js';
import { type Document, toDocument } from './documents.js';
import { type Followed, Following } from './following.js';
import type { Model } from './model.js';
import { isKey } from './names.js';
import type { StoreState } from './saving.js';
import type { Service } from './service.js';
import { type Store, stateOf } from './store.js';

/** What is known of a text that was read: which one, and what would be written of it, since people format files as they like. */
interface Read {
  readonly digest: string;
  readonly written: string;
}

/** Keeps the active objects of one class in step with what is saved. By the name of the class, so that it goes on with what a reload puts in its place. */
export class Follower {
  readonly #service: Service;
  readonly #name: string;
  readonly #onEnd: () => void;
  readonly #reads = new WeakMap<StoreState, Read>();
  /** What objects last read or wrote whose file is gone. */
  readonly #gone = new WeakMap<StoreState, string>();
  readonly #starting: Promise<void>;
  readonly #ended: Promise<undefined>;
  #end: () => void = () => undefined;
  #running: Promise<void> | undefined;
  #documents: Backend<Document> | undefined;
  #changes: Watch | undefined;
  #uses = 0;
  #stopped = false;

  /** @param onEnd called when it has ended */
  constructor(service: Service, name: string, onEnd: () => void) {
    this.#service = service;
    this.#name = name;
    this.#onEnd = onEnd;
    this.#ended = new Promise((resolve) => {
      this.#end = () => resolve(undefined);
    });
    this.#starting = this.#start();
  }

  /** Uses it; resolves when every later change is seen. */
  async use(signal: AbortSignal | undefined): Promise<Following> {
    this.#uses++;
    const following = new Following(() => this.#leave(), signal);
    try {
      await this.#starting;
    } catch (error) {
      await following.stop();
      throw error;
    }
    signal?.throwIfAborted();
    return following;
  }

  /** Something was read into an object; called before anybody can change it. */
  read(model: Model, object: Store, digest: string): void {
    this.#reads.set(stateOf(object), { digest, written: writtenOf(model, object) ?? digest });
  }

  /** Ends it, and waits for what is under way. */
  async stop(): Promise<void> {
    this.#finish();
    await this.#running;
  }

  #finish(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#end();
    this.#onEnd();
    void this.#changes?.return();
  }

  async #leave(): Promise<void> {
    if (--this.#uses === 0) await this.stop();
  }

  async #start(): Promise<void> {
    try {
      const changes = await this.#watch();
      if (changes !== undefined) this.#running = this.#run(changes).catch((error: unknown) => this.#fail(error));
    } catch (error) {
      this.#finish();
      throw error;
    }
  }

  /** Begins to watch, and makes good what was missed before; `undefined` where it was stopped meanwhile. */
  async #watch(): Promise<Watch | undefined> {
    const documents = await this.#opened();
    if (documents === undefined || this.#stopped) return undefined;
    this.#documents = documents;
    const changes = documents.watch();
    this.#changes = changes;
    await changes.ready();
    const active = [...(this.#service.modelOf(this.#name)?.active.values() ?? [])];
    // What was never saved has nothing to be in step with.
    const saved = active.filter((object) => stateOf(object).digest !== undefined);
    await eachOf(saved, ({ key }) => this.#follow({ type: 'set', key }));
    return changes;
  }

  /** Where the objects are kept; waits while the service is suspended, unless it is stopped. */
  #opened(): Promise<Backend<Document> | undefined> {
    return Promise.race([this.#service.documentsOf(this.#name), this.#ended]);
  }

  async #run(first: Watch): Promise<void> {
    let changes: Watch | undefined = first;
    while (changes !== undefined) {
      for await (const change of changes) await this.#follow(change);
      // The backend was closed: a service that is suspended opens it again when it goes on.
      changes = await this.#watch();
    }
  }

  #fail(error: unknown): void {
    if (this.#stopped) return;
    this.#finish();
    this.#service.unfollow(error, this.#name);
  }

  /** Deals with one change; a saved object that cannot be read is reported, and is no reason to end. */
  async #follow(change: KeyChange): Promise<void> {
    if (!isKey(change.key) || this.#stopped) return;
    try {
      const followed = await this.#bring(change);
      if (followed !== undefined && !this.#stopped) this.#service.tellFollowed(followed);
    } catch (error) {
      if (this.#stopped) return;
      if (!(error instanceof KeepsakeError)) throw error;
      if (error.code !== 'KEEPSAKE_CLOSED') this.#service.reportUnreadable(error);
      // What a suspension cuts off is made good after it.
      else if ((await this.#opened()) === this.#documents) throw error;
    }
  }

  async #bring({ type, key }: KeyChange): Promise<Followed | undefined> {
    for (;;) {
      const model = this.#service.modelOf(this.#name);
      if (model === undefined || this.#stopped) return undefined;
      const object = model.active.get(key);
      if (object === undefined) {
        model.manager.outdate(key);
        return { store: this.#name, key, type, outcome: 'inactive', object };
      }
      const state = stateOf(object);
      await (state.waiting ?? state.writing)?.catch(() => undefined);
      const { digest } = state;
      const documents = await this.#opened();
      const document = await documents?.get(key);
      if (documents === undefined) return undefined;
      // The object may have been saved, deleted or replaced meanwhile.
      const isBusy = state.writing !== undefined || state.digest !== digest;
      if (model.retired || model.active.get(key) !== object || isBusy) continue;
      const outcome = this.#settle(model, object, document, documents);
      // Several changes may have become one, so what is there counts.
      return outcome && { store: this.#name, key, type: document === undefined ? 'delete' : 'set', outcome, object };
    }
  }

  /** What becomes of an object, at one moment, when this is what is saved. */
  #settle(
    model: Model,
    object: Store,
    document: Document | undefined,
    documents: Backend<Document>,
  ): Followed['outcome'] | undefined {
    const state = stateOf(object);
    const { digest } = state;
    if (document?.digest === digest) {
      if (document !== undefined) this.#readAgain(model, object, document, documents);
      return undefined;
    }
    const last = digest ?? this.#gone.get(state);
    if (last === undefined || this.#isChanged(model, object, last)) return 'conflict';
    if (document === undefined) {
      state.digest = undefined;
      this.#gone.set(state, last);
      return 'deleted';
    }
    model.refresh(object, document, () => documents.locate(object.key));
    this.#gone.delete(state);
    return 'reloaded';
  }

  /** Finds out what would be written of what was read before anybody followed. */
  #readAgain(model: Model, object: Store, document: Document, documents: Backend<Document>): void {
    const state = stateOf(object);
    if (this.#reads.get(state)?.digest === document.digest || writtenOf(model, object) === document.digest) return;
    const copy = model.hydrate(object.key, document, () => documents.locate(object.key));
    this.#reads.set(state, { digest: document.digest, written: writtenOf(model, copy) ?? document.digest });
  }

  /** Whether an object is another than what it last read or wrote. */
  #isChanged(model: Model, object: Store, last: string): boolean {
    const written = writtenOf(model, object);
    const read = this.#reads.get(stateOf(object));
    return written !== last && !(read?.digest === last && read.written === written);
  }
}

/** Names the text that would be written of an object; `undefined` where it cannot be saved. */
function writtenOf(model: Model, object: Store): string | undefined {
  try {
    return toDocument(model.toDict(object, false)).digest;
  } catch (error) {
    if (error instanceof EncodeError) return undefined;
    throw error;
  }
}
