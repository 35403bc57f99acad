import { setTimeout } from 'node:timers/promises';
import { type Attempt, Deadlines } from './deadlines.js';
import type { Link } from './link.js';
import { bind, type Call, type Result, type Statement, type Values } from './statement.js';

/** Connections of a client library. */
export interface Clients<C> {
  /** Whether a connection can be ended while a query of it is under way; if not, it is held until that has its answer. */
  readonly canEnd: boolean;
  acquire(): Promise<C>;
  query(client: C, text: string, parameters: readonly unknown[]): Promise<Result>;
  /** Gives a connection back; `broken` where it must not be used again. */
  release(client: C, broken: boolean): void;
  /** Ends all connections that are ours, also those that do not answer. */
  close(): Promise<void>;
  /** Says in keepsake's words why something failed. */
  explain(error: unknown): unknown;
  /** What is to be done about a failure: nothing, try again since nothing took effect, or give the connection up. */
  judge(error: unknown): 'failed' | 'again' | 'broken';
}

/** Throws for a statement that the server would not take. */
export type Check = (text: string, parameters: readonly unknown[]) => void;

/** How often a statement that the server undid for the sake of others is tried again. */
const ATTEMPTS = 30;

/** A link by the connections of a pool, each statement within a deadline. */
export class PooledLink<C> implements Link {
  readonly #clients: Clients<C>;
  readonly #deadlines: Deadlines;
  #check: Check | undefined;

  constructor(clients: Clients<C>, timeout: number, where: string) {
    this.#clients = clients;
    this.#deadlines = new Deadlines(timeout, where);
  }

  /** Has every statement checked from now on, before it is sent. */
  checkBy(check: Check): void {
    this.#check = check;
  }

  async run(statement: Statement, values: Values): Promise<Result> {
    const parameters = this.#bind({ statement, values });
    return this.#work((client) => this.#clients.query(client, statement.text, parameters));
  }

  async runAll(calls: readonly Call[], atomic: boolean): Promise<readonly Result[]> {
    const bound = calls.map((call) => [call.statement.text, this.#bind(call)] as const);
    return this.#work(async (client) => {
      if (atomic) await this.#clients.query(client, 'begin', []);
      const results: Result[] = [];
      try {
        for (const [text, parameters] of bound) results.push(await this.#clients.query(client, text, parameters));
        if (atomic) await this.#clients.query(client, 'commit', []);
      } catch (error) {
        if (atomic && this.#clients.judge(error) !== 'broken') await this.#clients.query(client, 'rollback', []);
        throw error;
      }
      return results;
    });
  }

  async close(): Promise<void> {
    await this.#deadlines.idle();
    await this.#clients.close();
  }

  #bind({ statement, values }: Call): unknown[] {
    const parameters = bind(statement, values);
    this.#check?.(statement.text, parameters);
    return parameters;
  }

  async #work<T>(work: (client: C) => Promise<T>): Promise<T> {
    try {
      return await this.#deadlines.run((attempt) => this.#repeat(attempt, work));
    } catch (error) {
      throw this.#clients.explain(error);
    }
  }

  async #repeat<T>(attempt: Attempt, work: (client: C) => Promise<T>): Promise<T> {
    for (let tried = 1; ; tried++) {
      try {
        return await this.#once(attempt, work);
      } catch (error) {
        if (attempt.over || tried === ATTEMPTS || this.#clients.judge(error) !== 'again') throw error;
        await setTimeout(Math.random() * Math.min(50, 2 ** tried));
      }
    }
  }

  async #once<T>(attempt: Attempt, work: (client: C) => Promise<T>): Promise<T> {
    const client = await this.#clients.acquire();
    let held = true;
    const release = (broken: boolean): void => {
      if (!held) return;
      held = false;
      this.#clients.release(client, broken);
    };
    if (this.#clients.canEnd) attempt.giveUp = () => release(true);
    try {
      if (attempt.over) throw new Error('nobody waits for it any more');
      const result = await work(client);
      release(false);
      return result;
    } catch (error) {
      // One that nobody waits for was given up, or has not been used, or cannot be ended.
      release(!attempt.over && this.#clients.judge(error) === 'broken');
      throw error;
    }
  }
}
