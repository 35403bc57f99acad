import { ReloadError } from '../errors.js';
import { show } from '../show.js';
import type { Model, ModelField } from './model.js';
import { Ref } from './reference.js';
import { modelOf } from './registered.js';
import type { StoreState } from './saving.js';
import { Store, stateOf } from './store.js';
import { checkForm } from './types/checked.js';
import type { Purpose } from './types/field-type.js';

/** Where an object is found: the name of its class, and its key. */
export type Address = readonly [store: string, key: string];

/** An object taken apart, to be put together by the next version of its class, or in the next process. */
export interface Frozen {
  /** The version of the data. */
  readonly version: number;
  /** The forms of the fields that are saved. */
  readonly fields: Record<string, unknown>;
  /** The forms of session fields. */
  readonly session: Record<string, unknown>;
  /** Session fields that hold an object of a Store class. */
  readonly stores: Record<string, Address>;
  /** Session fields that hold a reference to one. */
  readonly references: Record<string, Address>;
  /** What the file holds beside the fields. */
  readonly rest?: Record<string, unknown> | undefined;
  /** Names the text that was last read or written. */
  readonly digest?: string | undefined;
}

/** A frozen object in this process, with what goes over as it is. */
export interface Live extends Frozen {
  readonly store: Store;
  /** Its saves under way and queued, and what it read or wrote last: the next object goes on with it. */
  readonly state: StoreState;
  /** The values of session fields. */
  readonly carried: Map<string, unknown>;
}

/** A value that was left behind. */
export interface Dropped {
  /** The name of the class. */
  readonly store: string;
  readonly key: string;
  readonly field: string;
  /** Why. */
  readonly reason: string;
}

/**
 * Takes an object apart.
 * @param frozen is filled on the way, so that what was done can be undone when a field fails
 * @throws EncodeError for a value of a saved field that has no form
 */
export function freeze(model: Model, store: Store, purpose: Purpose, frozen: Live, dropped: Dropped[]): void {
  const object = store as unknown as Record<string, unknown>;
  for (const field of model.fields) {
    const { name, session, simple, type } = field;
    try {
      if (!session) {
        const form = simple ? encode(field, object[name]) : type.serialise(store, name, purpose);
        if (field.foreign && form !== undefined) checkForm(form);
        if (form !== undefined) frozen.fields[name] = form;
      } else if (!simple) {
        const form = type.serialise(store, name, purpose);
        if (form !== undefined) frozen.session[name] = form;
      } else {
        freezeValue(field, object[name], purpose, frozen);
      }
      if (session && purpose === 'handOver' && frozen.session[name] !== undefined) checkForm(frozen.session[name]);
    } catch (error) {
      if (!session || purpose !== 'handOver') throw model.cannotEncode(store, field, error);
      delete frozen.session[name];
      dropped.push({
        store: model.name,
        key: store.key,
        field: name,
        reason: model.cannotEncode(store, field, error).message,
      });
    }
  }
}

function encode({ type }: ModelField, value: unknown): unknown {
  return value === undefined ? undefined : type.encode(value);
}

function freezeValue(field: ModelField, value: unknown, purpose: Purpose, frozen: Live): void {
  if (value === undefined) return;
  const { name } = field;
  if (value instanceof Store) frozen.stores[name] = [modelOf(value.constructor).name, value.key];
  else if (value instanceof Ref) frozen.references[name] = [modelOf(value.target).name, value.key];
  else if (purpose === 'reload') frozen.carried.set(name, value);
  else frozen.session[name] = field.type.encode(value);
}

/** An empty form of an object, to be filled. */
export function emptyFrozen(model: Model, store: Store): Live {
  const state = stateOf(store);
  const { rest, digest } = state;
  return {
    store,
    state,
    version: model.version,
    fields: {},
    session: {},
    stores: {},
    references: {},
    carried: new Map(),
    rest: rest === undefined ? undefined : structuredClone(rest),
    digest,
  };
}

/** Finds objects of the current classes. */
export interface Directory {
  find(address: Address): Store | undefined;
  reference(address: Address): Ref<Store> | undefined;
}

/**
 * Sets the fields of a fresh object from what was taken apart.
 * @throws CorruptDataError, MigrationError for forms that do not fit
 */
