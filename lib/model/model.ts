import type { Backend } from '../backend/backend.js';
import { fromPlain, put } from '../codecs/plain.js';
import {
  CorruptDataError,
  DeclarationError,
  DuplicateKeyError,
  EncodeError,
  InvalidArgumentError,
  RetiredError,
} from '../errors.js';
import { show } from '../show.js';
import type { Document } from './documents.js';
import type { FieldDefinition } from './field.js';
import type { Manager } from './manager.js';
import { type Migrations, migrate } from './migrations.js';
import { toKey } from './names.js';
import type { Service } from './service.js';
import { type Store, stateOf } from './store.js';
import { checkForm } from './types/checked.js';
import { FieldType, OwnType, type Purpose } from './types/field-type.js';
import { within } from './types/misfit.js';
import { ValueType } from './types/value.js';

/** The class that a model describes. */
export type StoreClass<T extends Store = Store> = (new (key: string) => T) & typeof Store;

/** How a class is kept: options of `@StoredIn`. */
export interface ModelOptions {
  /** The class's name in the service, and of its folder; the class name by default. Lower-cased, stripped to `[a-z0-9_-]`. */
  readonly name?: string | undefined;
  /** Declares no class of its own, only a base for others: it needs no service. Not inherited. */
  readonly abstract?: boolean | undefined;
  /** The version of the data, a whole number; 0 by default. Kept as `$version` in the file. */
  readonly version?: number | undefined;
  /** Steps that bring older data up: `{ 2: (data) => … }` makes data of version 2 of data of version 1. */
  readonly migrations?: Migrations | undefined;
  /**
   * `'last'` (the default): the last save wins. `'optimistic'`: a save over a state that this object has neither loaded nor saved is a
   * `ConflictError`.
   */
  readonly concurrency?: 'last' | 'optimistic' | undefined;
}

/** Tells where a document is kept; asked only for messages. */
type Where = (() => string | undefined) | undefined;

/** A field of a class, ready to use. */
export interface ModelField {
  readonly name: string;
  readonly session: boolean;
  readonly type: FieldType;
  /** Whether `serialise` and `deserialise` are those of `FieldType`, which may then be left out. */
  readonly simple: boolean;
  /** Whether the type is not one of keepsake's, whose forms are known to be JSON. */
  readonly foreign: boolean;
  makeDefault(): unknown;
}

/** How an object is built; the second argument of a registered class's constructor, which only keepsake gives. */
export class Construction {
  readonly values: Record<string, unknown> | undefined;
  readonly activate: boolean;

  constructor(values: Record<string, unknown> | undefined, activate: boolean) {
    this.values = values;
    this.activate = activate;
  }
}

const DETACHED = new Construction(undefined, false);

/** All that is known of a registered class: its fields as a table, and how its objects become documents and back. */
export class Model<T extends Store = Store> {
  readonly storeClass: StoreClass<T>;
  readonly className: string;
  readonly name: string;
  readonly service: Service;
  readonly version: number;
  readonly optimistic: boolean;
  /** Never saved. */
  readonly temporary: boolean;
  /** The objects in memory, by key. */
  readonly active = new Map<string, T>();
  /** Whether a reload has put another class in place of this one, or has failed to put this one in place. */
  retired = false;
  readonly #fields: readonly ModelField[];
  readonly #byName: ReadonlyMap<string, ModelField>;
  readonly #migrations: Migrations;
  readonly #defaults: readonly ModelField[];
  readonly #contributing: readonly ModelField[];
  #intercepted: readonly string[] = [];
  #manager: Manager<T> | undefined;

