import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Backend } from '../backend/backend.js';
import { checkOptions } from '../backend/checks.js';
import type { Awaitable } from '../backend/driver.js';
import type { Duration } from '../backend/duration.js';
import { gzip } from '../codecs/gzip.js';
import { json } from '../codecs/json.js';
import { v8 } from '../codecs/v8.js';
import { type FilesOptions, files } from '../drivers/files/files.js';
import { type MemoryOptions, memory } from '../drivers/memory.js';
import type { RedisOptions } from '../drivers/redis/redis.js';
import type { S3Options } from '../drivers/s3/s3.js';
import { InvalidArgumentError } from '../errors.js';
import { show } from '../show.js';
import { encoded } from '../wrappers/encoded.js';
import { type LruOptions, lru } from '../wrappers/lru/lru.js';
import { volatile } from '../wrappers/volatile.js';
import { openBackend, schemes } from './open.js';

/** What makes a backend: a function, or a class whose objects are backends. */
// biome-ignore lint/suspicious/noExplicitAny: each factory has arguments of its own
export type BackendFactory = ((...args: any[]) => Awaitable<Backend<any>>) | (new (...args: any[]) => Backend<any>);

/**
 * Makes backends by name, so that configuration can choose them (PyStorage's `StorageProvider`).
 *
 * | name | arguments | backend |
 * |---|---|---|
 * | `lru` | `max`, or options of `memory` | `memory({ max })` |
 * | `json` | options of `files`, and `folder` | a JSON file for each key |
 * | `pickle` | the same | a file for each key, by `v8` |
 * | `pickle.gzip` | the same, `folder` needed | a compressed file for each key |
 * | `disklru` | the same, and `max` (100 by default) | at most `max` files |
 * | `volatile` | `{ backend, ttl, sliding }` | `volatile(backend, …)` |
 * | `s3` | what `s3` takes, and `folder`, with which names in the bucket start | `s3` |
 * | `redis` | what `redis` takes; `ttl` is an hour by default | `redis` |
 * | `redis.json` | the same | values as JSON |
 *
 * Each also goes by PyStorage's name, such as `storage.lru`; and the scheme of every URL that `openBackend` opens is a name too, with the rest of the URL as its
 * argument.
 *
 * @example
 * const storage = await new BackendProvider().register('mine', (max: number) => memory({ max })).create('mine', 5);
 */
export class BackendProvider {
  readonly #factories = new Map<string, BackendFactory>(builtIn);

  /** The names there are. */
  get names(): readonly string[] {
    return [...new Set([...this.#factories.keys(), ...schemes.keys()])].sort();
  }

  /**
   * Adds a factory or class, in place of the one of that name if there is one.
   * @throws InvalidArgumentError for a name that is no text, and for what is no function
   */
  register(name: string, factory: BackendFactory): this {
    if (typeof name !== 'string' || name === '') {
      throw new InvalidArgumentError(`register: a name must be text; got ${show(name)}`);
    }
    if (typeof factory !== 'function') {
      throw new InvalidArgumentError(`register ${show(name)}: a function or a class is expected; got ${show(factory)}`);
    }
    this.#factories.set(name, factory);
    return this;
  }

  /**
   * Makes a new backend. What the factory throws is passed on.
   * @throws InvalidArgumentError for an unknown name, naming those there are, and where the factory gives no backend
   */
  // biome-ignore lint/suspicious/noExplicitAny: the caller knows what the factory of that name takes and gives
  async create<V = any>(name: string, ...args: readonly any[]): Promise<Backend<V>> {
    const factory = this.#factories.get(name);
    if (factory === undefined && schemes.has(name)) return this.open(`${name}:${args[0] ?? ''}`);
    if (factory === undefined) {
      throw new InvalidArgumentError(`there is no backend named ${show(name)}; there are ${this.names.join(', ')}`);
    }
    const made: unknown = await (isClass(factory) ? new factory(...args) : factory(...args));
    if (made instanceof Backend) return made;
    throw new InvalidArgumentError(`${show(name)} must make a Backend; got ${show(made)}`);
  }

  /** The same as `openBackend`. */
  open<V = Uint8Array>(place: string | URL): Promise<Backend<V>> {
    return openBackend(place);
  }
}

// biome-ignore lint/suspicious/noExplicitAny: as in BackendFactory
function isClass(factory: BackendFactory): factory is new (...args: any[]) => Backend<any> {
  return /^class\b/.test(Function.prototype.toString.call(factory));
}

/** Options of the files of `json` and the like. */
interface StorageOptions extends FilesOptions {
  readonly folder?: string | undefined;
}

const builtIn: readonly (readonly [string, BackendFactory])[] = Object.entries<BackendFactory>({
  lru: (max: number | MemoryOptions = 1000) => memory(typeof max === 'object' ? max : { max }),
  json: (options: StorageOptions = {}) => encoded(storage('json', options, '.storage.json'), json()),
  pickle: (options: StorageOptions = {}) => encoded(storage('pickle', options, '.storage.bin'), v8()),
  'pickle.gzip': ({ folder, ...options }: StorageOptions = {}) => {
    if (folder === undefined) throw new InvalidArgumentError('pickle.gzip: folder must be the path of a folder');
    return encoded(files(folder, { extension: '.storage.bin.gz', ...options }), gzip(v8()));
  },
  disklru: ({ max = 100, saveEvery, ...options }: StorageOptions & Partial<LruOptions> = {}) =>
    encoded(lru(storage('disklru', options, '.storage.bin'), { max, saveEvery }), v8()),
  volatile: (options: { backend: Backend<unknown>; ttl: Duration; sliding?: boolean }) => {
    checkOptions(options, ['backend', 'ttl', 'sliding'], 'volatile');
    const { backend, ...rest } = options;
    if (backend instanceof Backend) return volatile(backend, rest);
    throw new InvalidArgumentError(`volatile: backend must be a Backend; got ${show(backend)}`);
  },
  s3: openS3,
  redis: openRedis,
  'redis.json': async (...args: Parameters<typeof openRedis>) => encoded(await openRedis(...args), json()),
}).flatMap(([name, factory]) => [
  [name, factory],
  [`storage.${name}`, factory],
]);

async function openRedis(place: string | RedisOptions = {}, options: RedisOptions = {}): Promise<Backend> {
  const { redis } = await import('../drivers/redis/redis.js');
  if (typeof place === 'object') return redis({ ttl: '1h', ...place });
  // The rest of a URL, as with the other schemes.
  return redis(place.startsWith('//') ? `redis:${place}` : place, { ttl: '1h', ...options });
}

async function openS3(
  place: string | (S3Options & { readonly folder?: string }) = {},
  options: S3Options = {},
): Promise<Backend> {
  const { s3 } = await import('../drivers/s3/s3.js');
  if (typeof place !== 'object') return s3(place.startsWith('//') ? `s3:${place}` : place, options);
  const { folder, ...rest } = place;
  // A folder there is what the names start with, to the letter; without one the bucket is the storage's own.
  return s3({ ...rest, ...(folder === undefined ? {} : { prefix: folder, namespace: null }) });
}

/** Files in a folder, by default one below the system's temporary folder, where anybody may read them. */
function storage(name: string, { folder, ...options }: StorageOptions, extension: string): Backend<Uint8Array> {
  return files(folder ?? join(tmpdir(), 'keepsake', name), { extension, ...options });
}

/** The provider that needs no configuration; register your own backends here, or make another provider. */
export const provider = new BackendProvider();
