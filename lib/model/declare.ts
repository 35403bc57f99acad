import { DeclarationError } from '../errors.js';
import { show } from '../show.js';
import { defineOnPrototype, definitionsOf } from './definitions.js';
import { definitionOf } from './field.js';
import { Manager } from './manager.js';
import { checkMigrations } from './migrations.js';
import { Model, type ModelOptions, type StoreClass } from './model.js';
import { checkFieldName, toStoreName } from './names.js';
import { MODEL, replaceClass } from './registered.js';
import { Service } from './service.js';
import { Store } from './store.js';
import { isTemporary } from './temp-store.js';

/** Nothing more for a class whose manager is one for its objects, or for those of a base; an impossible demand for any other. */
type WithManager<C> = C extends (abstract new (...args: never[]) => infer T) & { readonly manager: Manager<infer S> }
  ? T extends S
    ? unknown
    : { readonly manager: Manager<T & Store> }
  : never;

/** The decorator that {@link StoredIn} gives, for both modes. */
export type ClassDecorator = <C extends abstract new (key: string) => Store>(
  target: C & WithManager<C>,
  context?: ClassDecoratorContext<C>,
) => C;

/**
 * Registers a Store class with a service.
 *
 * @example
 * @StoredIn(service, { version: 2, migrations: { 2: (data) => ({ ...data, name: data.title }) } })
 * class User extends Store {}
 * @throws DeclarationError without a service, for a manager that is no `Manager`, for a wrong version or migration
 * @throws DuplicateNameError when the class's name is taken in the service
 * @throws ReservedNameError for a field whose name is not free
 */
export function StoredIn(service: Service | undefined, options: ModelOptions = {}): ClassDecorator {
  return ((target: StoreClass, context?: ClassDecoratorContext): unknown => {
    if (context === undefined) return declare(service, target, options);
    if (context.kind !== 'class') throw new DeclarationError(`StoredIn decorates classes, not a ${context.kind}`);
    if (options.abstract) return target;
    const leaf = makeLeaf(target);
    // Before this, static properties such as the manager are not there in some compilers.
    context.addInitializer(() => finish(service, target, leaf, options));
    return leaf;
  }) as ClassDecorator;
}

/** Registers a class, and gives the class to be used in its place; see `Service.register`. */
export function declare(
  service: Service | undefined,
  target: StoreClass,
  options: ModelOptions,
  fields: { readonly [name: string]: unknown } = {},
): StoreClass {
  checkStoreClass(target);
  for (const [name, decorator] of Object.entries(fields)) {
    defineOnPrototype(target.prototype, name, definitionOf(decorator, name));
  }
  if (options.abstract) return target;
  const leaf = makeLeaf(target);
  finish(service, target, leaf, options);
  return leaf;
}

type Constructor = new (key: string, construction?: unknown) => Store;

/** The class that is used in place of `target`: an object is finished when its constructors have run, and only where it is a leaf. */
function makeLeaf(target: StoreClass): StoreClass {
  const Base = target as unknown as Constructor;
  const Leaf = class extends Base {
    constructor(key: string, construction?: unknown) {
      super(key);
      if (new.target === Leaf) Leaf[MODEL].finish(this, construction);
    }
  } as Constructor & { [MODEL]: Model };
  Object.defineProperty(Leaf, 'name', { value: target.name, configurable: true });
  replaceClass(target, Leaf);
  return Leaf as unknown as StoreClass;
}

function finish(service: Service | undefined, target: StoreClass, leaf: StoreClass, options: ModelOptions): void {
  checkStoreClass(target);
  const className = target.name;
  if (!(service instanceof Service)) {
    throw new DeclarationError(`${className || 'a Store class'}: StoredIn needs a service; got ${show(service)}`);
  }
  checkOptions(className, options);
  const name = toStoreName(options.name ?? className);
  service.checkFree(name, className || name);
  const definitions = definitionsOf(leaf);
  const prototypes = [Store.prototype, Object.prototype];
  for (const field of definitions.keys()) checkFieldName(field, className, prototypes);
  const manager = managerFor(leaf, className);
  const identity = { className: className || name, name, temporary: isTemporary(leaf.prototype) };
  const model = new Model<Store>(leaf, identity, service, definitions, options);
  Object.defineProperty(leaf, MODEL, { value: model });
  Object.defineProperty(leaf, 'manager', { value: manager, configurable: true });
  manager.bind(model);
  model.complete(manager);
  service.adopt(model as unknown as Model<never>, leaf);
}

function checkStoreClass(target: unknown): void {
  const isClass = typeof target === 'function';
  if (isClass && target.prototype instanceof Store) return;
  if (isClass && Reflect.get(target, Symbol.for('keepsake.Store')) === true) {
    throw new DeclarationError(
      `${target.name} extends the Store of another copy of keepsake: the package is loaded twice, perhaps in two versions, or once by import and once by require()`,
    );
  }
  throw new DeclarationError(`a class that extends Store is expected; got ${show(target)}`);
}

const OPTIONS = ['name', 'abstract', 'version', 'migrations', 'concurrency', 'fields'];

function checkOptions(className: string, options: ModelOptions): void {
  for (const name of Object.keys(options)) {
    if (!OPTIONS.includes(name))
      throw new DeclarationError(`${className}: there is no option ${show(name)}; there are ${OPTIONS.join(', ')}`);
  }
  checkMigrations(className, options.version, options.migrations);
  if (![undefined, 'last', 'optimistic'].includes(options.concurrency)) {
    throw new DeclarationError(
      `${className}: concurrency must be 'last' or 'optimistic'; got ${show(options.concurrency)}`,
    );
  }
}

/** The class's own manager if no other class has it yet, else a clone. */
function managerFor(leaf: StoreClass, className: string): Manager {
  const given: unknown = leaf.manager;
  if (!(given instanceof Manager)) {
    throw new DeclarationError(`${className}.manager must be an object of Manager, not ${show(given)}`);
  }
  if (!given.isBound && given !== Store.manager) return given;
  const clone: unknown = given.clone();
  if (clone instanceof Manager && clone !== given && !clone.isBound) return clone;
  throw new DeclarationError(`${given.constructor.name}.clone() must give a new manager; got ${show(clone)}`);
}
