import { InvalidArgumentError } from '../../errors.js';
import { show } from '../../show.js';
import type { FieldSpecification } from '../field.js';
import type { Ref, RefTarget } from '../reference.js';
import type { Store } from '../store.js';
import { BigIntType } from './bigint.js';
import { BytesType } from './bytes.js';
import { checked } from './checked.js';
import { DateType } from './date.js';
import { FieldType } from './field-type.js';
import { ListType } from './list.js';
import { DictionaryType, MapType } from './map.js';
import { NestedType } from './nested.js';
import { NullableType } from './nullable.js';
import { RefType } from './ref.js';
import { SetType } from './set.js';
import { ValueType } from './value.js';

/** The type of the values that a specification names. */
export type TypeOf<S> =
  S extends FieldType<infer T> ? T : S extends () => abstract new (...args: never[]) => infer T ? T : unknown;

const value = new ValueType();

/** The field types. Each takes, where it holds others, a field type or `() => Class`. */
export const types = {
  /** Any JSON value, and Date, Map, Set, bigint and bytes in a tagged form: what a field without a type holds. */
  value: value as FieldType<unknown>,
  /** A `Date`, as ISO 8601 text. */
  date: new DateType() as FieldType<Date>,
  /** A `bigint`, as decimal text. */
  bigint: new BigIntType() as FieldType<bigint>,
  /** A `Uint8Array`, as base64 text. */
  bytes: new BytesType() as FieldType<Uint8Array>,
  /** An array, as an array. */
  list<S extends FieldSpecification = FieldType<unknown>>(item?: S): FieldType<TypeOf<S>[]> {
    return new ListType(toItemType(item ?? value)) as FieldType<TypeOf<S>[]>;
  },
  /** A `Set`, as an array. */
  set<S extends FieldSpecification = FieldType<unknown>>(item?: S): FieldType<Set<TypeOf<S>>> {
    return new SetType(toItemType(item ?? value)) as unknown as FieldType<Set<TypeOf<S>>>;
  },
  /** A `Map`: with text for keys as an object, with another type for keys as an array of pairs. */
  map: mapType,
  /** `null`, or a value of the type. */
  nullable<S extends FieldSpecification>(type: S): FieldType<TypeOf<S> | null> {
    return new NullableType(toItemType(type)) as FieldType<TypeOf<S> | null>;
  },
  /** An object of a class, as an object of its fields; class-transformer writes those that carry its decorators. */
  nested<T>(target: () => abstract new (...args: never[]) => T): FieldType<T> {
    return new NestedType(target as unknown as () => new () => object) as unknown as FieldType<T>;
  },
  /** A reference to an object of a Store class, as its key. */
  ref<T extends Store>(target: () => RefTarget<T>): FieldType<Ref<T>> {
    return new RefType(target);
  },
};

function mapType<V extends FieldSpecification = FieldType<unknown>>(value?: V): FieldType<Map<string, TypeOf<V>>>;
function mapType<V extends FieldSpecification, K extends FieldSpecification>(
  value: V,
  key: K,
): FieldType<Map<TypeOf<K>, TypeOf<V>>>;
function mapType(item: FieldSpecification = value, key?: FieldSpecification): unknown {
  const type = toItemType(item);
  return key === undefined ? new DictionaryType(type) : new MapType(type, toItemType(key));
}

function toItemType(specification: FieldSpecification): FieldType {
  return checked(toFieldType(specification));
}

/**
 * The field type that a specification names.
 * @throws InvalidArgumentError for a class itself, and anything else
 */
export function toFieldType(specification: FieldSpecification): FieldType {
  if (specification instanceof FieldType) return specification;
  if (typeof specification === 'function' && specification.prototype === undefined) {
    return new NestedType(specification as () => new () => object) as unknown as FieldType;
  }
  const name = typeof specification === 'function' ? (specification as { name: string }).name : 'Class';
  throw new InvalidArgumentError(
    `type must be one of types, a FieldType, or a thunk such as () => ${name}; got ${show(specification)}`,
  );
}
