import { Backend } from '../backend/backend.js';
import type { Atomicity, Capabilities } from '../backend/capabilities.js';
import { MAXIMUM_KEY_BYTES } from '../backend/checks.js';
import type { Driver } from '../backend/driver.js';
import * as operations from '../backend/operations.js';
import type { BackendOptions } from '../backend/options.js';

type Method<V> = {
  [Name in keyof Driver<V>]-?: NonNullable<Driver<V>[Name]> extends (...arguments_: never) => unknown ? Name : never;
}[keyof Driver<V>];

/** The methods of a driver that a wrapper hands on; `open` and `close` are the backend's own business. */
export type Operation = Exclude<Method<unknown>, 'open' | 'close' | 'clock'>;

/** What a method does to entries. */
export type Kind = 'read' | 'write' | 'remove' | 'list' | 'keep';

/** Every method with what it does. A method that is added to `Driver` does not compile until it is named here, and then every wrapper has it. */
export const KINDS = {
  read: 'read',
  readEntry: 'read',
  readMany: 'read',
  write: 'write',
  writeMany: 'write',
  touch: 'write',
  renew: 'write',
  increment: 'write',
  update: 'write',
  remove: 'remove',
  removeMany: 'remove',
  clear: 'remove',
  scan: 'list',
  stream: 'list',
  count: 'list',
  watch: 'list',
  sweep: 'keep',
  locate: 'keep',
  setAside: 'keep',
} as const satisfies Record<Operation, Kind>;

/** The names of all methods. */
export const OPERATIONS = Object.keys(KINDS) as Operation[];

/** What a wrapper does in its own way; all else is handed on. */
export type Own<V> = { [Name in keyof Driver<V>]?: Driver<V>[Name] | undefined } & { readonly name: string };

/** The defaults of the methods that a driver may leave out. */
const DEFAULTS: { readonly [Name in Operation]?: (driver: Driver<never>, ...args: never[]) => unknown } = {
  readEntry: operations.readEntry,
  readMany: operations.readMany,
  writeMany: operations.writeMany,
  touch: operations.touch,
  renew: operations.renew,
  increment: operations.increment,
  update: operations.update,
  removeMany: operations.removeMany,
  clear: operations.clear,
  stream: operations.stream,
  count: operations.count,
};

/**
 * A driver that hands everything to another, but for what it does in its own way.
 *
 * Of the kinds in `changed` nothing is handed on: what `own` does not have of them is made of what it has, by the defaults of
 * `operations`. So a wrapper that changes how one entry is written need not remember that many can be, too.
 */
export function delegate<V>(inner: Driver<V>, own: Own<V>, changed: readonly Kind[] = []): Driver<V> {
  const driver: { [name: string]: unknown } = {
    capabilities: own.capabilities ?? inner.capabilities,
    name: own.name,
    clock: own.clock ?? inner.clock,
    keyLimit: own.keyLimit ?? inner.keyLimit,
  };
  for (const name of ['open', 'close'] as const) driver[name] = own[name]?.bind(own);
  for (const name of OPERATIONS) {
    driver[name] = own[name]?.bind(own) ?? (changed.includes(KINDS[name]) ? undefined : handedOn(inner, name));
  }
  return driver as unknown as Driver<V>;
}

function handedOn<V>(inner: Driver<V>, name: Operation): unknown {
  const byDefault = DEFAULTS[name];
  const method = inner[name]?.bind(inner);
  if (method !== undefined || byDefault === undefined) return method;
  return (...args: never[]) => byDefault(inner as unknown as Driver<never>, ...args);
}

/**
 * A backend of `driver` over one other. It has the defaults of the other (`ttl`, `timeout`, `onCorrupt`, `report`) unless `options` say
 * otherwise, opens it first and closes it last.
 */
export function over<V, W>(backend: Backend<W>, driver: Driver<V>, options: BackendOptions = {}): Backend<V> {
  return new Backend(driver, inherited(backend, options), { over: [backend as unknown as Backend<never>] });
}

/** The options of a backend over another: its own, and where it has none, the other's. */
export function inherited<V>(backend: Backend<V>, options: BackendOptions): BackendOptions {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return { ...backend.options, ...Object.fromEntries(given) };
}

const LEVELS: readonly Atomicity[] = ['none', 'process', 'storage'];

/** The names of the capabilities that are levels. */
export const LEVELLED = ['conditionalSet', 'conditionalDelete', 'update', 'increment', 'touch'] as const;

/** The lowest of some levels. */
export function lowest(...levels: readonly Atomicity[]): Atomicity {
  return LEVELS[Math.min(...levels.map((level) => LEVELS.indexOf(level)))] ?? 'none';
}

/** What all of some drivers can do. `ordered`, `watch` and `history` are not among it, since several have no order, events or past in common. */
export function shared(drivers: readonly Pick<Driver, 'capabilities'>[]): Capabilities {
  const all = drivers.map((driver) => driver.capabilities);
  const levels = Object.fromEntries(LEVELLED.map((name) => [name, lowest(...all.map((each) => each[name]))]));
  const every = (name: 'persistent' | 'enumerable' | 'readable' | 'writable') => all.every((each) => each[name]);
  return Object.freeze({
    values: all[0]?.values ?? 'bytes',
    ...(levels as Record<(typeof LEVELLED)[number], Atomicity>),
    persistent: every('persistent'),
    enumerable: every('enumerable'),
    ordered: false,
    watch: false,
    history: false,
    readable: every('readable'),
    writable: every('writable'),
  });
}

/** The longest key that all of some drivers take, in UTF-8 bytes. */
export function shortestLimit(drivers: readonly Pick<Driver, 'keyLimit'>[]): number {
  return Math.min(...drivers.map(({ keyLimit = MAXIMUM_KEY_BYTES }) => keyLimit));
}

/** Capabilities without anything that changes entries step by step: what is left when reads or writes do not take effect. */
export function without(inner: Capabilities, ...names: readonly (typeof LEVELLED)[number][]): Capabilities {
  return Object.freeze({ ...inner, ...Object.fromEntries(names.map((name) => [name, 'none' as const])) });
}
