import { types } from 'node:util';
import { deserialize, serialize } from 'node:v8';
import { EncodeError } from '../errors.js';
import { show } from '../show.js';
import type { SynchronousCodec } from './codec.js';
import { joinPath } from './plain.js';

/**
 * Values in V8's own form, that of structured clone: Node's counterpart of pickle. It carries what JavaScript is made of: undefined, NaN,
 * -0, bigint, Date, RegExp, Map, Set, bytes, Buffer and typed arrays, sparse arrays, boxed values, cycles, and the same object in two places.
 *
 * Refused with an `EncodeError` that names the path: functions, symbols, objects of classes and errors, which would lose their class and
 * what belongs to it; properties named by symbols; WeakMap, Promise and their like; more than 1,000 levels. The value of an object is its
 * enumerable properties, of typed arrays their elements: an accessor comes back as what it gave, what is frozen unfrozen, an object
 * without a prototype with one, and views of one buffer with one each.
 *
 * **Decode only bytes that you wrote.** The form is made for one program's own use: it has no checksum, what follows its end is not
 * noticed, and V8 promises nothing for bytes that somebody prepared. Older versions of Node may not read what newer ones wrote.
 */
export function v8<T = unknown>(): SynchronousCodec<T> {
  return {
    name: 'v8',
    encode: (value) => {
      new Walk().check(value, 0);
      const bytes = serialize(value);
      return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
    },
    // Typed arrays come back as views on the bytes given, which others may hold: hence the copy.
    decode: (bytes) => deserialize(new Uint8Array(bytes)) as T,
  };
}

const MAXIMUM_DEPTH = 1000;

/** Looks at each object once, since cycles are carried. */
class Walk {
  readonly #seen = new Set<object>();
  readonly #path: (string | number)[] = [];

  check(value: unknown, depth: number): void {
    if (typeof value === 'function' || typeof value === 'symbol') throw this.#refuse(value, 'cannot be saved');
    if (typeof value !== 'object' || value === null || this.#seen.has(value)) return;
    if (depth >= MAXIMUM_DEPTH) throw this.#refuse(value, `is more than ${MAXIMUM_DEPTH} levels deep`);
    this.#seen.add(value);
    this.#checkObject(value, depth + 1);
  }

  #checkObject(value: object, depth: number): void {
    const prototype = Object.getPrototypeOf(value);
    if (types.isProxy(value)) throw this.#refuse('a Proxy', 'cannot be saved');
    // Such an object, with the prototype of a plain one, comes back as a plain one.
    if (types.isArgumentsObject(value)) throw this.#refuse(value, 'is an arguments object; make an array of it');
    const isArray = Array.isArray(value) && Array.isArray(prototype);
    if (isArray || prototype === Object.prototype || prototype === null) this.#checkProperties(value, depth);
    else if (ArrayBuffer.isView(value) && VIEWS.has(prototype)) this.#checkView(value);
    else if (types.isMap(value) && prototype === Map.prototype) this.#checkMap(value, depth);
    else if (types.isSet(value) && prototype === Set.prototype) this.#checkSet(value, depth);
    else if (types.isRegExp(value) && prototype === RegExp.prototype) {
      if (value.lastIndex !== 0) throw this.#refuse(value, 'would lose its lastIndex');
      this.#checkBare(value, 'lastIndex');
    } else if (types.isStringObject(value) && prototype === String.prototype) {
      // Its letters and length are properties.
      this.#checkBare(value, ...Object.getOwnPropertyNames(String(value)), 'length');
    } else if (isBare(value) && BARE.has(prototype)) this.#checkBare(value);
    else if (types.isNativeError(value))
      throw this.#refuse(value, 'would lose what belongs to its class; save its message');
    else throw this.#refuse(value, 'is of a class, which it would lose');
  }

  #checkMap(map: ReadonlyMap<unknown, unknown>, depth: number): void {
    let index = 0;
    for (const [key, item] of map) {
      this.#step(`key ${index}`, key, depth);
      this.#step(typeof key === 'string' ? key : `value ${index}`, item, depth);
      index++;
    }
    this.#checkBare(map);
  }

  #checkSet(set: ReadonlySet<unknown>, depth: number): void {
    let index = 0;
    for (const item of set) this.#step(index++, item, depth);
    this.#checkBare(set);
  }

  #checkView(view: ArrayBufferView): void {
    if (types.isSharedArrayBuffer(view.buffer)) throw this.#refuse(view, 'is a view of shared memory; copy it');
  }

  #checkProperties(value: object, depth: number): void {
    if (Object.getOwnPropertySymbols(value).length > 0) throw this.#refuse(value, 'has a symbol for a key');
    const keys = Object.keys(value);
    const isArray = Array.isArray(value);
    for (const key of keys) {
      const item = (value as Record<string, unknown>)[key];
      // Most are no objects, and need no path.
      if (typeof item === 'object' ? item !== null : typeof item === 'function' || typeof item === 'symbol') {
        this.#step(isArray && /^[0-9]+$/.test(key) ? Number(key) : key, item, depth);
      }
    }
  }

  /** Properties beside what the object is made of would be lost. */
  #checkBare(value: object, ...known: string[]): void {
    const own = Reflect.ownKeys(value).find((name) => typeof name === 'symbol' || !known.includes(name));
    if (own !== undefined) throw this.#refuse(value, `has a property of its own, ${show(own)}, which it would lose`);
  }

  #step(step: string | number, value: unknown, depth: number): void {
    this.#path.push(step);
    this.check(value, depth);
    this.#path.pop();
  }

  #refuse(value: unknown, why: string): EncodeError {
    const shown = value === 'a Proxy' ? value : show(value);
    return new EncodeError(`${shown} ${why}`, { path: this.#path.reduce<string>(joinPath, '') });
  }
}

const VIEWS: ReadonlySet<object> = new Set<object>([
  DataView.prototype,
  Buffer.prototype,
  ...[Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array].map(
    (c) => c.prototype,
  ),
  ...[Float32Array, Float64Array, BigInt64Array, BigUint64Array].map((c) => c.prototype),
]);

/** Of these, nothing but the content is carried. */
const BARE: ReadonlySet<object> = new Set<object>(
  [Date, ArrayBuffer, Boolean, Number, BigInt].map((type) => type.prototype),
);

function isBare(value: object): boolean {
  return types.isDate(value) || types.isArrayBuffer(value) || types.isBoxedPrimitive(value);
}
