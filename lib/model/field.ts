import { DeclarationError, InvalidArgumentError } from '../errors.js';
import { show } from '../show.js';
import { defineInMetadata, defineOnPrototype } from './definitions.js';
import type { FieldType } from './types/field-type.js';
import { type TypeOf, toFieldType } from './types/index.js';

/** Options of {@link Field}. */
export interface FieldOptions<S = FieldSpecification, D = unknown> {
  /**
   * How values are kept: one of `types`, a `FieldType` of your own, or `() => Address` for a nested class. Without, the field holds any JSON
   * value, and Date, Map, Set, bigint and bytes.
   */
  readonly type?: S | undefined;
  /**
   * The value of a new object whose initialiser left the field undefined: copied for each object, or made by a function without arguments. The
   * property initialiser (`@Field() name = ''`) is the usual way.
   */
  readonly default?: D | (() => D) | undefined;
  /** Whether the field is kept in memory only, and across a hot reload, but never saved; as `SessionField` says. */
  readonly session?: boolean | undefined;
}

/** What names a type: a `FieldType`, or a thunk of a class whose fields are decorated. */
export type FieldSpecification<T = unknown> = FieldType<T> | (() => abstract new (...args: never[]) => T);

/** Values of which the compiler is to remember the very one: `'a'` fits a field of `'a' | 'b'`, any text does not. */
type Literal = string | number | bigint | boolean | null | undefined;

/** A field as declared, before its class is known. */
export interface FieldDefinition {
  readonly type: FieldType | undefined;
  readonly default: unknown;
  readonly session: boolean;
  /** The type that TypeScript's legacy mode wrote down, such as `Date`: a hint for reading, never needed. */
  readonly hint?: unknown;
}

/**
 * A field decorator for both modes of TypeScript: `T` is what the type holds, `D` the default. A field whose declared type does not fit does
 * not compile.
 */
export interface FieldDecorator<T = unknown, D = never> {
  <This, V extends T | undefined>(
    target: undefined,
    context: ClassFieldDecoratorContext<This, V> & { access: { set(object: This, value: D): void } },
  ): void;
  <This, V extends T | undefined>(
    target: ClassAccessorDecoratorTarget<This, V>,
    context: ClassAccessorDecoratorContext<This, V> & { access: { set(object: This, value: D): void } },
  ): void;
  <This extends { [P in K]?: T }, K extends PropertyKey>(
    target: This,
    name: [D] extends [This[K & keyof This]] ? K : never,
    descriptor?: This[K & keyof This] extends (...args: never[]) => unknown ? never : unknown,
  ): void;
}

/**
 * Declares a persisted property of a Store, or of a class nested in one.
 *
 * @example
 * @Field() name = '';
 * @Field({ type: types.list(() => Address) }) addresses: Address[] = [];
 * @throws DeclarationError on a static, private or symbol property
 */
function field<S extends FieldSpecification = FieldSpecification, D extends Literal | object = never>(
  options: FieldOptions<S, D> = {},
): FieldDecorator<TypeOf<S>, D> {
  const definition = define(options);
  const decorate = (target: unknown, context: unknown, descriptor?: unknown): void => {
    if (isContext(context)) declareStandard(context, definition);
    else declareLegacy(target, context, descriptor, definition);
  };
  definitions.set(decorate, definition);
  return decorate as FieldDecorator<TypeOf<S>, D>;
}

/** Declares a property of a Store that is kept in memory, and across a hot reload, but never saved. Options as of {@link Field}. */
export function SessionField<S extends FieldSpecification = FieldSpecification, D extends Literal | object = never>(
  options: Omit<FieldOptions<S, D>, 'session'> = {},
): FieldDecorator<TypeOf<S>, D> {
  return field({ ...options, session: true });
}

/**
 * {@link field}, and `Field.with(type)`, which makes a decorator of a field type. Give it a name, since esbuild (tsx, Vite) cannot read
 * `@Field.with(…)` in the standard mode, or put it in parentheses: `@(Field.with(…))`.
 *
 * @example
 * const Temperature = Field.with(new TemperatureType());
 * // in a class
 * @Temperature outside = 20;
 */
export const Field = Object.assign(field, {
  with: <T, D extends Literal | object = never>(
    type: FieldType<T>,
    options: Omit<FieldOptions<FieldType<T>, D>, 'type'> = {},
  ): FieldDecorator<T, D> => field({ ...options, type: toFieldType(type) }) as unknown as FieldDecorator<T, D>,
});

const definitions = new WeakMap<object, FieldDefinition>();

/** The definition behind a decorator, for the form without decorators. */
export function definitionOf(decorator: unknown, name: string): FieldDefinition {
  const definition = typeof decorator === 'function' ? definitions.get(decorator) : undefined;
  if (definition !== undefined) return definition;
  throw new DeclarationError(`fields: ${name} must be Field(…) or SessionField(…); got ${show(decorator)}`);
}

function define(options: FieldOptions): FieldDefinition {
  if (typeof options !== 'object' || options === null) {
    throw new InvalidArgumentError(`Field: options must be an object such as { type, default }; got ${show(options)}`);
  }
  const known = ['type', 'default', 'session'];
  for (const name of Object.keys(options)) {
    if (!known.includes(name))
      throw new InvalidArgumentError(`Field: there is no option ${show(name)}; there are ${known.join(', ')}`);
  }
  return {
    type: options.type === undefined ? undefined : toFieldType(options.type),
    default: options.default,
    session: options.session ?? false,
  };
}

type Context = ClassFieldDecoratorContext | ClassAccessorDecoratorContext;

function isContext(context: unknown): context is Context {
  return typeof context === 'object' && context !== null && 'kind' in context;
}

function declareStandard(context: Context, definition: FieldDefinition): void {
  const { kind, name } = context;
  if ((kind as string) !== 'field' && kind !== 'accessor') {
    throw new DeclarationError(`Field: ${String(name)} is a ${kind}; only properties can be fields`);
  }
  if (context.static) throw new DeclarationError(`Field: ${String(name)} is static; fields belong to objects`);
  if (context.private) throw new DeclarationError(`Field: ${String(name)} is private; fields must be public`);
  if (typeof name === 'symbol') throw new DeclarationError(`Field: ${String(name)} is a symbol; fields have names`);
  if (typeof context.metadata !== 'object') {
    throw new DeclarationError(
      `Field: the compiler gave no metadata for ${name}; import keepsake before the class, or update the compiler`,
    );
  }
  defineInMetadata(context.metadata, name, definition);
}

function declareLegacy(target: unknown, name: unknown, descriptor: unknown, definition: FieldDefinition): void {
  if (typeof target === 'function') {
    throw new DeclarationError(`Field: ${String(name)} is static; fields belong to objects`);
  }
  if (typeof target !== 'object' || target === null || typeof name !== 'string') {
    throw new DeclarationError(
      `Field decorates properties with names, as in "@Field() name = ''"; got ${show(target)} and ${String(name)}`,
    );
  }
  const { get, set } = (descriptor ?? {}) as PropertyDescriptor;
  if (typeof descriptor === 'object' && (get === undefined || set === undefined)) {
    throw new DeclarationError(`Field: ${name} is a method; only properties can be fields`);
  }
  const hint = Reflect.getMetadata?.('design:type', target, name);
  defineOnPrototype(target, name, { ...definition, hint });
}
