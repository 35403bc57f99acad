import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Crash } from './crash.js';
import type { CrashPoint, Report, Request, Work } from './machine.js';

/** What became of the keys after many crashes. */
export interface Total {
  /** How many of the crashes were the first. */
  first: number;
  /** How many were crashes of what had gone on after one. */
  again: number;
  /** How many values were found that nobody had stored, by the kind of the crash. */
  readonly torn: Record<Crash, number>;
  /** How many keys held something older than what was acknowledged. */
  readonly lost: Record<Crash, number>;
  readonly failures: string[];
}

/** Machines that crash: one thread for each start of the system, since a process asks only once which one it is. */
export class Machines {
  /** Memory, where it can be had: the model decides what a crash leaves, not the disk. */
  readonly #folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'keepsake-crash-'));
  readonly #machines: Machine[] = [];

  /** Does work at random, and records it. */
  async record(mode: string, seed: number, steps: number): Promise<Work> {
    return (await this.#machine(0).ask({ kind: 'record', mode, seed, steps })) as Work;
  }

  /** Interrupts work, also where it was gone on with after that; adds what became of it to a total. */
  async crash(work: Work, points: readonly CrashPoint[], total = newTotal()): Promise<Total> {
    const inProcess = points.filter(({ crash }) => crash === 'process');
    const powerCuts = points.filter(({ crash }) => crash !== 'process');
    const { boot } = work.trace;
    await Promise.all([this.#ask(boot, work, inProcess, total), this.#ask(boot + 1, work, powerCuts, total)]);
    return total;
  }

  /** Kills the process that does the work, and goes on in another; answers all that was done then. */
  async goOn(work: Work, tick: number, seed: number): Promise<Work> {
    const points = [{ crash: 'process', tick, seed, again: 1 }] as const;
    const [report] = (await this.#machine(work.trace.boot).ask({ kind: 'crash', work, points })) as Report[];
    if (report?.next === undefined) throw new Error(`the work could not go on: ${report?.failures.join(', ')}`);
    return report.next.work;
  }

  async end(): Promise<void> {
    for (const machine of this.#machines) await machine.end();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #ask(boot: number, work: Work, points: readonly CrashPoint[], total: Total): Promise<void> {
    if (points.length === 0) return;
    const reports = (await this.#machine(boot).ask({ kind: 'crash', work, points })) as Report[];
    for (const { crash, isAgain, failures, torn, lost, next } of reports) {
      if (isAgain) total.again++;
      else total.first++;
      total.torn[crash] += torn;
      total.lost[crash] += lost;
      total.failures.push(...failures);
      if (next !== undefined) await this.crash(next.work, next.points, total);
    }
  }

  #machine(boot: number): Machine {
    this.#machines[boot] ??= new Machine(boot, this.#folder);
    return this.#machines[boot];
  }
}

export function newTotal(): Total {
  const none = { process: 0, ordered: 0, replacing: 0, unordered: 0 };
  return { first: 0, again: 0, torn: { ...none }, lost: { ...none }, failures: [] };
}

/** A thread that answers one request after the other. */
class Machine {
  readonly #worker: Worker;
  #last: Promise<unknown> = Promise.resolve();

  constructor(boot: number, folder: string) {
    this.#worker = new Worker(new URL('./machine.js', import.meta.url), {
      workerData: { boot, root: join(folder, String(boot)) },
    });
  }

  ask(request: Request): Promise<Work | Report[]> {
    const asked = this.#last.then(() => this.#ask(request));
    this.#last = asked.catch(() => undefined);
    return asked;
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }

  #ask(request: Request): Promise<Work | Report[]> {
    return new Promise((resolve, reject) => {
      const settle = ({ result, error }: { result?: Work | Report[]; error?: Error }) => {
        this.#worker.off('error', reject);
        if (result === undefined) reject(error);
        else resolve(result);
      };
      this.#worker.once('error', reject);
      this.#worker.once('message', settle);
      this.#worker.postMessage(request);
    });
  }
}
