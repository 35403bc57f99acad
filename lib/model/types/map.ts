import { put } from '../../codecs/plain.js';
import { type FieldType, OwnType } from './field-type.js';
import { misfit, within } from './misfit.js';
import { ValueType } from './value.js';

const INDEX = /^[0-9]+$/;

/**
 * A `Map` from text to values of one type, as an object; as an array of pairs where a key looks like an index, since objects put those
 * first. Reads both.
 */
export class DictionaryType<V> extends OwnType<Map<string, V>> {
  readonly #value: FieldType<V>;
  readonly #pairs: MapType<string, V>;

  constructor(value: FieldType<V>) {
    super();
    this.#value = value;
    this.#pairs = new MapType(value, new ValueType() as FieldType<string>);
  }

  override encode(map: Map<string, V>): unknown {
    if (!(map instanceof Map)) throw misfit(map, 'a Map');
    let indexed = false;
    for (const key of map.keys()) {
      checkText(key);
      indexed ||= INDEX.test(key);
    }
    if (indexed) return this.#pairs.encode(map);
    const form: Record<string, unknown> = {};
    for (const [key, value] of map) {
      try {
        put(form, key, this.#value.encode(value));
      } catch (error) {
        throw within(key, error);
      }
    }
    return form;
  }

  override decode(form: unknown): Map<string, V> {
    if (Array.isArray(form)) {
      const pairs = this.#pairs.decode(form);
      for (const key of pairs.keys()) checkText(key);
      return pairs;
    }
    if (typeof form !== 'object' || form === null) throw misfit(form, 'an object');
    const map = new Map<string, V>();
    for (const [key, item] of Object.entries(form)) {
      try {
        map.set(key, this.#value.decode(item));
      } catch (error) {
        throw within(key, error);
      }
    }
    return map;
  }
}

function checkText(key: unknown): void {
  if (typeof key === 'string' && key.isWellFormed()) return;
  throw misfit(key, 'well-formed text, which the keys of this Map must be (give types.map a second type for others)');
}

/** A `Map` with keys of any type, as an array of pairs. */
export class MapType<K, V> extends OwnType<Map<K, V>> {
  readonly #value: FieldType<V>;
  readonly #key: FieldType<K>;

  constructor(value: FieldType<V>, key: FieldType<K>) {
    super();
    this.#value = value;
    this.#key = key;
  }

  override encode(map: Map<K, V>): [unknown, unknown][] {
    if (!(map instanceof Map)) throw misfit(map, 'a Map');
    const pairs: [unknown, unknown][] = [];
    try {
      for (const [key, value] of map) pairs.push([this.#key.encode(key), this.#value.encode(value)]);
    } catch (error) {
      throw within(pairs.length, error);
    }
    return pairs;
  }

  override decode(form: unknown): Map<K, V> {
    if (!Array.isArray(form)) throw misfit(form, 'an array of pairs');
    const map = new Map<K, V>();
    for (const [index, pair] of form.entries()) {
      if (!Array.isArray(pair) || pair.length !== 2) throw within(index, misfit(pair, 'a pair'));
      try {
        map.set(this.#key.decode(pair[0]), this.#value.decode(pair[1]));
      } catch (error) {
        throw within(index, error);
      }
    }
    return map;
  }
}