  constructor(
    storeClass: StoreClass<T>,
    identity: { readonly className: string; readonly name: string; readonly temporary: boolean },
    service: Service,
    definitions: ReadonlyMap<string, FieldDefinition>,
    options: ModelOptions,
  ) {
    this.storeClass = storeClass;
    this.className = identity.className;
    this.name = identity.name;
    this.temporary = identity.temporary;
    this.service = service;
    this.version = options.version ?? 0;
    this.optimistic = options.concurrency === 'optimistic';
    this.#migrations = options.migrations ?? {};
    this.#fields = [...definitions].map(([name, definition]) => toField(name, definition, this.className));
    this.#byName = new Map(this.#fields.map((field) => [field.name, field]));
    this.#defaults = this.#fields.filter((field) => definitions.get(field.name)?.default !== undefined);
    this.#contributing = this.#fields.filter(
      ({ type }) => type.contributeToInstance !== FieldType.prototype.contributeToInstance,
    );
  }

  get manager(): Manager<T> {
    return this.#manager as Manager<T>;
  }

  /** The fields, in order. */
  get fields(): readonly ModelField[] {
    return this.#fields;
  }

  /** The field of a name, if there is one. */
  field(name: string): ModelField | undefined {
    return this.#byName.get(name);
  }

  /** Where the documents of this class are kept. */
  documents(): Promise<Backend<Document>> {
    return this.service.documentsOf(this.name);
  }

  /** Lets fields and manager contribute to the class. */
  complete(manager: Manager<T>): void {
    this.#manager = manager;
    for (const { name, type } of this.#fields) type.contributeToClass(this.storeClass, name);
    this.#intercepted = this.#fields.filter(({ name }) => name in this.storeClass.prototype).map(({ name }) => name);
    manager.contributeToClass(this.storeClass, 'manager');
  }

  toKey(key: unknown): string {
    return toKey(key, this.className);
  }

  /**
   * Checks that no reload has put another class in place of this one.
   * @throws RetiredError
   */
  checkCurrent(): void {
    if (!this.retired) return;
    throw new RetiredError(
      `this ${this.className} is of before a reload, which put another in its place; get what there is now by service.stores.get(${show(this.name)})`,
    );
  }

  /** An object, active at once. */
  create(key: string, values: Record<string, unknown> | undefined): T {
    if (values !== undefined) this.#checkValues(values, 'create');
    return this.#construct(key, values === undefined ? undefined : new Construction(values, true));
  }

  /** An object that is not active. */
  createDetached(key: string): T {
    return this.#construct(key, DETACHED);
  }

  #construct(key: string, construction: Construction | undefined): T {
    return new (this.storeClass as unknown as new (key: string, construction?: Construction) => T)(key, construction);
  }

  /** Ends the construction of an object: its constructors have run. */
  finish(store: T, construction: unknown): void {
    if (construction !== undefined && !(construction instanceof Construction)) {
      throw new InvalidArgumentError(
        `new ${this.className}(key) takes the key alone; give values by ${this.className}.create(key, values)`,
      );
    }
    const object = store as unknown as Record<string, unknown>;
    for (const name of this.#intercepted) replay(object, name);
    for (const field of this.#defaults) if (object[field.name] === undefined) object[field.name] = field.makeDefault();
    const values = construction?.values;
    if (values !== undefined) {
      for (const name in values) {
        const value = values[name];
        if (value !== undefined) object[name] = value;
      }
    }
    for (const { type, name } of this.#contributing) type.contributeToInstance(store, name);
    if (construction === undefined || construction.activate) this.activate(store);
  }

  /**
   * Makes an object the one of its key.
   * @throws DuplicateKeyError when another is
   */
  activate(store: T): void {
    this.checkCurrent();
    const { key } = store;
    const before = this.active.get(key);
    if (before === undefined) {
      this.active.set(key, store);
    } else if (before !== store) {
      throw new DuplicateKeyError(
        `${this.className} ${show(key)} is in memory already; get it by ${this.className}.get(${show(key)})`,
        { key },
      );
    }
  }

  /** The forms of an object's fields, in order; its key is not among them. */
  toDict(store: Store, session: boolean): Record<string, unknown> {
    const object = store as unknown as Record<string, unknown>;
    const dict: Record<string, unknown> = {};
    if (this.version > 0) dict.$version = this.version;
    for (const field of this.#fields) {
      if (field.session && !session) continue;
      let form: unknown;
      try {
        if (field.simple) {
          const value = object[field.name];
          form = value === undefined ? undefined : field.type.encode(value);
        } else {
          form = field.type.serialise(store, field.name);
        }
        if (field.foreign && !field.session && form !== undefined) checkForm(form);
      } catch (error) {
        throw this.cannotEncode(store, field, error);
      }
      if (form !== undefined) dict[field.name] = form;
    }
    const { rest } = stateOf(store);
    if (rest !== undefined) {
      for (const [name, form] of Object.entries(rest))
        if (!Object.hasOwn(dict, name)) put(dict, name, structuredClone(form));
    }
    return dict;
  }

  /**
   * Sets fields from their forms, which may be changed; all or, when one does not fit, none. Forms of older versions are brought up first.
   * @param where what was read, for messages
   * @returns the names of fields that `dict` does not hold
   */
  fromDict(
    store: Store,
    dict: Record<string, unknown>,
    session: boolean,
    where?: Where,
    purpose: Purpose = 'save',
  ): string[] {
    const data = (dict.$version ?? 0) === this.version ? dict : this.#migrate(store, dict, where);
    const object = store as unknown as Record<string, unknown>;
    const missing: string[] = [];
    const decoded: unknown[] = [];
    const hooked: ModelField[] = [];
    let claimed = Object.hasOwn(data, '$version') ? 1 : 0;
    for (const field of this.#fields) {
      if (field.session && !session) continue;
      const form = data[field.name];
      if (form === undefined) {
        missing.push(field.name);
        continue;
      }
      claimed++;
      try {
        if (field.simple) decoded.push(field.name, field.type.decode(form));
        else hooked.push(field);
      } catch (error) {
        throw this.cannotDecode(store, field, error, where);
      }
    }
    const before = hooked.length > 0 ? this.#fields.map(({ name }) => object[name]) : undefined;
    for (let at = 0; at < decoded.length; at += 2) object[decoded[at] as string] = decoded[at + 1];
    for (const field of hooked) {
      try {
        field.type.deserialise(store, field.name, data[field.name], purpose);
      } catch (error) {
        for (const [index, { name }] of this.#fields.entries()) object[name] = before?.[index];
        throw this.cannotDecode(store, field, error, where);
      }
    }
    this.#keepRest(store, data, claimed);
    return missing;
  }

  /** Remembers what no field claims. Session fields claim their names always, since their values are never saved. */
  #keepRest(store: Store, data: Record<string, unknown>, claimed: number): void {
    const names = Object.keys(data);
    if (claimed === names.length) return;
    const state = stateOf(store);
    for (const name of names) {
      if (name === '$version' || this.#byName.has(name)) continue;
      state.rest ??= {};
      put(state.rest, name, data[name]);
    }
  }

  #migrate(store: Store, dict: Record<string, unknown>, where: Where): Record<string, unknown> {
    const what = `${this.className} ${show(store.key)}`;
    return migrate(dict, this.version, this.#migrations, { what, key: store.key, path: where?.() });
  }

  /** Builds an object from a document, not yet active. */
  hydrate(key: string, document: Document, where: Where): T {
    const store = this.createDetached(key);
    this.fromDict(store, document.data as Record<string, unknown>, false, where);
    stateOf(store).digest = document.digest;
    this.service.followerOf(this.name)?.read(this as unknown as Model, store, document.digest);
    return store;
  }

  /** Sets an object to what a document says; fields it does not hold get their default. */
  refresh(store: T, document: Document, where: Where): void {
    const state = stateOf(store);
    const { rest } = state;
    state.rest = undefined;
    let missing: string[];
    try {
      missing = this.fromDict(store, document.data as Record<string, unknown>, false, where);
    } catch (error) {
      state.rest = rest;
      throw error;
    }
    if (missing.length > 0) {
      const fresh = this.createDetached(store.key) as unknown as Record<string, unknown>;
      for (const name of missing) (store as unknown as Record<string, unknown>)[name] = fresh[name];
    }
    state.digest = document.digest;
    this.service.followerOf(this.name)?.read(this as unknown as Model, store, document.digest);
  }

  /**
   * Checks that something is an object of this class.
   * @throws InvalidArgumentError
   */
  checkStore(store: unknown, operation: string): void {
    if ((store as Store | undefined)?.constructor === this.storeClass) return;
    throw new InvalidArgumentError(`${operation}: an object of ${this.className} is expected; got ${show(store)}`);
  }

  #checkValues(values: unknown, operation: string): void {
    if (typeof values !== 'object' || values === null) {
      throw new InvalidArgumentError(`${this.className}.${operation}: values must be an object; got ${show(values)}`);
    }
    // The fastest way over an object's names in V8.
    for (const name in values) if (!this.#byName.has(name)) this.checkNames([name], operation);
  }

  /**
   * Checks that names are those of fields.
   * @throws InvalidArgumentError naming the fields there are
   */
  checkNames(names: readonly string[], operation: string): void {
    for (const name of names) {
      if (this.#byName.has(name)) continue;
      throw new InvalidArgumentError(
        `${this.className}.${operation}: there is no field ${show(name)}; there are ${[...this.#byName.keys()].join(', ')}`,
      );
    }
  }

  /** The error of a value that has no form. */
  cannotEncode(store: Store, field: ModelField, error: unknown): EncodeError {
    const { reason, place, cause } = within(field.name, error);
    const subject = `${this.className} ${show(store.key)}`;
    return new EncodeError(reason, { key: store.key, path: place, cause }, subject);
  }

  /** The error of a form that does not fit its field. */
  cannotDecode(store: Store, field: ModelField, error: unknown, where?: Where): Error {
    if (error instanceof DeclarationError) return error;
    const { reason, place, cause } = within(field.name, error);
    const what = `${this.className} ${show(store.key)}: ${place}: ${reason}`;
    const path = where?.();
    return new CorruptDataError(path === undefined ? what : `${path}: ${what}. It is left as it is`, {
      key: store.key,
      path,
      cause,
    });
  }
}

function toField(name: string, definition: FieldDefinition, className: string): ModelField {
  const type = definition.type ?? (definition.hint === undefined ? VALUE : (HINTED.get(definition.hint) ?? VALUE));
  const { serialise, deserialise } = FieldType.prototype;
  return {
    name,
    session: definition.session,
    type,
    simple: type.serialise === serialise && type.deserialise === deserialise,
    foreign: !(type instanceof OwnType),
    makeDefault: defaultMaker(definition.default, `${className}.${name}`),
  };
}

function defaultMaker(value: unknown, field: string): () => unknown {
  if (typeof value === 'function') return value as () => unknown;
  if (typeof value !== 'object' || value === null) return () => value;
  checkCopied(value, field);
  return () => structuredClone(value);
}

const COPIED = new Set<unknown>([
  Object.prototype,
  null,
  Array.prototype,
  Date.prototype,
  Map.prototype,
  Set.prototype,
]);

/** Refuses defaults, and parts of them, that would not be the same once copied. */
function checkCopied(value: unknown, field: string, seen = new Set<unknown>()): void {
  if (seen.has(value)) return;
  const isObject = typeof value === 'object' && value !== null;
  const isCopied = isObject ? COPIED.has(Object.getPrototypeOf(value)) || value instanceof Uint8Array : true;
  if (!isCopied || typeof value === 'function' || typeof value === 'symbol') {
    throw new DeclarationError(
      `${field}: ${show(value)} cannot be copied for each object; give a function that makes one`,
    );
  }
  if (!isObject) return;
  seen.add(value);
  if (value instanceof Uint8Array) return;
  for (const part of value instanceof Map
    ? [...value].flat()
    : Object.values(value instanceof Set ? [...value] : value)) {
    checkCopied(part, field, seen);
  }
}

/** Gives a value that an initialiser put before a descriptor on the prototype to that descriptor. */
function replay(object: Record<string, unknown>, name: string): void {
  if (!Object.hasOwn(object, name)) return;
  const value = object[name];
  delete object[name];
  if (value !== undefined) object[name] = value;
}

const VALUE = new ValueType();

/** An untyped field of which the compiler wrote down the type: it reads that type's plain form too, as people write it by hand. */
class HintedType extends ValueType {
  readonly #hint: (form: unknown) => unknown;

  constructor(hint: (form: unknown) => unknown) {
    super();
    this.#hint = hint;
  }

  override decode(form: unknown): unknown {
    return this.#hint(form) ?? fromPlain(form);
  }
}

const HINTED = new Map<unknown, ValueType>([
  [
    Date,
    new HintedType((form) =>
      typeof form === 'string' && !Number.isNaN(Date.parse(form)) ? new Date(form) : undefined,
    ),
  ],
  [Set, new HintedType((form) => (Array.isArray(form) ? new Set(fromPlain(form) as unknown[]) : undefined))],
  [BigInt, new HintedType((form) => (Number.isSafeInteger(form) ? BigInt(form as number) : undefined))],
]);
