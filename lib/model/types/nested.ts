import { put } from '../../codecs/plain.js';
import { DeclarationError } from '../../errors.js';
import { show } from '../../show.js';
import { definitionsOf } from '../definitions.js';
import { transformerFor } from '../transformer.js';
import { checked } from './checked.js';
import { type FieldType, OwnType } from './field-type.js';
import { Misfit, misfit, within } from './misfit.js';
import { ValueType } from './value.js';

type Class = new () => object;
type Fields = readonly (readonly [string, FieldType])[];

/** How objects of one class become forms and back. */
interface Form {
  encode(value: object): unknown;
  decode(form: object): object;
}

/** The objects within which one is being encoded, so that cycles are noticed. */
const above: object[] = [];
const MAXIMUM_DEPTH = 500;

/** Keys of a form that no field claims, to be written back. */
const unclaimed = new WeakMap<object, Record<string, unknown>>();

/** An object of a class that is no Store, as an object of its fields. */
export class NestedType extends OwnType<object> {
  readonly #target: () => Class;
  #known: { readonly target: Class; readonly form: Form } | undefined;

  constructor(target: () => Class) {
    super();
    this.#target = target;
  }

  override encode(value: object): unknown {
    const { target, form } = this.#resolve();
    if (!(value instanceof target)) throw misfit(value, `a ${target.name}`);
    if (value.constructor !== target) {
      throw new Misfit(`${show(value)} is of a subclass of ${target.name}, and would come back as a ${target.name}`);
    }
    if (above.includes(value)) throw new Misfit(`${show(value)} holds itself (a cycle)`);
    if (above.length === MAXIMUM_DEPTH) throw new Misfit(`${show(value)} is more than ${MAXIMUM_DEPTH} levels deep`);
    above.push(value);
    try {
      return form.encode(value);
    } finally {
      above.pop();
    }
  }

  override decode(form: unknown): object {
    const known = this.#resolve();
    if (typeof form !== 'object' || form === null || Array.isArray(form)) {
      throw misfit(form, `an object, the form of ${known.target.name}`);
    }
    return known.form.decode(form);
  }

  #resolve(): { readonly target: Class; readonly form: Form } {
    if (this.#known === undefined) {
      const target = this.#target();
      if (typeof target !== 'function') {
        throw new DeclarationError(
          `type: the thunk must give a class; got ${show(target)}. Do its modules import each other?`,
        );
      }
      this.#known = { target, form: formOf(target) };
    }
    return this.#known;
  }
}

const VALUE = new ValueType();

const forms = new WeakMap<Class, Form>();

function formOf(target: Class): Form {
  let form = forms.get(target);
  if (form === undefined) {
    form = describe(target);
    forms.set(target, form);
  }
  return form;
}

function describe(target: Class): Form {
  if (Reflect.get(target, Symbol.for('keepsake.Store')) === true) {
    throw new DeclarationError(
      `${target.name} is a Store, which is not saved inside another; refer to it by types.ref(() => ${target.name})`,
    );
  }
  const definitions = definitionsOf(target);
  if (definitions.size === 0) {
    const transformer = transformerFor(target);
    if (transformer !== undefined) return transformer;
    throw new DeclarationError(
      `nothing describes ${target.name}: decorate its properties with @Field(), or with class-transformer's decorators`,
    );
  }
  const fields: [string, FieldType][] = [];
  for (const [name, definition] of definitions) {
    checkNested(target, name, definition);
    if (!definition.session) fields.push([name, checked(definition.type ?? VALUE)]);
  }
  return { encode: (value) => encodeFields(value, fields), decode: (data) => decodeFields(data, target, fields) };
}

function checkNested(target: Class, name: string, definition: { readonly default: unknown }): void {
  if (name === '__proto__' || name.startsWith('$')) {
    throw new DeclarationError(`${target.name}.${name}: a field cannot have this name`);
  }
  if (definition.default !== undefined) {
    throw new DeclarationError(
      `${target.name}.${name}: a nested class has no default option; initialise the property instead`,
    );
  }
}

function encodeFields(value: object, fields: Fields): Record<string, unknown> {
  const form: Record<string, unknown> = {};
  for (const [name, type] of fields) {
    const item = (value as Record<string, unknown>)[name];
    if (item === undefined) continue;
    try {
      form[name] = type.encode(item);
    } catch (error) {
      throw within(name, error);
    }
  }
  const rest = unclaimed.get(value);
  if (rest !== undefined) for (const [name, item] of Object.entries(rest)) put(form, name, structuredClone(item));
  return form;
}

function decodeFields(data: object, Target: Class, fields: Fields): object {
  const value = new Target() as Record<string, unknown>;
  const form = data as Record<string, unknown>;
  let claimed = 0;
  for (const [name, type] of fields) {
    const item = form[name];
    if (item === undefined) continue;
    claimed++;
    try {
      value[name] = type.decode(item);
    } catch (error) {
      throw within(name, error);
    }
  }
  const names = Object.keys(form);
  if (claimed < names.length) {
    const known = new Set(fields.map(([name]) => name));
    const rest: Record<string, unknown> = {};
    for (const name of names) if (!known.has(name)) put(rest, name, form[name]);
    unclaimed.set(value, rest);
  }
  return value;
}
