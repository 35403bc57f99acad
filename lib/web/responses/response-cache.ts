import { randomUUID } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import type { Backend } from '../../backend/backend.js';
import { InvalidArgumentError, isKeepsakeError } from '../../errors.js';
import { show } from '../../show.js';
import { type Directives, requestDirectives, secondsOf } from '../cache-control.js';
import { Flight, type Landed } from './flight.js';
import {
  entityTag,
  type HeaderList,
  type HeaderOf,
  headerIn,
  headersOf304,
  isNotModified,
  REFRESH,
  storedHeaders,
} from './headers.js';
import { keyOf } from './keys.js';
import type { ResponseSettings, RoutePlan } from './options.js';
import { ageNow, judge, termsOf } from './policy.js';
import type { StoredResponse } from './record.js';
import { type Recorded, Recording } from './recording.js';
import { type Found, StoredResponses } from './stored.js';

/** A request, as the bindings to frameworks tell of it. */
export interface Asked {
  /** In upper case. */
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  /** Headers by their names in lower case. */
  readonly header: HeaderOf;
  /** The headers that the response has already, from what runs before the handler. */
  readonly present: HeaderList;
  /** Makes the same request again within the application, with these headers in place of those that it had. */
  readonly again: (headers: { readonly [name: string]: string }) => Promise<unknown>;
}

/** What to do with a request. */
export type Answer =
  /** Send this; to a `HEAD` without the body. */
  | { readonly send: { readonly status: number; readonly headers: HeaderList; readonly body: Uint8Array | undefined } }
  /** Run the handler, and record what it answers. */
  | { readonly record: Recording };

/** For so long nobody waits for a response that was not stored the last time, in milliseconds. */
const PASS = 5000;
/** How often a request looks again when what it waited for is not for it, or something was stored while it looked. */
const LOOKS = 5;

/** The cached responses of an application. */
export interface CachedResponses {
  /**
   * Voids the cached response of a URL, with all that vary by headers.
   * @param url path and query, such as `'/users?page=2'`
   * @throws InvalidArgumentError for what is none
   */
  delete(url: string): Promise<void>;
  /** Voids all cached responses. */
  clear(): Promise<void>;
}

/** The stored responses of one application, for the bindings to frameworks. */
export class ResponseCache implements CachedResponses {
  readonly settings: ResponseSettings;
  readonly #stored: StoredResponses;
  readonly #report: (error: unknown) => void;
  readonly #flights = new Map<string, Flight>();
  readonly #passes = new LRUCache<string, true>({ max: 10_000, ttl: PASS });
  readonly #goals = new Set<Goal>();
  readonly #refreshing = new Map<string, Promise<unknown>>();
  readonly #token = randomUUID();
  readonly #scopes = new Set(['']);
  /** How many responses of a URL have been stored. */
  readonly #landings = new LRUCache<string, number>({ max: 10_000 });

  /** @param backend gives what it stands on, the first time that it is needed */
  constructor(backend: () => Backend<unknown>, settings: ResponseSettings, report: (error: unknown) => void) {
    this.settings = settings;
    this.#stored = new StoredResponses(backend);
    this.#report = report;
  }