export function thaw(
  model: Model,
  store: Store,
  frozen: Frozen & { readonly carried?: ReadonlyMap<string, unknown> },
  purpose: Purpose,
  directory: Directory,
  dropped: Dropped[],
): void {
  const drop = (field: string, reason: string): void => {
    dropped.push({ store: model.name, key: store.key, field, reason });
  };
  const saved: Record<string, unknown> = { ...frozen.rest, ...structuredClone(frozen.fields) };
  if (frozen.version > 0) saved.$version = frozen.version;
  model.fromDict(store, saved, false, undefined, purpose);
  const object = store as unknown as Record<string, unknown>;
  const form = { ...frozen.fields, ...frozen.session };
  for (const field of model.fields) {
    const { name } = field;
    // A field that was saved may be a session field now, but not the other way round.
    if (!field.session || !Object.hasOwn(form, name)) continue;
    try {
      if (field.simple) object[name] = field.type.decode(structuredClone(form[name]));
      else field.type.deserialise(store, name, form[name], purpose);
    } catch (error) {
      throw model.cannotDecode(store, field, error);
    }
  }
  for (const name of Object.keys(frozen.session))
    if (!known(model, name)) drop(name, 'the class has no such session field');
  for (const [name, value] of frozen.carried ?? []) {
    if (known(model, name)) object[name] = value;
    else drop(name, 'the class has no such session field');
  }
  for (const [found, addresses] of [
    [directory.find, frozen.stores],
    [directory.reference, frozen.references],
  ] as const) {
    for (const [name, address] of Object.entries(addresses)) {
      const target = found(address);
      if (!known(model, name)) drop(name, 'the class has no such session field');
      else if (target === undefined) drop(name, `${address[0]} ${show(address[1])}, to which it led, is not in memory`);
      else object[name] = target;
    }
  }
}

function known(model: Model, name: string): boolean {
  return model.field(name)?.session === true;
}

/**
 * Puts the objects of new classes in the place of the former ones in arrays, Maps, Sets and plain objects that are carried over, which stay the same objects:
 * others may hold them too.
 * @param undo gets what to do to have it back
 */
export function replaceWithin(
  value: unknown,
  replacement: (former: unknown) => unknown,
  undo: (() => void)[],
  seen: Set<unknown>,
): void {
  if (typeof value !== 'object' || value === null || seen.has(value)) return;
  seen.add(value);
  const exchange = (part: unknown): unknown => {
    const other = replacement(part);
    if (other === part) replaceWithin(part, replacement, undo, seen);
    return other;
  };
  const prototype: unknown = Object.getPrototypeOf(value);
  if (value instanceof Map && prototype === Map.prototype) {
    const before = [...value];
    const after = before.map(([key, item]) => [exchange(key), exchange(item)] as const);
    if (before.every(([key, item], at) => after[at]?.[0] === key && after[at]?.[1] === item)) return;
    refill(value, before, after, undo);
  } else if (value instanceof Set && prototype === Set.prototype) {
    const before = [...value];
    const after = before.map(exchange);
    if (before.every((item, at) => item === after[at])) return;
    undo.push(() => {
      value.clear();
      for (const item of before) value.add(item);
    });
    value.clear();
    for (const item of after) value.add(item);
  } else if (Array.isArray(value) || prototype === Object.prototype || prototype === null) {
    const object = value as Record<string, unknown>;
    for (const [name, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(object))) {
      if (!('value' in descriptor)) continue;
      const before: unknown = descriptor.value;
      const after = exchange(before);
      if (after === before) continue;
      if (descriptor.writable !== true)
        throw new ReloadError(`${show(name)} of a session value is read-only, and holds an object of a former class`);
      undo.push(() => {
        object[name] = before;
      });
      object[name] = after;
    }
  }
}

function refill(
  map: Map<unknown, unknown>,
  before: readonly (readonly [unknown, unknown])[],
  after: readonly (readonly [unknown, unknown])[],
  undo: (() => void)[],
): void {
  const fill = (entries: readonly (readonly [unknown, unknown])[]): void => {
    map.clear();
    for (const [key, item] of entries) map.set(key, item);
  };
  undo.push(() => fill(before));
  fill(after);
}
