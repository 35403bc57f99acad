import { Backend } from '../backend/backend.js';
import type { Capabilities } from '../backend/capabilities.js';
import { checkOptions } from '../backend/checks.js';
import type { Driver, Page, ScanRequest } from '../backend/driver.js';
import { BACKEND_OPTIONS, type BackendOptions } from '../backend/options.js';
import { InvalidArgumentError } from '../errors.js';
import { show } from '../show.js';
import { delegate, KINDS, LEVELLED, OPERATIONS, type Own, shared, shortestLimit, without } from './delegate.js';
import { complete } from './members.js';

/** Options of {@link randomChoice}. */
export interface RandomChoiceOptions extends BackendOptions {
  /** A number from 0 to less than 1; `Math.random` by default. */
  readonly random?: (() => number) | undefined;
}

/**
 * Each operation goes to one of several backends, chosen at random (shitty_tools' `RandomChoiceDict`): for equal ways to one storage, such as
 * connections or replicas. Where they are storages of their own, what one has the others lack.
 *
 * A listing stays with the backend that it began with. Conditions, `update`, `increment` and `touch` are there where all members promise them across
 * processes, since two members are like two processes to each other.
 *
 * @throws InvalidArgumentError for no backends, or such as hold different kinds of values
 */
export function randomChoice<V>(backends: readonly Backend<V>[], options: RandomChoiceOptions = {}): Backend<V> {
  checkOptions(options, [...BACKEND_OPTIONS, 'random'], 'randomChoice');
  const { random = Math.random, ...rest } = options;
  if (typeof random !== 'function') {
    throw new InvalidArgumentError(`randomChoice: random must be a function; got ${show(random)}`);
  }
  const members = complete(backends, 'randomChoice');
  const choose = (): number => Math.min(members.length - 1, Math.floor(random() * members.length));
  const first = members[0] as Driver<V>;
  const driver = delegate(first, choosing(members, choose), ['keep']);
  return new Backend(driver, rest, { over: backends as unknown as Backend<never>[], opensInner: false });
}

function choosing<V>(members: readonly Driver<V>[], choose: () => number): Own<V> {
  const own: { [name: string]: unknown } = {};
  for (const operation of OPERATIONS) {
    if (KINDS[operation] === 'keep') continue;
    own[operation] = (...args: readonly unknown[]) => {
      const member = members[choose()] as unknown as { [name: string]: (...args: readonly unknown[]) => unknown };
      return member[operation]?.(...args);
    };
  }
  return {
    ...own,
    name: `one of ${members.map(({ name }) => name).join(', ')}`,
    capabilities: claims(members),
    keyLimit: shortestLimit(members),
    scan: (request) => scan(members, choose, request),
    sweep: async () => {
      const swept = await Promise.all(members.map(async (member) => member.sweep?.() ?? 0));
      return swept.reduce((sum, one) => sum + one, 0);
    },
  };
}

/** A page of one member; its cursor names the member, so that the next page is of the same. */
async function scan<V>(members: readonly Driver<V>[], choose: () => number, request: ScanRequest): Promise<Page<V>> {
  const [, number, rest] = /^([0-9]+):(.*)$/s.exec(request.cursor ?? '') ?? [];
  if (request.cursor !== undefined && (number === undefined || Number(number) >= members.length)) {
    throw new InvalidArgumentError(`page: cursor must be what the page before gave; got ${show(request.cursor)}`);
  }
  const at = number === undefined ? choose() : Number(number);
  const page = await (members[at] as Driver<V>).scan({ ...request, cursor: rest });
  return page.cursor === undefined ? page : { ...page, cursor: `${at}:${page.cursor}` };
}

function claims<V>(members: readonly Driver<V>[]): Capabilities {
  const common = shared(members);
  if (members.length === 1) return common;
  return without(common, ...LEVELLED.filter((name) => common[name] === 'process'));
}
