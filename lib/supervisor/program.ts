import { type ChildProcess, fork } from 'node:child_process';
import { GenerationError } from '../errors.js';
import { GENERATION_VARIABLE, SUPERVISOR_VARIABLE, type ToGeneration, type ToSupervisor } from './messages.js';
import type { Peer } from './relay.js';

/** How a process ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** What is run. */
export interface ProgramOptions {
  readonly program: string;
  readonly args: readonly string[];
  readonly execArgv: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string | undefined;
  readonly output: 'inherit' | 'ignore';
}

interface Waiter {
  readonly fits: (message: ToSupervisor) => boolean;
  readonly resolve: (message: ToSupervisor) => void;
  readonly reject: (error: GenerationError) => void;
}

/** How much of the standard error is kept, in characters. */
const TAIL = 16_384;

/** One process of a program. */
export class Program implements Peer {
  /** Which generation it is, from 1. */
  readonly generation: number;
  /** Fulfilled when it has ended, and its output was read. */
  readonly exited: Promise<Exit>;
  readonly #process: ChildProcess;
  readonly #waiters = new Set<Waiter>();
  #exit: Exit | undefined;
  #output = '';

  /** @param onMessage gets what nobody waits for */
  constructor(generation: number, options: ProgramOptions, onMessage: (message: ToSupervisor, from: Program) => void) {
    this.generation = generation;
    const variables = { [SUPERVISOR_VARIABLE]: String(process.pid), [GENERATION_VARIABLE]: String(generation) };
    this.#process = fork(options.program, [...options.args], {
      execArgv: [...options.execArgv],
      env: { ...options.env, ...variables },
      cwd: options.cwd,
      // Bytes go over as they are.
      serialization: 'advanced',
      stdio: ['ignore', options.output, 'pipe', 'ipc'],
    });
    this.#process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#output = (this.#output + text).slice(-TAIL);
      if (options.output === 'inherit') process.stderr.write(text);
    });
    this.#process.on('message', (message: ToSupervisor) => {
      for (const waiter of this.#waiters) {
        if (!waiter.fits(message)) continue;
        this.#waiters.delete(waiter);
        waiter.resolve(message);
        return;
      }
      onMessage(message, this);
    });
    this.exited = new Promise((resolve) => {
      let patience: NodeJS.Timeout | undefined;
      const end = (exit: Exit): void => {
        if (this.#exit !== undefined) return;
        this.#exit = exit;
        clearTimeout(patience);
        for (const { reject } of this.#waiters) reject(this.failure(`ended ${describe(exit)}`));
        this.#waiters.clear();
        resolve(exit);
      };
      // Something that it started may keep its standard error open, so that it never closes.
      this.#process.on('exit', (code, signal) => {
        patience = setTimeout(end, 250, { code, signal });
      });
      this.#process.on('close', (code, signal) => end({ code, signal }));
      this.#process.on('error', (error) => {
        this.#output += error.message;
        if (this.#process.pid === undefined) end({ code: null, signal: null });
      });
    });
  }

  /** The process id. */
  get pid(): number | undefined {
    return this.#process.pid;
  }

  /** Whether it runs. */
  get alive(): boolean {
    return this.#exit === undefined && this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** An error that says what became of it, with the end of its standard error. */
  failure(what: string): GenerationError {
    const output = this.#output.trim();
    const rest = output === '' ? '' : `\n${output}`;
    return new GenerationError(`generation ${this.generation} ${what}${rest}`, { operation: 'restart', output });
  }

  /** Tells it something; nothing to one that has ended. */
  send(message: ToGeneration): void {
    // With a callback it does not throw when the process has ended, which `exited` tells.
    if (this.#process.connected) this.#process.send(message, () => undefined);
  }

  /**
   * Waits for a message.
   * @throws GenerationError when the process ends first, or it takes too long
   */
  async waitFor<T extends ToSupervisor['type']>(
    types: readonly T[],
    milliseconds: number,
    what: string,
    turn?: number,
  ): Promise<Extract<ToSupervisor, { type: T }>> {
    let timer: NodeJS.Timeout | undefined;
    const message = await new Promise<ToSupervisor>((resolve, reject) => {
      if (!this.alive) return reject(this.failure('has ended'));
      const fits = (message: ToSupervisor): boolean =>
        types.includes(message.type as T) && (!('turn' in message) || message.turn === turn);
      const waiter: Waiter = { fits, resolve, reject };
      this.#waiters.add(waiter);
      timer = setTimeout(() => {
        this.#waiters.delete(waiter);
        reject(this.failure(`did not ${what} within ${milliseconds} ms`));
      }, milliseconds);
    }).finally(() => clearTimeout(timer));
    return message as Extract<ToSupervisor, { type: T }>;
  }

  /** Ends it, first by letting it, then by SIGKILL. */
  async end(milliseconds: number): Promise<Exit> {
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), milliseconds);
    const exit = await this.exited;
    clearTimeout(timer);
    return exit;
  }

  /** Ends it at once. */
  kill(): Promise<Exit> {
    if (this.alive) this.#process.kill('SIGKILL');
    return this.exited;
  }
}

/** How a process ended, for a message. */
export function describe({ code, signal }: Exit): string {
  if (signal !== null) return `by ${signal}`;
  return code === null ? 'before it began' : `with code ${code}`;
}
