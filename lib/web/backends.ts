import { Backend } from '../backend/backend.js';
import { checkOptions } from '../backend/checks.js';
import { memory } from '../drivers/memory.js';
import { InvalidArgumentError } from '../errors.js';
import { BackendRegistry } from '../registry/registry.js';
import { show } from '../show.js';

/** The names that the parts of an application ask the registry for (Starlite's). */
export const PARTS = ['sessions', 'rate_limit', 'response_cache'] as const;

/** How much of cached responses is held in memory where nobody says another place, in bytes. */
const RESPONSES = 2 ** 26;

/** A part of an application that has a backend of its own. */
export type Part = (typeof PARTS)[number];

/**
 * The backends of an application: a registry, which is used as it is; one backend, in which every name has a namespace; or backends by name. A name that nobody
 * registered is in memory then.
 */
export type BackendsOption =
  | BackendRegistry<unknown>
  | Backend<unknown>
  | { readonly [name: string]: Backend<unknown> }
  | ReadonlyMap<string, Backend<unknown>>;

/** The name of a registered backend for a part, in place of its own. */
export type UseOption = { readonly [Name in Part]?: string | undefined };

/** The registry of an application. */
export interface Backends {
  readonly registry: BackendRegistry<unknown>;
  /** Closes what was made here: not a registry that was given. */
  close(): Promise<void>;
}

/**
 * Makes, or takes, the registry of an application. A part that uses another's name gets a namespace of that backend, named after the part, so that each sees only
 * its own.
 * @throws InvalidArgumentError for a part or a backend that is not there
 */
export function backendsOf(given: BackendsOption | undefined, use: UseOption = {}): Backends {
  checkOptions(use, PARTS, 'use');
  const registry = registryOf(given);
  for (const [part, name] of Object.entries(use)) {
    if (name === undefined || name === part) continue;
    if (typeof name !== 'string' || !registry.has(name)) {
      const names = [...registry].map(([one]) => show(one)).join(', ') || 'none';
      throw new InvalidArgumentError(
        `use: ${part} is to use the backend ${show(name)}, which is not registered; registered are ${names}`,
      );
    }
    registry.register(part, registry.get(name).namespace(part));
  }
  return { registry, close: async () => (given instanceof BackendRegistry ? undefined : registry.close()) };
}

function registryOf(given: BackendsOption | undefined): BackendRegistry<unknown> {
  if (given instanceof BackendRegistry) return given;
  if (given instanceof Backend) {
    return new BackendRegistry({ defaultFactory: (name) => given.namespace(name) });
  }
  return new BackendRegistry<unknown>({ backends: given, defaultFactory });
}

/** Whoever can ask for any URL must not fill the memory with what is answered. */
function defaultFactory(name: string): Backend<unknown> {
  const part: Part = 'response_cache';
  return name === part ? memory({ maxBytes: RESPONSES }) : memory();
}
