import { Backend } from '../backend/backend.js';
import { checkNamespace } from '../backend/checks.js';
import type { Awaitable } from '../backend/driver.js';
import { NamespaceDriver } from '../backend/namespace.js';
import { InvalidArgumentError, isKeepsakeError, StorageError } from '../errors.js';
import { BackendRegistry } from '../registry/registry.js';
import { show } from '../show.js';

/** A backend, a promise of one, or a function that gives one when it is first needed. */
export type BackendSource<V> = Backend<V> | PromiseLike<Backend<V>> | (() => Awaitable<Backend<V>>);

/** Where a store keeps what it stores. */
export interface PlaceOptions<V = unknown> {
  /**
   * A backend, a promise of one, a function that gives one when it is first needed, or a registry to ask for `name`. It stays open: whoever
   * made it closes it.
   */
  readonly backend: BackendSource<V> | BackendRegistry<V>;
  /** The name to ask the registry for; the name that the store goes by, unless said otherwise. */
  readonly name?: string | undefined;
  /**
   * The namespace of the backend to keep to; `null` for the whole backend, which nobody else may have keys in then. By default the name that the
   * store goes by, so that others may share the backend, unless it is such a namespace already, which a registry has under that name.
   */
  readonly namespace?: string | null | undefined;
}

/** The names of {@link PlaceOptions}. */
export const PLACE_OPTIONS = ['backend', 'name', 'namespace'] as const;

/** A backend that is found when it is first needed. What failed is tried again by the next who asks. */
export class Source<V> {
  readonly #what: string;
  readonly #find: () => Awaitable<Backend<V>>;
  #finding: Promise<Backend<V>> | undefined;
  #found: Backend<V> | undefined;

  /**
   * @param what what needs it, for messages
   * @throws InvalidArgumentError for what is no source
   */
  constructor(source: BackendSource<V>, what: string) {
    this.#what = what;
    this.#find = findBy(source, what);
  }

  /** The backend, at once where it is known. */
  get(): Awaitable<Backend<V>> {
    if (this.#found !== undefined) return this.#found;
    if (this.#finding !== undefined) return this.#finding;
    const finding = this.#search();
    this.#finding = finding;
    finding.catch(() => {
      this.#finding = undefined;
    });
    return finding;
  }

  async #search(): Promise<Backend<V>> {
    try {
      const found: unknown = await this.#find();
      if (!(found instanceof Backend)) {
        throw new InvalidArgumentError(`${this.#what}: backend must be, or give, a Backend; got ${show(found)}`);
      }
      this.#found = found;
      return found;
    } catch (error) {
      if (isKeepsakeError(error)) throw error;
      // Frameworks read codes such as ENOENT as "there is no such session".
      const why = error instanceof Error ? error.message : String(error);
      throw new StorageError(`${this.#what}: there is no backend: ${why}`, { cause: error });
    }
  }
}

/**
 * The source of a store's backend, within its namespace.
 * @param own the name that the store goes by, such as `'sessions'`
 * @throws InvalidArgumentError for a backend that is none
 * @throws InvalidNamespaceError for a name or namespace that is none
 */
export function placeOf<V>(options: PlaceOptions<V>, own: string, what: string): Source<V> {
  const { backend, name, namespace } = options;
  const registry = backend instanceof BackendRegistry;
  if (name !== undefined) {
    checkNamespace(name);
    if (!registry) throw new InvalidArgumentError(`${what}: name is for a registry; give namespace instead`);
  }
  if (namespace != null) checkNamespace(namespace);
  const source = new Source(registry ? () => backend.get(name ?? own) : backend, what);
  const asked = registry && (name ?? own) === own;
  return new Source(async () => {
    const found = await source.get();
    if (namespace === null) return found;
    return namespace === undefined && asked ? ownOf(found, own) : found.namespace(namespace ?? own);
  }, what);
}

/** What a part has of the backend that a registry gives for its name. That may be one for every name: only a namespace of the name is for it alone. */
export function ownOf<V>(backend: Backend<V>, name: string): Backend<V> {
  const { driver } = backend;
  return driver instanceof NamespaceDriver && driver.prefix === `${name}:` ? backend : backend.namespace(name);
}

function findBy<V>(source: BackendSource<V>, what: string): () => Awaitable<Backend<V>> {
  if (typeof source === 'function') return source;
  if (source instanceof Backend) return () => source;
  if (typeof source === 'object' && source !== null && 'then' in source) {
    const promise = Promise.resolve(source);
    // Everyone who asks is told; one that fails before that is no unhandled rejection.
    promise.catch(() => undefined);
    return () => promise;
  }
  throw new InvalidArgumentError(
    `${what}: backend must be a Backend, a promise of one, a function that gives one, or a registry; got ${show(source)}`,
  );
}
