import assert from 'node:assert/strict';
import { setTimeout } from 'node:timers/promises';
import type { Backend } from '../backend/backend.js';
import type { Capabilities } from '../backend/capabilities.js';
import { MAXIMUM_KEY_BYTES } from '../backend/checks.js';
import type { ContractOptions } from './options.js';

/** What real time is waited longer than asked, since timers and clocks do not agree to the millisecond. */
const MARGIN = 25;

/** One backend under test, and what the promises need to speak about it. Each promise gets a fresh one. */
export class Subject {
  /** The backend to test. */
  readonly backend: Backend<unknown>;
  readonly #options: ContractOptions<unknown>;
  readonly #view: (backend: Backend<unknown>) => Backend<unknown>;
  readonly #whole: Backend<unknown>;

  constructor(
    backend: Backend<unknown>,
    options: ContractOptions<unknown>,
    view: (backend: Backend<unknown>) => Backend<unknown>,
    whole = backend,
  ) {
    this.backend = backend;
    this.#whole = whole;
    this.#options = options;
    this.#view = view;
  }

  get capabilities(): Capabilities {
    return this.backend.capabilities;
  }

  /** Whether values are bytes. */
  get bytes(): boolean {
    return this.capabilities.values === 'bytes';
  }

  /** The longest key, in bytes. */
  get keyLimit(): number {
    return this.backend.driver.keyLimit ?? MAXIMUM_KEY_BYTES;
  }

  /** How many keys make many. */
  get many(): number {
    return this.#options.many ?? 2_500;
  }

  /** A value, another for every number, all of one length below 10,000. */
  value(number: number): unknown {
    if (this.#options.value !== undefined) return this.#options.value(number);
    const text = `value ${String(number).padStart(4, '0')}`;
    return this.bytes ? text : { text };
  }

  /** The value of the number after that of `current`, which is one below 100; that of 0 for `undefined`. */
  next(current: unknown): unknown {
    if (current === undefined) return this.value(0);
    const shown = JSON.stringify(this.#comparable(current));
    for (let number = 0; number < 100; number++) {
      if (JSON.stringify(this.#comparable(this.value(number))) === shown) return this.value(number + 1);
    }
    return assert.fail(`${shown} was never stored`);
  }

  /** What a counter holds. */
  counter(number: number): unknown {
    if (this.#options.counter !== undefined) return this.#options.counter(number);
    return this.bytes ? String(number) : number;
  }

  /** Whether nobody else can write meanwhile. */
  get alone(): boolean {
    return this.#options.alone === true;
  }

  /** Whether every entry has a deadline. */
  get expires(): boolean {
    return this.#options.expires === true;
  }

  /** Asserts that the entry which has this deadline never expires, as far as the backend lets it. */
  endless(expiresAt: number | undefined): void {
    if (this.expires) assert.ok(typeof expiresAt === 'number', 'has a deadline');
    else assert.equal(expiresAt, undefined);
  }

  /** Values that are easily lost. */
  get samples(): readonly unknown[] {
    if (this.#options.samples !== undefined) return this.#options.samples;
    if (!this.bytes) return [null, '', 0, false, [], {}, 'null', '0', ' ', { nested: [null, { deep: '' }] }];
    return [
      '',
      new Uint8Array(0),
      Uint8Array.of(0),
      ' ',
      '0',
      'null',
      'é 😀 \0',
      Uint8Array.from({ length: 256 }, (_, i) => i),
    ];
  }

  /** Whether the time can be chosen. */
  get exact(): boolean {
    return this.#options.clock !== undefined;
  }

  /** A time to live that a promise can wait for. */
  get short(): number {
    return this.exact ? 10_000 : 50;
  }

  /** The time of the backend. */
  now(): number {
    return this.#options.clock?.now() ?? Date.now();
  }

  /** Lets time pass: by the clock where there is one. */
  async pass(milliseconds: number): Promise<void> {
    if (this.#options.clock === undefined) await setTimeout(milliseconds + MARGIN);
    else await this.#options.clock.advance(milliseconds);
  }

  /** Stores entries that have expired already, though not when they were written. */
  async storeExpired(...keys: string[]): Promise<void> {
    for (const key of keys) await this.backend.set(key, this.value(9_999), { ttl: this.short });
    await this.pass(this.short);
  }

  /** The same promises about another backend. */
  on(backend: Backend<unknown>): Subject {
    return new Subject(backend, this.#options, this.#view);
  }

  /** Closes the backend and, where it is a namespace, what it is one of: an engine may let only one be open. */
  async close(): Promise<void> {
    await this.backend.close();
    await this.#whole.close();
  }

  /** A fresh backend beside this one; the caller closes it, which is the whole where the contract is held over a namespace. */
  async another(): Promise<{ backend: Backend<unknown>; close(): Promise<void> }> {
    const whole = await this.#options.open();
    return { backend: this.#view(whole), close: () => whole.close() };
  }

  /** Another backend over the same storage, or `undefined` where the options give no way to have one. */
  async reopen(): Promise<{ backend: Backend<unknown>; close(): Promise<void> } | undefined> {
    const whole = await this.#options.reopen?.();
    return whole && { backend: this.#view(whole), close: () => whole.close() };
  }

  /** Two values are the same; bytes and text are by their bytes. */
  same(actual: unknown, expected: unknown, message?: string): void {
    if (this.bytes && actual !== undefined) {
      assert.ok(actual instanceof Uint8Array, `${message ?? 'a value'}: a backend of bytes gives Uint8Array`);
    }
    this.equal(actual, expected, message);
  }

  /** The same, of values that were not read. */
  equal(actual: unknown, expected: unknown, message?: string): void {
    assert.deepEqual(this.#comparable(actual), this.#comparable(expected), message);
  }

  /** The key holds the value, as `get`, `getEntry` and `has` tell. */
  async holds(key: string, expected: unknown, message = JSON.stringify(key)): Promise<void> {
    this.same(await this.backend.get(key), expected, message);
    this.same((await this.backend.getEntry(key))?.value, expected, message);
    assert.equal(await this.backend.has(key), true, message);
  }

  /** The key is not there, as every way to read tells. */
  async misses(key: string, message = JSON.stringify(key)): Promise<void> {
    assert.equal(await this.backend.has(key), false, message);
    assert.equal(await this.backend.get(key), undefined, message);
    assert.equal(await this.backend.getEntry(key), undefined, message);
    assert.deepEqual(await this.backend.getMany([key]), [undefined], message);
  }

  #comparable(value: unknown): unknown {
    if (value instanceof Uint8Array) return `${Buffer.from(value).toString('hex')} (hex)`;
    return this.bytes && typeof value === 'string' ? `${Buffer.from(value).toString('hex')} (hex)` : value;
  }
}

/** All that an iteration yields. */
export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const collected: T[] = [];
  for await (const item of items) collected.push(item);
  return collected;
}

/** The keys of all pages. */
export async function allPages({ backend }: Subject, options: { limit: number; prefix?: string }): Promise<string[]> {
  const keys: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await backend.page(cursor === undefined ? options : { ...options, cursor });
    assert.ok(page.keys.length <= options.limit, `a page of limit ${options.limit} holds ${page.keys.length}`);
    keys.push(...page.keys);
    cursor = page.cursor;
  } while (cursor !== undefined);
  return keys;
}

/** Keys in the order of their UTF-8 bytes. */
export function sorted(keys: Iterable<string>): string[] {
  return [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}
