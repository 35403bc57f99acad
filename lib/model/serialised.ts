import { CorruptDataError } from '../errors.js';
import { show } from '../show.js';
import { type Dropped, emptyFrozen, type Frozen, freeze, type Live, thaw } from './frozen.js';
import type { Model } from './model.js';
import { type Aside, type Declarations, directoryOf, freezeAll, type ReloadReport } from './reload.js';
import { type Store, stateOf } from './store.js';

/** All active objects of a service, session fields included, as JSON carries them. */
export interface Serialised {
  /** Objects by key, by the name of their class. */
  readonly stores: { readonly [store: string]: { readonly [key: string]: Frozen } };
  /** Session values that have no form, and are left behind. */
  readonly dropped: readonly Dropped[];
}

/** Takes all active objects apart, at one moment. */
export function serialise(declarations: Declarations, aside: Aside): Serialised {
  const dropped: Dropped[] = [];
  const frozen = new Map<Model, Map<string, Live>>();
  freezeAll(declarations.all, 'handOver', dropped, frozen);
  const stores: Record<string, Record<string, Frozen>> = {};
  for (const [model, objects] of frozen) stores[model.name] = toForms(objects);
  for (const [name, objects] of aside) stores[name] ??= toForms(objects);
  return { stores, dropped };
}

function toForms(objects: ReadonlyMap<string, Frozen & Partial<Live>>): Record<string, Frozen> {
  return Object.fromEntries(
    [...objects].map(([key, { version, fields, session, stores, references, rest, digest, state }]) => [
      key,
      { version, fields, session, stores, references, rest, digest: state?.digest ?? digest },
    ]),
  );
}

/**
 * Puts objects together from what `serialise` gave: new ones become active, those that are active get its values. All or, when something does not fit,
 * none.
 * @throws CorruptDataError, MigrationError for forms that do not fit
 */
export function deserialise(serialised: Serialised, declarations: Declarations, aside: Aside): ReloadReport {
  const dropped: Dropped[] = [...check(serialised).dropped];
  const restored = new Map<string, number>();
  const vanishedClasses: string[] = [];
  const vanishedFields = new Map<string, { store: string; field: string }>();
  const built: { readonly model: Model; readonly store: Store; readonly frozen: Frozen }[] = [];
  const before: { readonly model: Model; readonly live: Live }[] = [];
  const directory = directoryOf(declarations);
  try {
    for (const [name, objects] of Object.entries(serialised.stores)) {
      const model = declarations.model(name);
      if (model === undefined) {
        vanishedClasses.push(name);
        continue;
      }
      restored.set(name, Object.keys(objects).length);
      for (const [key, frozen] of Object.entries(objects)) {
        let store: Store | undefined = model.active.get(model.toKey(key));
        if (store === undefined) {
          store = model.createDetached(key);
          model.activate(store);
          built.push({ model, store, frozen });
          stateOf(store).digest = frozen.digest;
        } else {
          const live = emptyFrozen(model, store);
          before.push({ model, live });
          freeze(model, store, 'reload', live, []);
          built.push({ model, store, frozen });
        }
        for (const field of Object.keys(frozen.fields)) {
          if (model.field(field) === undefined) vanishedFields.set(`${name}.${field}`, { store: name, field });
        }
      }
    }
    for (const { model, store, frozen } of built) thaw(model, store, frozen, 'handOver', directory, dropped);
  } catch (error) {
    const kept = new Set(before.map(({ live }) => live.store));
    for (const { model, store } of built) if (!kept.has(store)) model.active.delete(store.key);
    for (const { model, live } of before) thaw(model, live.store, live, 'reload', directory, []);
    throw error;
  }
  for (const name of vanishedClasses) aside.set(name, new Map(Object.entries(serialised.stores[name] ?? {})));
  return { restored, vanishedClasses, vanishedFields: [...vanishedFields.values()], dropped };
}

function check(serialised: Serialised): Serialised {
  const wrong = (what: string, value: unknown): never => {
    throw new CorruptDataError(`deserialise: ${what}; got ${show(value)}`);
  };
  const isObject = (value: unknown): value is Record<string, unknown> =>
    typeof value === 'object' && value !== null && !Array.isArray(value);
  if (!isObject(serialised) || !isObject(serialised.stores) || !Array.isArray(serialised.dropped)) {
    wrong('what serialise gave is expected', serialised);
  }
  for (const [name, objects] of Object.entries(serialised.stores)) {
    if (!isObject(objects)) wrong(`the objects of ${name} by key are expected`, objects);
    for (const [key, frozen] of Object.entries(objects)) {
      const parts = isObject(frozen) ? [frozen.fields, frozen.session, frozen.stores, frozen.references] : [];
      if (parts.length < 4 || !parts.every(isObject) || typeof frozen.version !== 'number') {
        wrong(`an object of ${name} under ${show(key)} is expected`, frozen);
      }
    }
  }
  return serialised;
}
