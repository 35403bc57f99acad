import { types } from 'node:util';
import { EncodeError } from '../errors.js';
import { show } from '../show.js';

/*
 * Values as JSON can carry them, without loss. A value JSON has no form for is written as an object with one key that starts with "$":
 *
 *   Date   {"$date": "2026-01-31T12:00:00.000Z"}      Map  {"$map": [[key, value], …]}
 *   bigint {"$bigint": "123"}                         Set  {"$set": [value, …]}
 *   bytes  {"$bytes": "base64"}
 *
 * An object of the user's with one key that starts with "$" gets a second "$" before it, so that nothing can be mistaken.
 */

/** How a value is turned into plain JSON values. */
export interface PlainOptions {
  /** Whether Date, Map, Set, bigint and bytes are written in their tagged form; refused otherwise. */
  readonly tagged: boolean;
  /** What stands before the path in messages, such as `'User.badges'`. */
  readonly root?: string;
  /** What the values are made for, in messages; plain JSON if absent. */
  readonly format?: string;
  /**
   * What the format carries beside JSON's own values. Asked for NaN and infinities, bigint, Date, Map, Set and bytes: `true` where it is
   * carried as it is, a reason where it is refused, `undefined` where it is treated as for JSON.
   */
  readonly native?: (value: unknown) => true | string | undefined;
}

const MAXIMUM_DEPTH = 1000;

/**
 * A copy of `value` made of what JSON carries exactly.
 * @throws EncodeError for what would be lost or changed: undefined in an array, NaN, -0, functions, symbols, objects of classes,
 * holes, lone surrogates, cycles. Properties that are undefined are left out, and what an array carries beside its items.
 */
export function toPlain(value: unknown, options: PlainOptions): unknown {
  return copyOut(value, options, [], undefined);
}

/**
 * Whether JSON carries `value` as it is, so that no copy is needed: nothing in it is refused, tagged or escaped. `false` says only that
 * {@link toPlain} must look.
 * @param tagged as in {@link PlainOptions}
 */
export function isPlain(value: unknown, tagged: boolean, depth = 0): boolean {
  switch (typeof value) {
    case 'string':
      return value.isWellFormed();
    case 'boolean':
      return true;
    case 'number':
      return Number.isFinite(value) && (value !== 0 || !Object.is(value, -0));
    case 'object':
      return value === null || (depth < MAXIMUM_DEPTH && isPlainObject(value, tagged, depth + 1));
    default:
      return false;
  }
}

function isPlainObject(value: object, tagged: boolean, depth: number): boolean {
  // JSON.stringify would call it.
  if ('toJSON' in value) return false;
  const prototype = Object.getPrototypeOf(value);
  if (prototype === Array.prototype && Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) {
      if (!isPlain(value[index], tagged, depth)) return false;
    }
    return true;
  }
  if (prototype !== Object.prototype && prototype !== null) return false;
  const keys = Object.keys(value);
  for (let index = 0; index < keys.length; index++) {
    const key = keys[index] as string;
    if (!key.isWellFormed() || (tagged && key.startsWith('$'))) return false;
    const item = (value as Record<string, unknown>)[key];
    if (item !== undefined && !isPlain(item, tagged, depth)) return false;
  }
  return Object.getOwnPropertySymbols(value).length === 0;
}

/** What {@link toPlain} was given, from what it gave; changes `plain` in place. */
export function fromPlain(plain: unknown): unknown {
  if (typeof plain !== 'object' || plain === null) return plain;
  if (Array.isArray(plain)) {
    for (let index = 0; index < plain.length; index++) {
      const item = plain[index];
      if (typeof item === 'object' && item !== null) plain[index] = fromPlain(item);
    }
    return plain;
  }
  const object = plain as Record<string, unknown>;
  let first: string | undefined;
  let size = 0;
  for (const key in object) {
    if (size++ === 0) first = key;
    const item = object[key];
    if (typeof item !== 'object' || item === null) continue;
    const restored = fromPlain(item);
    if (restored !== item) put(object, key, restored);
  }
  return size === 1 && first?.startsWith('$') ? untag(object, first) : object;
}

type Path = (string | number)[];
/** The objects on the way down, so that cycles are noticed. */
interface Above {
  readonly object: object;
  readonly above: Above | undefined;
  readonly depth: number;
}

function copyOut(value: unknown, options: PlainOptions, path: Path, above: Above | undefined): unknown {
  switch (typeof value) {
    case 'string':
      if (!value.isWellFormed()) throw refuse(value, 'holds a lone surrogate, which UTF-8 cannot carry', options, path);
      return value;
    case 'boolean':
      return value;
    case 'number':
      if (!Number.isFinite(value)) {
        if (isNative(value, options, path)) return value;
        throw refuse(value, 'has no form in JSON', options, path);
      }
      if (Object.is(value, -0)) throw refuse('-0', 'would come back as 0', options, path);
      return value;
    case 'bigint':
      return isNative(value, options, path) ? value : tag(value, '$bigint', String(value), options, path);
    case 'object':
      return value === null ? null : copyObject(value, options, path, above);
    default:
      throw refuse(value, 'cannot be saved', options, path);
  }
}

