import './metadata.js';
import type { FieldDefinition } from './field.js';

/*
 * Where decorators leave the definitions of fields until their class is registered: in the class's metadata in standard mode, beside its
 * prototype in legacy mode. Keys are registered symbols, so that several copies of the package understand each other.
 */

type Definitions = Map<string, FieldDefinition>;
type Class = abstract new (...args: never[]) => unknown;

const FIELDS = Symbol.for('keepsake.fields');

/** Remembers a field that a standard decorator met. */
export function defineInMetadata(metadata: object, name: string, definition: FieldDefinition): void {
  ownDefinitions(metadata).set(name, definition);
}

/** Remembers a field that a legacy decorator met, or that was given without decorators. */
export function defineOnPrototype(prototype: object, name: string, definition: FieldDefinition): void {
  ownDefinitions(prototype).set(name, definition);
}

function ownDefinitions(holder: object): Definitions {
  if (!Object.hasOwn(holder, FIELDS)) Object.defineProperty(holder, FIELDS, { value: new Map() });
  return (holder as { [FIELDS]: Definitions })[FIELDS];
}

/** The fields of a class: those of its bases first, overridden in place by its own. */
export function definitionsOf(target: Class): Definitions {
  const holders: object[] = [];
  for (
    let one: unknown = target;
    typeof one === 'function' && one !== Function.prototype;
    one = Object.getPrototypeOf(one)
  ) {
    holders.unshift(...holdersOf(one as Class));
  }
  const all: Definitions = new Map();
  for (const holder of new Set(holders)) {
    if (!Object.hasOwn(holder, FIELDS)) continue;
    for (const [name, definition] of (holder as { [FIELDS]: Definitions })[FIELDS]) all.set(name, definition);
  }
  return all;
}

function holdersOf(target: Class): object[] {
  const holders: object[] = [target.prototype as object];
  for (const symbol of [Symbol.metadata, Symbol.for('Symbol.metadata')]) {
    const metadata = Object.getOwnPropertyDescriptor(target, symbol)?.value;
    if (typeof metadata === 'object' && metadata !== null) holders.push(metadata);
  }
  return holders;
}
