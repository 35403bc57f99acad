import { DeclarationError, InvalidKeyError, ReservedNameError } from '../errors.js';
import { show } from '../show.js';

const KEY = /^[a-z0-9_-]{1,128}$/;
const KEY_IN_ANY_CASE = /^[A-Za-z0-9_-]{1,128}$/;

/**
 * The key of a model object: ASCII letters, digits, `_` and `-`, 1 to 128 of them, lower-cased.
 * @param className for the message
 * @throws InvalidKeyError for any other
 */
export function toKey(key: unknown, className: string): string {
  if (typeof key === 'string') {
    if (KEY.test(key)) return key;
    // Checked before lower-casing, which would turn the Kelvin sign into a "k".
    if (KEY_IN_ANY_CASE.test(key)) return key.toLowerCase();
  }
  throw new InvalidKeyError(`${className}: ${explain(key)}`, typeof key === 'string' ? { key } : {});
}

/** Whether a key is as `toKey` gives them. */
export function isKey(key: string): boolean {
  return KEY.test(key);
}

function explain(key: unknown): string {
  const rule = 'may hold only a–z, A–Z, 0–9, _ and -';
  if (typeof key !== 'string') return `a key must be text; got ${show(key)}`;
  if (key === '') return 'a key must not be empty';
  const at = key.search(/[^A-Za-z0-9_-]/);
  if (at < 0) return `key ${show(key)} has ${key.length} characters; the limit is 128`;
  return `key ${show(key)} ${rule}; got ${JSON.stringify(String.fromCodePoint(key.codePointAt(at) ?? 0))} at ${at}`;
}

/**
 * The name of a class in its service, and of its folder: lower-cased, and stripped to `[a-z0-9_-]`.
 * @throws DeclarationError where nothing is left
 */
export function toStoreName(name: unknown): string {
  const stripped = typeof name === 'string' ? name.toLowerCase().replace(/[^a-z0-9_-]/g, '') : '';
  if (stripped !== '') return stripped;
  throw new DeclarationError(`${show(name)} leaves no name of a–z, 0–9, _ and -; give the class one by { name: '…' }`);
}

const RESERVED = new Set(['service', 'manager', 'key', 'active', 'abstract', 'then', '__proto__']);

/**
 * Checks the name of a field.
 * @param prototypes whose members no field may hide
 * @throws ReservedNameError
 */
export function checkFieldName(name: string, className: string, prototypes: readonly object[]): void {
  const field = `${className}.${name}`;
  if (name.startsWith('_') && name !== '__proto__')
    throw new ReservedNameError(`${field}: a field cannot start with "_"`);
  if (name.startsWith('$')) throw new ReservedNameError(`${field}: a field cannot start with "$"`);
  if (RESERVED.has(name) || prototypes.some((prototype) => Object.hasOwn(prototype, name))) {
    throw new ReservedNameError(`${field}: the name is taken by Store; call the field something else`);
  }
}