function copyObject(value: object, options: PlainOptions, path: Path, above: Above | undefined): unknown {
  for (let one = above; one !== undefined; one = one.above) {
    if (one.object === value) throw refuse(value, 'holds itself (a cycle)', options, path);
  }
  const here: Above = { object: value, above, depth: (above?.depth ?? 0) + 1 };
  if (here.depth > MAXIMUM_DEPTH) throw refuse(value, `is more than ${MAXIMUM_DEPTH} levels deep`, options, path);
  const prototype = Object.getPrototypeOf(value);
  // Array.prototype is an array itself, in every realm; the prototype of a class that extends Array is none.
  if (Array.isArray(value) && Array.isArray(prototype)) return copyArray(value, options, path, here);
  if (prototype === Object.prototype || prototype === null) return copyRecord(value, options, path, here);
  if (value instanceof Date && types.isDate(value)) {
    if (Number.isNaN(value.getTime())) throw refuse(value, 'is an invalid Date', options, path);
    if (isNative(value, options, path)) return value;
    return tag(value, '$date', value.toISOString(), options, path);
  }
  if (types.isMap(value) && prototype === Map.prototype) {
    if (isNative(value, options, path)) return value;
    const entries = [...value].map(([key, item], index) => [
      copyOut(key, options, [...path, `key ${index}`], here),
      copyOut(item, options, [...path, typeof key === 'string' ? key : `value ${index}`], here),
    ]);
    return tag(value, '$map', entries, options, path);
  }
  if (types.isSet(value) && prototype === Set.prototype) {
    if (isNative(value, options, path)) return value;
    const items = [...value].map((item, index) => copyOut(item, options, [...path, index], here));
    return tag(value, '$set', items, options, path);
  }
  if (types.isUint8Array(value)) {
    if (isNative(value, options, path)) return value;
    return tag(
      value,
      '$bytes',
      Buffer.from(value.buffer, value.byteOffset, value.length).toString('base64'),
      options,
      path,
    );
  }
  throw refuse(value, 'is of a class that nothing describes; give the field a type', options, path);
}

function copyArray(value: readonly unknown[], options: PlainOptions, path: Path, here: Above): unknown[] {
  const copy = new Array<unknown>(value.length);
  for (let index = 0; index < value.length; index++) {
    path.push(index);
    copy[index] = copyOut(value[index], options, path, here);
    path.pop();
  }
  return copy;
}

function copyRecord(value: object, options: PlainOptions, path: Path, here: Above): Record<string, unknown> {
  const copy: Record<string, unknown> = {};
  const keys = Object.keys(value);
  let size = 0;
  for (const key of keys) {
    const item = (value as Record<string, unknown>)[key];
    if (item === undefined) continue;
    if (!key.isWellFormed()) throw refuse(key, 'holds a lone surrogate, which UTF-8 cannot carry', options, path);
    path.push(key);
    put(copy, key, copyOut(item, options, path, here));
    path.pop();
    size++;
  }
  if (Object.getOwnPropertySymbols(value).length > 0) throw refuse(value, 'has a symbol for a key', options, path);
  if (!options.tagged || size !== 1) return copy;
  const [key] = Object.keys(copy) as [string];
  return key.startsWith('$') ? { [`$${key}`]: copy[key] } : copy;
}

function tag(value: unknown, name: string, form: unknown, options: PlainOptions, path: Path): unknown {
  if (options.tagged) return { [name]: form };
  throw refuse(value, `has no form in ${options.format ?? 'plain JSON'}`, options, path);
}

function isNative(value: unknown, options: PlainOptions, path: Path): boolean {
  const answer = options.native?.(value);
  if (typeof answer === 'string') throw refuse(value, answer, options, path);
  return answer === true;
}

function untag(object: Record<string, unknown>, key: string): unknown {
  const form = object[key];
  switch (key) {
    case '$date': {
      const date = new Date(typeof form === 'string' ? form : Number.NaN);
      if (Number.isNaN(date.getTime())) throw new TypeError(`$date ${show(form)} is no date`);
      return date;
    }
    case '$bigint':
      if (typeof form !== 'string' || !/^-?[0-9]+$/.test(form))
        throw new TypeError(`$bigint ${show(form)} is no integer`);
      return BigInt(form);
    case '$bytes':
      return bytesOf(form);
    case '$map':
      if (!Array.isArray(form) || !form.every((pair) => Array.isArray(pair) && pair.length === 2)) {
        throw new TypeError(`$map ${show(form)} is no array of pairs`);
      }
      return new Map(form as [unknown, unknown][]);
    case '$set':
      if (!Array.isArray(form)) throw new TypeError(`$set ${show(form)} is no array`);
      return new Set(form);
  }
  if (key.startsWith('$$')) {
    delete object[key];
    put(object, key.slice(1), form);
  }
  return object;
}

function bytesOf(form: unknown): Uint8Array {
  const bytes = fromBase64(form);
  if (bytes === undefined) throw new TypeError(`$bytes ${show(form)} is no base64 text`);
  return bytes;
}

/** The bytes of base64 text as we write it; `undefined` for anything else. */
export function fromBase64(form: unknown): Uint8Array | undefined {
  if (typeof form !== 'string') return undefined;
  const bytes = Buffer.from(form, 'base64');
  // Buffer passes over what is no base64, so that bytes would be missing.
  return bytes.toString('base64') === form ? new Uint8Array(bytes) : undefined;
}

/** Sets an own property, `__proto__` too. */
export function put(object: Record<string, unknown>, key: string, value: unknown): void {
  if (key === '__proto__') {
    Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
  } else {
    object[key] = value;
  }
}

function refuse(value: unknown, why: string, options: PlainOptions, path: Path): EncodeError {
  return new EncodeError(`${show(value)} ${why}`, { path: path.reduce<string>(joinPath, options.root ?? '') });
}

/** The path to a part of what `path` leads to: `a[0].b`. */
export function joinPath(path: string, step: string | number): string {
  if (typeof step === 'number') return `${path}[${step}]`;
  return path === '' || step === '' || step.startsWith('[') ? path + step : `${path}.${step}`;
}
