import { ReloadError } from '../errors.js';
import { type Dropped, emptyFrozen, type Frozen, freeze, type Live, replaceWithin, thaw } from './frozen.js';
import type { Model } from './model.js';
import { Ref } from './reference.js';
import type { StoreState } from './saving.js';
import { handState, type Store, type StoreClass } from './store.js';

/** Options of `Service.reload`. */
export interface ReloadOptions {
  /**
   * Whether only some classes are loaded anew: those that are not declared again stay as they are. `false` by default: they are gone, and their objects
   * are kept aside until they return.
   */
  readonly partial?: boolean | undefined;
  /**
   * What becomes of a reload after which a class or a field that had objects or values is gone: `'keep'`, the default, goes on, keeps their data and reports
   * them; `'refuse'` makes it fail.
   */
  readonly vanished?: 'keep' | 'refuse' | undefined;
}

/** What a reload, or a `deserialise`, came to. */
export interface ReloadReport {
  /** How many objects there are of each class that was loaded. */
  readonly restored: ReadonlyMap<string, number>;
  /** Names of classes that were not declared again; their objects are kept aside until they are. */
  readonly vanishedClasses: readonly string[];
  /** Saved fields that their class does not have any more. Their data stay in the file. */
  readonly vanishedFields: readonly { readonly store: string; readonly field: string }[];
  /** Session values that were left behind, with why. */
  readonly dropped: readonly Dropped[];
}

/** The classes of a service by name. */
export class Declarations {
  readonly models = new Map<string, Model<never>>();
  readonly classes = new Map<string, StoreClass>();

  /** All models. */
  get all(): Model[] {
    return [...this.models.values()] as unknown as Model[];
  }

  /** The model of a name. */
  model(name: string): Model | undefined {
    return this.models.get(name) as unknown as Model | undefined;
  }
}

/** Objects of classes that there are not, by class and key. */
export type Aside = Map<string, Map<string, Frozen>>;

/** Finds objects of some models. */
export function directoryOf(declarations: Declarations) {
  return {
    find: ([store, key]: readonly [string, string]): Store | undefined => declarations.model(store)?.active.get(key),
    reference: ([store, key]: readonly [string, string]): Ref<Store> | undefined => {
      const storeClass = declarations.classes.get(store);
      return storeClass === undefined ? undefined : new Ref<Store>(() => storeClass as never, key);
    },
  };
}

/** Takes all active objects of some models apart, at one moment. */
export function freezeAll(
  models: readonly Model[],
  purpose: 'reload' | 'handOver',
  dropped: Dropped[],
  into: Map<Model, Map<string, Live>>,
): void {
  for (const model of models) {
    const frozen = new Map<string, Live>();
    into.set(model, frozen);
    for (const [key, store] of model.active) {
      const live = emptyFrozen(model, store);
      frozen.set(key, live);
      freeze(model, store, purpose, live, dropped);
    }
  }
}

/**
 * Puts new classes in the place of former ones, with all objects, at one moment. Whatever fails, everything is as before.
 */
export class Exchange {
  readonly #former: Declarations;
  readonly #next: Declarations;
  readonly #options: ReloadOptions;
  readonly #aside: Aside;
  readonly #frozen = new Map<Model, Map<string, Live>>();
  readonly #replacements = new Map<unknown, Store>();
  readonly #undo: (() => void)[] = [];
  readonly #dropped: Dropped[] = [];
  readonly #vanishedFields = new Map<string, { store: string; field: string }>();

  /**
   * @param former the classes there are
   * @param loaded the classes that were declared since
   * @param aside objects whose class is gone
   */
  constructor(former: Declarations, loaded: Declarations, options: ReloadOptions, aside: Aside) {
    this.#former = former;
    this.#options = options;
    this.#aside = aside;
    this.#next = new Declarations();
    const staying = options.partial === true ? former.models.keys() : [];
    for (const name of staying) this.#take(former, name);
    for (const name of loaded.models.keys()) this.#take(loaded, name);
  }

