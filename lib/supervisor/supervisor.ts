import { EventEmitter } from 'node:events';
import { readdir, rm } from 'node:fs/promises';
import type { AddressInfo, ListenOptions } from 'node:net';
import { basename, dirname, join } from 'node:path';
import { ClosedError, type GenerationError, isKeepsakeError, ReloadError } from '../errors.js';
import type { ConnectionMessage, ToSupervisor } from './messages.js';
import { type Settings, type SupervisorOptions, toSettings } from './options.js';
import { describe, type Exit, Program } from './program.js';
import { Relay } from './relay.js';
import { Watcher } from './watcher.js';

/** What a change of generations came to. */
export interface GenerationReport {
  /** Which generation serves now, from 1. */
  readonly generation: number;
  /** Its process id. */
  readonly pid: number;
  /** Milliseconds from its start until it served. */
  readonly duration: number;
  /** Milliseconds for which nobody served: from the moment the former one was asked to hand over. */
  readonly paused: number;
}

/** A generation that ended by itself. */
export interface Crash extends Exit {
  readonly generation: number;
  /** What it said last, among others. */
  readonly error: GenerationError;
  /** Milliseconds until the next one is started. */
  readonly delay: number;
}

/** The events of a supervisor. */
export interface SupervisorEvents {
  /** A process was started. */
  generation: [generation: { readonly generation: number; readonly pid: number | undefined }];
  /** A generation serves. */
  ready: [report: GenerationReport];
  /** A generation did not come to serve; the former one still does, if there was one. A process warning where nobody listens. */
  failed: [error: Error];
  /** The generation that served has ended by itself. A process warning where nobody listens. */
  crashed: [crash: Crash];
  /** It has stopped, and no process is left. */
  stopped: [];
}

/**
 * Runs a program in generations: the next one takes over its objects and connections before the last one goes, and if it fails the last one carries on. A
 * program that ends by itself is started again. The program calls `joinSupervisor`.
 *
 * It may own the sockets, too: it relays bytes between the clients and the generation that serves. This is simpler and safer than passing sockets on: bytes
 * that arrive while a socket changes processes are lost, and there is no way to see it.
 *
 * @example
 * const supervisor = new Supervisor({ program: './dist/server.js', watch: ['./dist'] });
 * await supervisor.listen({ port: 4000, host: '127.0.0.1' });
 * await supervisor.start();
 */
export class Supervisor extends EventEmitter<SupervisorEvents> implements AsyncDisposable {
  readonly #settings: Settings;
  readonly #relay: Relay;
  readonly #undo: (() => void)[] = [];
  #current: Program | undefined;
  #next: Program | undefined;
  /** Whether the one that serves has handed over to the next. */
  #handedOver = false;
  readonly #retiring = new Set<Promise<unknown>>();
  #count = 0;
  #servingSince = 0;
  #crashes = 0;
  #started: Promise<GenerationReport> | undefined;
  #work: Promise<unknown> = Promise.resolve();
  #queued: Promise<GenerationReport> | undefined;
  #recovery: NodeJS.Timeout | undefined;
  #stopping: Promise<void> | undefined;

  /** @throws InvalidArgumentError, OutOfRangeError for options that are none */
  constructor(options: SupervisorOptions) {
    super();
    this.#settings = toSettings(options);
    this.#relay = new Relay(this.#settings.relay);
  }

  /** Which generation serves, from 1; `undefined` while none does. */
  get generation(): number | undefined {
    return this.#current?.generation;
  }

  /** The process id of the generation that serves. */
  get pid(): number | undefined {
    return this.#current?.pid;
  }

  /** How many connections it holds. */
  get connections(): number {
    return this.#relay.size;
  }

  /**
   * Listens, as `net.Server` does, and holds the connections: the generations get a `Connection` of each. It may be called before `start`; what arrives then waits.
   * @returns the address
   */
  async listen(options: ListenOptions): Promise<AddressInfo | string> {
    this.#checkRunning();
    return this.#relay.listen(options);
  }

  /**
   * Starts the first generation.
   * @throws GenerationError when it does not come to serve; nothing runs then
   */
  start(): Promise<GenerationReport> {
    this.#checkRunning();
    this.#started ??= this.#start();
    return this.#started;
  }