  /** A response that is being stored. Of one that varies, the names of the headers may be there already, and it not yet. */
  #arriving(primary: string, header: HeaderOf): StoredResponse | undefined {
    for (const goal of this.#goals) {
      if (goal.primary === primary && !goal.voided && goal.landed?.fits(header)) return goal.landed.response;
    }
    return undefined;
  }

  /** What to do with a request; never rejects: what the backend fails at is reported, and the handler runs. */
  answer(asked: Asked, plan: RoutePlan): Promise<Answer> {
    return this.#answer(asked, plan, 0, performance.now() + this.settings.waitFor);
  }

  /**
   * @param looks how often this was asked for the same request before
   * @param until when it waits no longer, by `performance.now()`
   */
  async #answer(asked: Asked, plan: RoutePlan, looks: number, until: number): Promise<Answer> {
    const { method, header } = asked;
    const request = this.settings.honourRequests
      ? requestDirectives(header('cache-control'), header('pragma'))
      : requestDirectives(undefined, undefined);
    const cacheable = method === 'GET' || method === 'HEAD';
    if (!cacheable || header('range') !== undefined || request.has('no-store')) return this.#run(asked, 'bypass');
    const personal =
      (!plan.authorized && header('authorization') !== undefined) || (!plan.cookies && header('cookie') !== undefined);
    const refresh = header(REFRESH) === this.#token;
    const primary = keyOf(asked.url, plan.scope);
    const landings = this.#landings.get(primary);
    let found: Found;
    try {
      found = await this.#stored.find(primary, header);
    } catch (error) {
      this.#report(error);
      // What cannot be read is replaced; a backend that fails is not asked to store something as well.
      if (!isKeepsakeError(error, 'KEEPSAKE_CORRUPT_DATA')) return this.#run(asked, 'bypass');
      found = { key: primary, response: undefined };
    }
    const { response = this.#arriving(primary, header) } = found;
    const usable = response !== undefined && !refresh && (!personal || response.shared);
    const sent = usable ? this.#reuse(asked, response, request) : undefined;
    if (sent?.state === 'hit') return sent;
    // What landed while this one was looking may be what it looked for.
    if (landings !== this.#landings.get(primary) && looks < LOOKS) return this.#answer(asked, plan, looks + 1, until);
    if (sent !== undefined) {
      if (sent.renew) this.#refresh(asked, primary, found.key);
      return sent;
    }
    if (request.has('only-if-cached')) {
      return { send: { status: 504, headers: OF_504, body: NOT_CACHED } };
    }
    if (method === 'HEAD') return this.#run(asked, 'miss');
    if (personal) return this.#run(asked, 'bypass', { primary, plan, personal });
    const anew = refresh || request.has('no-cache') || secondsOf(request, 'max-age') === 0;
    const made = await this.#make(asked, { primary, plan, personal }, found.key, { anew, request, until });
    if (made !== 'another') return made;
    if (looks < LOOKS) return this.#answer(asked, plan, looks + 1, until);
    return this.#run(asked, 'miss', { primary, plan, personal });
  }

  /** Notes what chooses routes besides their URLs, so that all of a URL are voided together. */
  scope(scope: string): string {
    this.#scopes.add(scope);
    return scope;
  }

  async delete(url: string): Promise<void> {
    if (typeof url !== 'string' || !url.startsWith('/')) {
      throw new InvalidArgumentError(`delete: a URL must be path and query, such as '/users?page=2'; got ${show(url)}`);
    }
    await this.#delete(url);
  }

  async #delete(url: string): Promise<void> {
    const keys = [...this.#scopes].map((scope) => keyOf(url, scope));
    await this.#void([...this.#goals].filter(({ primary }) => keys.includes(primary)));
    await Promise.all(keys.map((key) => this.#stored.remove(key)));
  }

  /** Voids the cached response of a URL, after a request that changed something; never rejects. */
  async invalidate(url: string): Promise<void> {
    try {
      await this.#delete(url);
    } catch (error) {
      this.#report(error);
    }
  }

  async clear(): Promise<void> {
    await this.#void([...this.#goals]);
    await this.#stored.clear();
  }

  /** Waits for what is made anew in the background, as long as a request would. */
  async settle(): Promise<void> {
    if (this.#refreshing.size === 0) return;
    const stop = new AbortController();
    const over = setTimeout(this.settings.waitFor, undefined, { signal: stop.signal }).catch(() => undefined);
    await Promise.race([Promise.allSettled(this.#refreshing.values()), over]);
    stop.abort();
  }

  /**
   * Runs the handler, unless another request does so for the same response: then waits for that. `'another'` says that what came of it is for other
   * headers of the request, and that by now it is known which.
   */
  async #make(asked: Asked, aim: Aim, key: string, { anew, request, until }: Wish): Promise<Answer | 'another'> {
    for (;;) {
      const flight = this.#flights.get(key);
      if (flight === undefined) {
        const started = new Flight();
        this.#flights.set(key, started);
        return this.#run(asked, 'miss', { ...aim, flight: started, key });
      }
      if (anew || this.#passes.has(key)) return this.#run(asked, 'miss', aim);
      const landing = await flight.wait(until - performance.now());
      if (landing === 'left') continue;
      // One that takes so long may never end: the next request does not wait for it again.
      if (landing === 'late' && flight.age >= this.settings.waitFor) this.#end({ flight, key });
      if (typeof landing !== 'object') return this.#run(asked, 'miss', aim);
      if (landing.fits(asked.header))
        return this.#reuse(asked, landing.response, request) ?? this.#run(asked, 'miss', aim);
      await landing.stored();
      return 'another';
    }
  }

  /** What is being made now may be of before: it is not stored, nor waited for any more. What is being stored already is waited for. */
  async #void(goals: readonly Goal[]): Promise<void> {
    for (const goal of goals) {
      goal.voided = true;
      this.#end(goal);
    }
    await this.#settled(goals);
  }

  /** Lets nobody join any more. */
  #end({ flight, key }: Pick<Goal, 'flight' | 'key'>): void {
    if (key !== undefined && this.#flights.get(key) === flight) this.#flights.delete(key);
  }

  #run(asked: Asked, state: 'miss' | 'bypass', aim?: Aim): Answer {
    const { header } = asked;
    if (aim === undefined) {
      const nothing = { wanted: () => false, done: async () => undefined };
      return { record: new Recording({ state, header, maxBytes: 0, ...nothing }) };
    }
    const goal: Goal = { ...aim, header, voided: false };
    this.#goals.add(goal);
    const { plan, personal } = goal;
    const wanted = (status: number, headers: HeaderList) =>
      termsOf({ status, headers, personal }, plan, this.settings.clock()) !== undefined;
    const done = async (recorded: Recorded | 'none' | 'left') => {
      try {
        if (typeof recorded === 'object') await this.#land(asked, goal, recorded);
        else if (recorded === 'none' && goal.key !== undefined) this.#passes.set(goal.key, true);
      } catch (error) {
        this.#report(error);
      } finally {
        this.#goals.delete(goal);
        this.#end(goal);
        // In this order: who tries next finds nobody else to wait for.
        goal.flight?.land(recorded === 'left' ? 'left' : 'none');
      }
    };
    return { record: new Recording({ state, header, maxBytes: plan.maxBytes, wanted, done }) };
  }

  /** Stores a response, and gives it to those who wait. */
  async #land(asked: Asked, goal: Goal, recorded: Recorded): Promise<void> {
    const { primary, plan, personal, flight, key } = goal;
    const now = this.settings.clock();
    const terms = termsOf({ ...recorded, personal }, plan, now);
    if (terms === undefined) return;
    const { vary, ...rest } = terms;
    const headers = [...storedHeaders(recorded.headers, asked.present)];
    if (recorded.status === 200 && headerIn(recorded.headers, 'etag') === undefined) {
      headers.push(['etag', entityTag(recorded.body)]);
    }
    const response: StoredResponse = { status: recorded.status, headers, storedAt: now, ...rest, body: recorded.body };
    const selected = vary.map((name) => asked.header(name));
    const fits = (header: HeaderOf) => vary.every((name, index) => header(name) === selected[index]);
    const ttl = terms.lifetime === null ? null : 1000 * Math.max(1, terms.lifetime + terms.staleFor - terms.age);
    // What was begun before this one must not take its place, where it takes longer.
    for (const other of this.#goals) {
      if (other === goal) break;
      if (!goal.voided && other.primary === primary && fits(other.header)) other.voided = true;
    }
    if (!goal.voided) goal.storing = this.#stored.write(primary, response, { vary, selected }, ttl);
    // Those who wait need not wait for the backend; those who come meanwhile find the flight.
    goal.landed = { response, fits, stored: () => goal.storing?.catch(() => undefined) };
    flight?.land(goal.landed);
    if (key !== undefined) this.#passes.delete(key);
    await goal.storing;
    this.#landings.set(primary, (this.#landings.get(primary) ?? 0) + 1);
  }

  /** A stored response as an answer, where it is one. */
  #reuse(asked: Asked, response: StoredResponse, request: Directives): Reused | undefined {
    const now = this.settings.clock();
    const verdict = judge(response, request, now);
    if (verdict === 'no') return undefined;
    const state = verdict === 'fresh' ? 'hit' : 'stale';
    const reused = { state, renew: verdict === 'revalidate' } as const;
    const headers: HeaderList = [...response.headers, ['age', String(ageNow(response, now))], ['x-cache', state]];
    const { status, body } = response;
    if (status === 200 && isNotModified(asked.header, headers)) {
      return { ...reused, send: { status: 304, headers: headersOf304(headers), body: undefined } };
    }
    if (status === 204 || status === 205) return { ...reused, send: { status, headers, body: undefined } };
    const length = ['content-length', String(body.length)] as const;
    return { ...reused, send: { status, headers: [...headers, length], body } };
  }

  /** Makes a response anew in the background, once at a time. */
  #refresh(asked: Asked, primary: string, key: string): void {
    if (this.#refreshing.has(key)) return;
    const again = Promise.resolve()
      .then(() => asked.again({ [REFRESH]: this.#token }))
      .then(() => this.#settled([...this.#goals].filter((goal) => goal.primary === primary)))
      .catch((error) => this.#report(error))
      .finally(() => this.#refreshing.delete(key));
    this.#refreshing.set(key, again);
  }

  /** Waits for what is being stored already. */
  async #settled(goals: readonly Goal[]): Promise<void> {
    await Promise.allSettled(goals.map(({ storing }) => storing));
  }
}

/** A stored response as an answer. */
interface Reused extends Extract<Answer, { send: unknown }> {
  readonly state: 'hit' | 'stale';
  /** Whether it is to be made anew in the background. */
  readonly renew: boolean;
}

const OF_504: HeaderList = [
  ['content-type', 'text/plain; charset=utf-8'],
  ['cache-control', 'no-store'],
  ['x-cache', 'miss'],
];
const NOT_CACHED = Buffer.from('Gateway Timeout: there is no cached response\n');

/** How a request wants a response that is not there. */
interface Wish {
  /** Whether one that is being made already will not do. */
  readonly anew: boolean;
  readonly request: Directives;
  /** When it waits no longer, by `performance.now()`. */
  readonly until: number;
}

/** What a response is recorded for. */
interface Aim {
  readonly primary: string;
  readonly plan: RoutePlan;
  readonly personal: boolean;
  /** Those who wait, with the key under which they do. */
  readonly flight?: Flight;
  readonly key?: string;
}

/** A response that is being made. */
interface Goal extends Aim {
  /** The request's headers. */
  readonly header: HeaderOf;
  /** Whether it must not be stored: its URL was voided meanwhile, or one that was begun later is stored. */
  voided: boolean;
  /** What came of it in the end. */
  landed?: Landed;
  /** The write that is under way then. */
  storing?: Promise<void>;
}