  #take(from: Declarations, name: string): void {
    this.#next.models.set(name, from.models.get(name) as Model<never>);
    this.#next.classes.set(name, from.classes.get(name) as StoreClass);
  }

  /** The classes there are afterwards. */
  get next(): Declarations {
    return this.#next;
  }

  /** Does it; the objects of classes that are gone are in `aside` then. */
  run(): ReloadReport {
    const retiring = this.#former.all.filter((model) => this.#next.model(model.name) !== model);
    try {
      freezeAll(retiring, 'reload', this.#dropped, this.#frozen);
      this.#checkVanished(retiring);
      const restored = this.#restore(retiring);
      const vanishedClasses = this.#setAside(retiring);
      this.#commit(retiring);
      return {
        restored,
        vanishedClasses,
        vanishedFields: [...this.#vanishedFields.values()],
        dropped: this.#dropped,
      };
    } catch (error) {
      this.#rollBack();
      throw error;
    }
  }

  #checkVanished(retiring: readonly Model[]): void {
    for (const model of retiring) {
      const next = this.#next.model(model.name);
      if (next === undefined && this.#options.vanished === 'refuse') {
        throw new ReloadError(
          `the class ${model.className} was not declared again; declare it, or reload with { vanished: 'keep' }`,
        );
      }
      for (const { fields } of next === undefined ? [] : (this.#frozen.get(model)?.values() ?? [])) {
        for (const field of Object.keys(fields)) {
          if (next?.field(field) === undefined)
            this.#vanishedFields.set(`${model.name}.${field}`, { store: model.name, field });
        }
      }
    }
    const [first] = this.#vanishedFields.values();
    if (first === undefined || this.#options.vanished !== 'refuse') return;
    throw new ReloadError(
      `${first.store} has no field ${first.field} any more, of which there are values; declare it, or reload with { vanished: 'keep' }`,
    );
  }

  #restore(retiring: readonly Model[]): Map<string, number> {
    const todo: { readonly model: Model; readonly store: Store; readonly frozen: Frozen & Partial<Live> }[] = [];
    // All objects first, so that those which lead to each other find each other.
    for (const model of this.#next.all) {
      const former = retiring.find((one) => one.name === model.name);
      if (former === undefined && this.#former.model(model.name) === model) continue;
      const found: ReadonlyMap<string, Frozen & Partial<Live>> =
        (former && this.#frozen.get(former)) ?? this.#aside.get(model.name) ?? new Map();
      for (const [key, frozen] of found) {
        const store = model.createDetached(key);
        model.activate(store);
        todo.push({ model, store, frozen });
        if (frozen.store !== undefined) this.#replacements.set(frozen.store, store);
        if (frozen.state !== undefined) this.#shareState(frozen.state, store);
      }
    }
    const directory = directoryOf(this.#next);
    const seen = new Set<unknown>();
    for (const { model, store, frozen } of todo) {
      for (const value of frozen.carried?.values() ?? []) {
        replaceWithin(value, (former) => this.#replacement(former, directory), this.#undo, seen);
      }
      thaw(model, store, frozen, 'reload', directory, this.#dropped);
    }
    // What stays may hold what went.
    for (const model of this.#next.all) {
      if (this.#former.model(model.name) !== model) continue;
      for (const store of model.active.values()) this.#replaceIn(model, store, directory, seen);
    }
    return new Map(
      this.#next.all
        .filter((model) => this.#former.model(model.name) !== model)
        .map(({ name, active }) => [name, active.size]),
    );
  }

  #shareState(state: StoreState, store: Store): void {
    const { rest } = state;
    this.#undo.push(() => {
      state.rest = rest;
    });
    handState(state, store);
    // It is made again of what the new class has no field for.
    state.rest = undefined;
  }

  #replaceIn(model: Model, store: Store, directory: ReturnType<typeof directoryOf>, seen: Set<unknown>): void {
    const object = store as unknown as Record<string, unknown>;
    for (const { name, session, simple } of model.fields) {
      if (!session || !simple) continue;
      const before = object[name];
      const after = this.#replacement(before, directory);
      if (after === before) {
        replaceWithin(before, (former) => this.#replacement(former, directory), this.#undo, seen);
        continue;
      }
      this.#undo.push(() => {
        object[name] = before;
      });
      object[name] = after;
    }
  }

  #replacement(former: unknown, directory: ReturnType<typeof directoryOf>): unknown {
    if (!(former instanceof Ref)) return this.#replacements.get(former) ?? former;
    const retired = this.#former.all.find((model) => former.refersTo(model.storeClass as never));
    if (retired === undefined || this.#next.model(retired.name) === retired) return former;
    return directory.reference([retired.name, former.key]) ?? former;
  }

  #setAside(retiring: readonly Model[]): string[] {
    const gone: string[] = [];
    for (const model of retiring) {
      if (this.#next.models.has(model.name)) continue;
      gone.push(model.name);
      const kept = new Map<string, Frozen>();
      // The former object itself is not kept, nor with it its class.
      for (const [key, { store: _, ...frozen }] of this.#frozen.get(model) ?? []) kept.set(key, frozen);
      this.#aside.set(model.name, kept);
    }
    for (const name of this.#next.models.keys()) this.#aside.delete(name);
    return gone;
  }

  #commit(retiring: readonly Model[]): void {
    for (const model of retiring) {
      model.retired = true;
      const next = this.#next.model(model.name);
      // Before the manager refuses to speak.
      if (next !== undefined) next.manager.succeed(model.manager);
      model.active.clear();
    }
  }

  #rollBack(): void {
    for (const undo of this.#undo.reverse()) undo();
    for (const [model, frozen] of this.#frozen) {
      for (const live of frozen.values()) {
        for (const { name, session, simple, type } of model.fields) {
          if (!session || simple || !Object.hasOwn(live.session, name)) continue;
          type.deserialise(live.store, name, live.session[name], 'reload');
        }
      }
    }
  }
}
