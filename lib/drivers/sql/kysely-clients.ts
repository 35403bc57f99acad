import { loadModule } from '../../codecs/load.js';
import type { AnyKysely } from './compiler.js';
import type { Clients } from './pooled-link.js';
import type { Result, Row } from './statement.js';

/** A connection of a Kysely, and what gives it back. */
interface Held {
  readonly kysely: AnyKysely;
  readonly done: () => void;
}

/** How failures of the client behind a Kysely are understood. */
export type Failures = Pick<Clients<unknown>, 'explain' | 'judge'>;

/** Connections of a Kysely that the caller made, who also ends it. */
export class KyselyClients implements Clients<Held> {
  readonly canEnd = false;
  readonly #kysely: AnyKysely;
  readonly #failures: Failures;

  constructor(kysely: AnyKysely, failures: Failures) {
    this.#kysely = kysely;
    this.#failures = failures;
  }

  acquire(): Promise<Held> {
    return new Promise((resolve, reject) => {
      this.#kysely
        .connection()
        .execute(
          (kysely) =>
            new Promise<void>((done) => {
              resolve({ kysely: kysely as AnyKysely, done });
            }),
        )
        .catch(reject);
    });
  }

  async query({ kysely }: Held, text: string, parameters: readonly unknown[]): Promise<Result> {
    const { CompiledQuery } = await loadModule(() => import('kysely'), 'kysely', 'kysely');
    const answer = await kysely.executeQuery<Row>(CompiledQuery.raw(text, [...parameters]));
    return {
      rows: answer.rows,
      affected: Number(answer.numAffectedRows ?? 0),
      mark: Number(answer.insertId ?? 0),
    };
  }

  /** A connection that is broken is for the pool behind to find out: a Kysely has no way to be told. */
  release({ done }: Held): void {
    done();
  }

  async close(): Promise<void> {}

  explain(error: unknown): unknown {
    return this.#failures.explain(error);
  }

  judge(error: unknown): 'failed' | 'again' | 'broken' {
    return this.#failures.judge(error);
  }
}