  async #start(): Promise<GenerationReport> {
    const { signals, watch, watchDelay } = this.#settings;
    try {
      const watcher = new Watcher(watch, watchDelay, () => this.#restartUnasked());
      this.#undo.push(() => watcher.close());
      if (signals.restart) this.#onSignal('SIGHUP', () => this.#restartUnasked());
      for (const signal of signals.stop ? (['SIGTERM', 'SIGINT'] as const) : []) {
        this.#onSignal(signal, () => void this.#stopAndEnd(signal));
      }
      return await this.#enqueue();
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  #onSignal(signal: NodeJS.Signals, listener: () => void): void {
    process.on(signal, listener);
    this.#undo.push(() => process.removeListener(signal, listener));
  }

  async #stopAndEnd(signal: NodeJS.Signals): Promise<void> {
    await this.stop();
    // Whoever waits for this process sees what it ended of.
    process.kill(process.pid, signal);
  }

  /** Nobody waits for the outcome, which the events tell. */
  #restartUnasked(): void {
    if (this.#stopping === undefined) this.#enqueue().catch(() => undefined);
  }

  /**
   * Starts the next generation, which takes over from the present one. While another one starts, the next comes after it; calls in the meantime share that.
   * @throws GenerationError when it does not come to serve, and what `prepare` throws: the present one goes on, with its objects and connections
   */
  async restart(): Promise<GenerationReport> {
    this.#checkRunning();
    if (this.#started === undefined) throw new ReloadError('the supervisor was not started; start() it first');
    return this.#enqueue();
  }

  #enqueue(): Promise<GenerationReport> {
    this.#queued ??= this.#inTurn(async () => {
      this.#queued = undefined;
      this.#checkRunning();
      clearTimeout(this.#recovery);
      await this.#settings.prepare?.();
      this.#checkRunning();
      const report = await this.#change();
      this.emit('ready', report);
      return report;
    });
    return this.#queued;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#work.then(work);
    this.#work = done.catch((error: Error) => {
      if (isKeepsakeError(error, 'KEEPSAKE_CLOSED')) return;
      if (!this.emit('failed', error)) process.emitWarning(error);
      if (this.#current === undefined) this.#recover();
    });
    return done;
  }

  async #change(): Promise<GenerationReport> {
    const { readyTimeout } = this.#settings;
    const started = performance.now();
    const next = new Program(++this.#count, this.#settings.program, this.#onMessage);
    this.#next = next;
    const turn = next.generation;
    let path: string | undefined;
    let former: Program | undefined;
    try {
      this.emit('generation', { generation: turn, pid: next.pid });
      ({ path } = await next.waitFor(['loaded'], readyTimeout, 'load'));
      this.#checkRunning();
      const pausedAt = performance.now();
      former = this.#current;
      const unread = former === undefined ? undefined : await this.#pause(former, next, path);
      this.#handedOver = unread !== undefined;
      const ready = next.waitFor(['ready'], readyTimeout, 'become ready');
      const { ports } = this.#relay;
      next.send({ type: 'takeOver', connections: this.#relay.known(), ports, handedOver: this.#handedOver });
      await ready;
      this.#checkRunning();
      this.#serve(next, unread ?? new Map());
      const now = performance.now();
      return { generation: turn, pid: next.pid as number, duration: now - started, paused: now - pausedAt };
    } catch (error) {
      await next.kill();
      if (path !== undefined) await removeHandOver(path, next.pid);
      if (former?.alive) await this.#resume(former, turn);
      // It may also have ended just now.
      if (this.#handedOver && former?.alive === false) this.#relay.abandon(this.#settings.keepAfterCrash);
      throw error;
    } finally {
      this.#handedOver = false;
      this.#next = undefined;
    }
  }

  /** Lets a generation hand over; answers what it had got and not read. If it ends meanwhile, the next starts with what is saved. */
  async #pause(former: Program, next: Program, path: string): Promise<ReadonlyMap<string, Uint8Array> | undefined> {
    const { handOverTimeout } = this.#settings;
    const turn = next.generation;
    this.#relay.pause();
    const answer = former.waitFor(['paused', 'refused'], handOverTimeout, 'hand over', turn);
    former.send({ type: 'pause', turn, path });
    try {
      const given = await Promise.race([answer, next.exited.then((exit) => next.failure(`ended ${describe(exit)}`))]);
      if (given instanceof Error) throw given;
      if (given.type === 'refused') throw former.failure(`cannot hand over: ${given.reason}`);
      return new Map(given.unread);
    } catch (error) {
      answer.catch(() => undefined);
      if (former.alive) throw error;
      await former.exited;
      return undefined;
    }
  }

  async #resume(former: Program, turn: number): Promise<void> {
    const resumed = former.waitFor(['resumed'], this.#settings.stopTimeout, 'resume', turn);
    former.send({ type: 'resume', turn });
    try {
      await resumed;
      this.#relay.resume(former);
    } catch {
      // It neither goes on nor ends: what is saved is all there is.
      await former.kill();
    }
  }

  #serve(next: Program, unread: ReadonlyMap<string, Uint8Array>): void {
    const former = this.#current;
    this.#current = next;
    this.#servingSince = performance.now();
    next.send({ type: 'serve' });
    this.#relay.serve(next, unread);
    next.exited.then((exit) => this.#ended(next, exit));
    if (former === undefined) return;
    former.send({ type: 'retire' });
    const retiring = former.end(this.#settings.stopTimeout).finally(() => this.#retiring.delete(retiring));
    this.#retiring.add(retiring);
  }

  readonly #onMessage = (message: ToSupervisor, from: Program): void => {
    switch (message.type) {
      case 'read':
      case 'write':
      case 'finish':
      case 'destroy':
        this.#relay.handle(from as { send(message: ConnectionMessage): void }, message);
    }
  };

  #ended(program: Program, exit: Exit): void {
    if (this.#current !== program) return;
    this.#current = undefined;
    if (this.#stopping !== undefined) return;
    // What it has handed over is not lost with it.
    if (!this.#handedOver) this.#relay.abandon(this.#settings.keepAfterCrash);
    if (performance.now() - this.#servingSince >= this.#settings.backOff.resetAfter) this.#crashes = 0;
    const error = program.failure(`ended ${describe(exit)}`);
    // While the next one is on its way, there is none to start.
    const delay = this.#next === undefined ? this.#recover() : 0;
    const crash: Crash = { ...exit, generation: program.generation, error, delay };
    if (!this.emit('crashed', crash)) process.emitWarning(error);
  }

  /** Starts another generation after a while; answers how many milliseconds. */
  #recover(): number {
    if (this.#stopping !== undefined) return 0;
    const { initial, maximum } = this.#settings.backOff;
    const delay = Math.min(initial * 2 ** this.#crashes, maximum);
    this.#crashes++;
    clearTimeout(this.#recovery);
    this.#recovery = setTimeout(() => this.#restartUnasked(), delay);
    return delay;
  }

  #checkRunning(): void {
    if (this.#stopping !== undefined) throw new ClosedError('the supervisor is stopped; make another one to go on');
  }

  /** Lets the generation hand over and end, and closes all connections. No process is left then. Doing so again changes nothing. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    const { stopTimeout } = this.#settings;
    for (const undo of this.#undo.splice(0)) undo();
    clearTimeout(this.#recovery);
    this.#relay.stopListening();
    // Not before it is known that this stops.
    await Promise.resolve();
    await this.#next?.kill();
    await this.#work;
    const current = this.#current;
    if (current?.alive) {
      // A tenth is left for it to close and end.
      current.send({ type: 'stop', within: Math.ceil(stopTimeout * 0.9) });
      await current.end(stopTimeout);
    }
    await Promise.all(this.#retiring);
    await this.#relay.close(Math.min(stopTimeout, 1000));
    this.emit('stopped');
  }

  /** The same as `stop`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

/** Removes what was handed over to a generation that has failed, so that nobody takes what is older than what is saved by then. */
async function removeHandOver(path: string, pid: number | undefined): Promise<void> {
  await rm(path, { force: true });
  const folder = dirname(path);
  const names = await readdir(folder).catch(() => []);
  const taken = names.filter((name) => name.startsWith(`${basename(path)}.taken-${pid}-`));
  for (const name of taken) await rm(join(folder, name), { force: true });
}
