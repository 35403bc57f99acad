import { setTimeout as wait } from 'node:timers/promises';
import { type ConnectionError, InvalidArgumentError, TimeoutError } from '../../errors.js';
import { INTERFACE, INTERFACE_VERSION } from '../../rest/headers.js';
import { notOurs, toConnectionError, toError } from './failures.js';
import type { Pool } from './pool.js';

/** What is asked. */
export interface Question {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE';
  /** What comes after the base: a path, and a query. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: Uint8Array | string | undefined;
  /** Whether asking changes nothing, so that it may be asked again. */
  readonly reads: boolean;
  /** Statuses that are answers; others are failures. */
  readonly expected: readonly number[];
}

/** What is answered, whole. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

/** Where questions go, and how. */
export interface Way {
  /** The URL that paths are put behind, without a slash at its end. */
  readonly base: string;
  /** What is there, for messages. */
  readonly where: string;
  readonly headers: Readonly<Record<string, string>>;
  /** How long a question may take with all its attempts, in milliseconds. */
  readonly timeout: number;
  /** How often a question may be asked again. */
  readonly retries: number;
}

/** How long to wait before the first attempt after a failure, in milliseconds; twice as long each time. */
const PAUSE = 25;

/** The way to a server: sends questions, and bounds each by a deadline. */
export class Connection {
  readonly #way: Way;
  readonly #open: () => Pool;
  #pool: Pool | undefined;
  readonly #pending = new Set<Promise<unknown>>();

  constructor(way: Way, open: () => Pool) {
    this.#way = way;
    this.#open = open;
  }

  get where(): string {
    return this.#way.where;
  }

  /**
   * Asks, and again where that is of use: what only reads, when the connection broke or the server is not there for a while; what writes, when it was
   * surely not sent.
   */
  ask(question: Question): Promise<Answer> {
    const asking = this.#ask(question);
    this.#pending.add(asking);
    const done = () => this.#pending.delete(asking);
    asking.then(done, done);
    return asking;
  }

  /** Waits for what is under way, which their deadlines end, and closes the connections. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#pending);
    const pool = this.#pool;
    this.#pool = undefined;
    await pool?.close();
  }

  async #ask(question: Question): Promise<Answer> {
    const { timeout, retries, where } = this.#way;
    const controller = new AbortController();
    const timer = setTimeout(() => controller.abort(), timeout);
    try {
      for (let tried = 0; ; tried++) {
        const last = tried >= retries;
        try {
          const answer = await this.#send(question, controller.signal, last);
          if (answer !== undefined) return answer;
        } catch (error) {
          if (controller.signal.aborted || !(error instanceof Unreached)) throw error;
          const again = error.failure.retryable && (error.unsent || question.reads);
          if (last || !again) throw error.failure;
        }
        await wait(PAUSE * 2 ** tried * (0.5 + Math.random()), undefined, { signal: controller.signal });
      }
    } catch (error) {
      if (!controller.signal.aborted) throw error;
      throw new TimeoutError(`${where}: no answer within ${timeout} ms; what was asked for may still take effect`);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Sends it once; `undefined` where it is worth another try. */
  async #send(question: Question, signal: AbortSignal, last: boolean): Promise<Answer | undefined> {
    const { base, headers, where } = this.#way;
    this.#pool ??= this.#open();
    let response: Response;
    let body: Uint8Array;
    try {
      response = await this.#pool.fetch(base + question.path, {
        method: question.method,
        headers: { ...question.headers, ...headers },
        body: question.body ?? null,
        redirect: 'manual',
        signal,
      });
      body = new Uint8Array(await response.arrayBuffer());
    } catch (error) {
      if (signal.aborted) throw error;
      const { error: failure, unsent } = toConnectionError(where, error);
      throw new Unreached(failure, unsent);
    }
    const { status } = response;
    const ours = response.headers.get(INTERFACE) === INTERFACE_VERSION;
    if (question.expected.includes(status)) {
      // A miss of somebody else's server would be a failure that looks like one of ours.
      if (ours) return { status, headers: response.headers, body };
      throw notOurs(where, response);
    }
    if (!last && question.reads && (status === 502 || status === 503 || status === 504)) return undefined;
    if (status < 300 || (!ours && (status === 400 || status === 404 || status === 405))) throw notOurs(where, response);
    throw toError(where, response, Buffer.from(body).toString());
  }
}

/** The connection failed. */
class Unreached extends Error {
  readonly failure: ConnectionError;
  /** Whether nothing was sent. */
  readonly unsent: boolean;

  constructor(failure: ConnectionError, unsent: boolean) {
    super();
    this.failure = failure;
    this.unsent = unsent;
  }
}

/** A query of a URL; parameters that are `undefined` are left out. */
export function toQuery(parameters: Readonly<Record<string, string | undefined>>): string {
  const parts: string[] = [];
  for (const [name, value] of Object.entries(parameters)) {
    if (value === undefined) continue;
    if (!value.isWellFormed()) throw new InvalidArgumentError(`${name} must be well-formed text`);
    parts.push(`${name}=${encodeURIComponent(value)}`);
  }
  return parts.length === 0 ? '' : `?${parts.join('&')}`;
}
