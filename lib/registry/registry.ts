import { Backend } from '../backend/backend.js';
import { checkNamespace, checkOptions } from '../backend/checks.js';
import { memory } from '../drivers/memory.js';
import { ClosedError, DuplicateNameError, InvalidArgumentError } from '../errors.js';
import { show } from '../show.js';

/** Options of {@link BackendRegistry}. */
export interface RegistryOptions<V> {
  /** Backends by name, as `register` would add them. The object is copied, not kept. */
  readonly backends?: { readonly [name: string]: Backend<V> } | ReadonlyMap<string, Backend<V>> | undefined;
  /** Makes the backend of a name that nobody registered; a `memory()` for each name by default. */
  readonly defaultFactory?: ((name: string) => Backend<V>) | undefined;
}

/**
 * The backends of an application by name, so that each part asks for its own and the application decides what that is (as in Litestar's
 * `StoreRegistry`).
 *
 * @example
 * const root = encoded(files('./data'), json());
 * const backends = new BackendRegistry({ defaultFactory: (name) => root.namespace(name) });
 * const sessions = backends.get('sessions'); // in ./data/sessions
 */
export class BackendRegistry<V = unknown> implements AsyncDisposable, Iterable<[string, Backend<V>]> {
  readonly #backends = new Map<string, Backend<V>>();
  readonly #defaultFactory: (name: string) => Backend<V>;
  readonly #made = new Set<Backend<V>>();
  readonly #given = new Set<Backend<V>>();
  #closing: Promise<void> | undefined;

  /** @throws InvalidArgumentError for a name or backend that is none */
  constructor(options: RegistryOptions<V> = {}) {
    checkOptions(options, ['backends', 'defaultFactory'], 'BackendRegistry');
    const { backends = {}, defaultFactory = () => memory<V>() } = options;
    if (typeof defaultFactory !== 'function') {
      throw new InvalidArgumentError(`BackendRegistry: defaultFactory must be a function; got ${show(defaultFactory)}`);
    }
    this.#defaultFactory = defaultFactory;
    for (const [name, backend] of backends instanceof Map ? backends : Object.entries(backends)) {
      this.register(name, backend);
    }
  }

  /**
   * The backend of a name. The first time, for a name that nobody registered, the default factory makes it.
   * It is opened by its first use.
   * @throws InvalidNamespaceError for a name that is not `[A-Za-z0-9_-][A-Za-z0-9_.-]*`
   * @throws ClosedError once the registry is closed
   */
  get(name: string): Backend<V> {
    this.#check('get');
    checkNamespace(name);
    const known = this.#backends.get(name);
    if (known !== undefined) return known;
    const made = checkBackend(this.#defaultFactory(name), `the default factory for ${show(name)}`);
    this.#backends.set(name, made);
    // What somebody registered, under whatever name, is theirs.
    if (!this.#given.has(made)) this.#made.add(made);
    return made;
  }

  /**
   * Sets the backend of a name. The registry never closes it: whoever made it does.
   * @param options `override` replaces the one that is there, which stays open for those who hold it
   * @throws DuplicateNameError for a name that is taken
   */
  register(name: string, backend: Backend<V>, options: { readonly override?: boolean } = {}): this {
    this.#check('register');
    checkNamespace(name);
    checkOptions(options, ['override'], 'register');
    checkBackend(backend, `register ${show(name)}`);
    if (this.#backends.has(name) && options.override !== true) {
      throw new DuplicateNameError(
        `there is a backend named ${show(name)} already; choose another name, or say { override: true }`,
      );
    }
    this.#given.add(backend);
    this.#backends.set(name, backend);
    return this;
  }

  /** Whether `get` would find the name, rather than make it. */
  has(name: string): boolean {
    return this.#backends.has(name);
  }

  /** The names and backends that there are, in the order they came. */
  [Symbol.iterator](): IterableIterator<[string, Backend<V>]> {
    return this.#backends.entries();
  }

  /**
   * Closes every backend that the default factory made, also where it was replaced since. Those that were registered stay open. All are
   * closed even if one of them fails, which is thrown then.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** The same as `close`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const closed = await Promise.allSettled([...this.#made].map((backend) => backend.close()));
    const failed = closed.find((one) => one.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  #check(operation: string): void {
    if (this.#closing !== undefined) {
      throw new ClosedError('the registry of backends is closed; make another to go on', { operation });
    }
  }
}

function checkBackend<V>(backend: Backend<V>, what: string): Backend<V> {
  if (backend instanceof Backend) return backend;
  throw new InvalidArgumentError(`${what}: a Backend is expected; got ${show(backend)}`);
}
