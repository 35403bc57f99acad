import { unlink } from 'node:fs/promises';
import type { AddressInfo, ListenOptions } from 'node:net';
import { resolve } from 'node:path';
import { checkOptions } from '../backend/checks.js';
import { type Duration, toMilliseconds } from '../backend/duration.js';
import { ClosedError, HandOverError, InvalidArgumentError, ReloadError } from '../errors.js';
import { Service, type TakeOverOptions, type TakeOverReport } from '../model/service.js';
import { show } from '../show.js';
import { type ConnectionHandler, type Connections, connections } from './connections.js';
import { GENERATION_VARIABLE, SUPERVISOR_VARIABLE, type ToGeneration, type ToSupervisor } from './messages.js';
import { Relay } from './relay.js';

/** Options of {@link joinSupervisor}. */
export interface GenerationOptions {
  /** The file for what one generation leaves to the next; on the same machine, in a folder that nobody else may write to. */
  readonly handOver: string;
  /** How old the file may be; 5 minutes by default. See `Service.takeOver`. */
  readonly maxAge?: Duration | undefined;
  /**
   * Stops what changes objects by itself, such as timers, and waits for what is under way: the next generation gets what is there afterwards. Connections are read no
   * more by then.
   */
  readonly pause?: (() => unknown) | undefined;
  /** Goes on after a `pause`, since the next generation failed. */
  readonly resume?: (() => unknown) | undefined;
  /** Closes what this generation has opened; its process ends afterwards. The service is closed by then: what is to be saved at the end is saved in `pause`. */
  readonly stop?: (() => unknown) | undefined;
}

/** How long a process without a supervisor waits for what is under way before it ends, in milliseconds. */
const ALONE = 10_000;

/**
 * Joins the supervisor of this process, and takes over what the former generation left: call it once all classes are declared, and `ready` once the program can serve.
 *
 * Without a supervisor it takes over what the last process left, and on SIGTERM or SIGINT hands over, closes the service and lets the signal end the process, so
 * that `node --watch`, or a normal restart, carries on as well.
 *
 * @throws CorruptDataError, MigrationError for objects that do not fit their classes
 * @example
 * const generation = await joinSupervisor(service, { handOver: 'data/hand-over' });
 * generation.serve(async (connection) => {
 *   for await (const line of connection.lines()) connection.write(`you said ${line}\n`);
 * });
 * await generation.ready();
 */
export async function joinSupervisor(service: Service, options: GenerationOptions): Promise<Generation> {
  const generation = new Generation(service, options);
  await generation.join();
  return generation;
}

/** Whether this process was started by a supervisor, and not by something that one started. */
function supervised(): boolean {
  return process.send !== undefined && process.env[SUPERVISOR_VARIABLE] === String(process.ppid);
}

/** One process of a program, as it sees itself. */
export class Generation {
  static #joined = false;

  /** Which generation it is, from 1; 1 without a supervisor. */
  readonly number: number;
  /** Whether there is a supervisor. */
  readonly supervised: boolean;
  readonly #service: Service;
  readonly #options: GenerationOptions;
  readonly #takeOverOptions: TakeOverOptions;
  readonly #path: string;
  readonly #relay: Relay | undefined;
  readonly #connections: Connections = connections;
  #ports: readonly number[] = [];
  #state: 'joining' | 'serving' | 'paused' | 'ending' = 'joining';
  #transition: Promise<void> = Promise.resolve();
  #cancel = new AbortController();
  #takenOver: TakeOverReport | undefined;
  #handedOver: string | undefined;
  #hooksPaused = false;
  #takeOver: ((handedOver: boolean) => void) | undefined;
  #serve: (() => void) | undefined;

  /** Made by `joinSupervisor`. */
  constructor(service: Service, options: GenerationOptions) {
    if (!(service instanceof Service)) {
      throw new InvalidArgumentError(`joinSupervisor: service must be a Service; got ${show(service)}`);
    }
    checkOptions(options, ['handOver', 'maxAge', 'pause', 'resume', 'stop'], 'joinSupervisor');
    const { handOver, maxAge } = options;
    if (typeof handOver !== 'string' || handOver === '') {
      throw new InvalidArgumentError(`joinSupervisor: handOver must be the path of a file; got ${show(handOver)}`);
    }
    if (maxAge !== undefined) toMilliseconds(maxAge, 'maxAge');
    for (const name of ['pause', 'resume', 'stop'] as const) {
      if (options[name] === undefined || typeof options[name] === 'function') continue;
      throw new InvalidArgumentError(`joinSupervisor: ${name} must be a function; got ${show(options[name])}`);
    }
    if (Generation.#joined) throw new ReloadError('this process has joined already; it can once');
    Generation.#joined = true;
    this.#service = service;
    this.#options = options;
    this.#takeOverOptions = { maxAge };
    this.#path = resolve(handOver);
    this.supervised = supervised();
    this.number = this.supervised ? Number(process.env[GENERATION_VARIABLE]) : 1;
    const limits = { maximumConnections: 10_000, maximumUnsent: 16 * 1024 * 1024 };
    this.#relay = this.supervised ? undefined : new Relay(limits);
    // What this process starts is not supervised.
    delete process.env[SUPERVISOR_VARIABLE];
    delete process.env[GENERATION_VARIABLE];
  }

  /** What was taken over; `undefined` where there was nothing. See `Service.takeOver`. */
  get takenOver(): TakeOverReport | undefined {
    return this.#takenOver;
  }

  /** The connections there are. */
  get connections(): Connections {
    return this.#connections;
  }

  /** The ports on which connections arrive. */
  get ports(): readonly number[] {
    return this.#relay?.ports ?? this.#ports;
  }

  /** Takes over; for keepsake itself. */
  async join(): Promise<void> {
    const expected = this.supervised ? await this.#meet() : this.#fendForItself();
    this.#takenOver = await this.#service.takeOver(this.#path, this.#takeOverOptions);
    // The former generation still has its objects, and rather goes on than lets them be lost.
    if (!expected || this.#takenOver?.report !== undefined) return;
    throw this.#takenOver?.error ?? new HandOverError(`nothing was handed over at ${this.#path}`);
  }

  /** Answers whether there is something to take over. */
  async #meet(): Promise<boolean> {
    this.#connections.attach((request) => this.#tell(request));
    process.on('message', (message: ToGeneration) => this.#receive(message));
    process.on('disconnect', () => this.#orphaned());
    // A terminal sends them to every process in it; the supervisor says what to do.
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);
    const asked = new Promise<boolean>((resolve) => {
      this.#takeOver = resolve;
    });
    this.#tell({ type: 'loaded', path: this.#path });
    return asked;
  }

  #fendForItself(): boolean {
    const relay = this.#relay as Relay;
    const peer = { send: (message: Parameters<Connections['receive']>[0]) => this.#connections.receive(message) };
    this.#connections.attach((request) => relay.handle(peer, request));
    relay.resume(peer);
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.once(signal, () => {
        this.#end(ALONE).finally(() => process.kill(process.pid, signal));
      });
    }
    return false;
  }

  /**
   * Listens where no supervisor does, so that a program also runs by itself. Under a supervisor it does nothing: what listens is `Supervisor.listen`.
   * @returns the address; `undefined` under a supervisor
   */
  async listen(options: ListenOptions): Promise<AddressInfo | string | undefined> {
    return this.#relay?.listen(options);
  }

  /**
   * Sets who deals with connections: those that were taken over, and those to come. A handler that waits for something else than the next of what arrives holds up the
   * change of generations; when it returns, the connection is ended.
   */
  serve(handler: ConnectionHandler): void {
    if (typeof handler !== 'function') {
      throw new InvalidArgumentError(`serve: handler must be a function; got ${show(handler)}`);
    }
    this.#connections.serve(handler);
  }

  /**
   * Does something while nothing that arrived on a connection is being dealt with, such as a reload of the classes: `generation.quiet(() => service.reload(…))`. What arrives
   * meanwhile waits. Not to be called, and waited for, by what deals with a connection.
   */
  async quiet<T>(work: () => T | PromiseLike<T>): Promise<T> {
    const done = this.#transition.then(async () => {
      if (this.#state !== 'serving') throw new ReloadError('this generation does not serve');
      try {
        await this.#connections.quiesce(new AbortController().signal);
        return await work();
      } finally {
        this.#connections.release();
      }
    });
    this.#transition = done.then(
      () => undefined,
      () => undefined,
    );
    return done;
  }

  /** Says that the program can serve. Resolves when it does; the former generation goes then. What was written to connections before is sent now. */
  async ready(): Promise<void> {
    if (this.#state !== 'joining') return;
    if (this.supervised) {
      await new Promise<void>((resolve) => {
        this.#serve = resolve;
        this.#tell({ type: 'ready' });
      });
    } else {
      this.#begin();
    }
  }

  #begin(): void {
    this.#state = 'serving';
    this.#connections.release();
  }

  #tell(message: ToSupervisor): void {
    // With a callback it does not throw when the supervisor is gone, which 'disconnect' tells.
    if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
  }

  #receive(message: ToGeneration): void {
    switch (message.type) {
      case 'takeOver':
        this.#connections.inherit(message.connections);
        this.#ports = message.ports;
        this.#takeOver?.(message.handedOver);
        return;
      case 'serve':
        this.#begin();
        this.#serve?.();
        return;
      case 'pause':
        this.#inTurn(() => this.#pause(message.turn, message.path));
        return;
      case 'resume':
        this.#cancel.abort(new ClosedError('the next generation failed'));
        this.#inTurn(() => this.#resume(message.turn));
        return;
      case 'retire':
        this.#inTurn(() => this.#retire());
        return;
      case 'stop':
        this.#inTurn(() => this.#stop(message.within));
        return;
      default:
        this.#connections.receive(message);
    }
  }

  #inTurn(work: () => Promise<void>): void {
    this.#transition = this.#transition.then(work);
  }

  async #pause(turn: number, path: string): Promise<void> {
    this.#cancel = new AbortController();
    try {
      await this.#handOver(path, this.#cancel.signal);
      this.#cancel.signal.throwIfAborted();
      this.#tell({ type: 'paused', turn, unread: this.#connections.unread() });
    } catch (error) {
      const reason = error instanceof Error ? (error.stack ?? error.message) : show(error);
      this.#tell({ type: 'refused', turn, reason });
    }
  }

  async #handOver(path: string, signal: AbortSignal): Promise<void> {
    this.#state = 'paused';
    this.#handedOver = path;
    const impatient = setTimeout(() => this.#connections.dropSlow(), ALONE / 4);
    try {
      await this.#connections.quiesce(signal);
    } finally {
      clearTimeout(impatient);
    }
    signal.throwIfAborted();
    this.#hooksPaused = true;
    await this.#options.pause?.();
    signal.throwIfAborted();
    await this.#service.suspend();
    // From here on nothing that happens in this process leaves it, unless it resumes.
    this.#connections.hold();
    await this.#service.handOver(path);
  }

  async #resume(turn: number): Promise<void> {
    if (this.#state === 'paused') {
      // First of all: nobody may take over what is older than what is saved from now on.
      if (this.#handedOver !== undefined) await unlink(this.#handedOver).catch(ignoreMissing);
      this.#service.resume();
      if (this.#hooksPaused) await this.#options.resume?.();
      this.#hooksPaused = false;
      this.#begin();
    }
    this.#tell({ type: 'resumed', turn });
  }

  async #retire(): Promise<void> {
    this.#state = 'ending';
    try {
      // A save that waits to go on never will.
      await this.#service.close();
      await this.#options.stop?.();
    } finally {
      process.exit();
    }
  }

  async #stop(within: number): Promise<void> {
    await this.#end(within);
    await new Promise<void>((resolve) => {
      if (process.connected) process.send?.({ type: 'stopped' }, undefined, undefined, () => resolve());
      else resolve();
    });
    process.exit();
  }

  /** The supervisor is gone. */
  #orphaned(): void {
    if (this.#state === 'ending') return;
    if (this.#state === 'joining') process.exit(1);
    this.#inTurn(async () => {
      // What has handed over has nothing that is not in the file.
      if (this.#state === 'serving') await this.#end(ALONE);
      process.exit(1);
    });
    setTimeout(() => process.exit(1), 2 * ALONE).unref();
  }

  /** Hands over to a process to come, and closes everything. */
  async #end(within: number): Promise<void> {
    const cancel = new AbortController();
    // Rather a line that is dealt with in half than sessions that are lost.
    const timer = setTimeout(() => cancel.abort(), within / 2);
    this.#relay?.stopListening();
    try {
      if (this.#state === 'serving') {
        await this.#connections.quiesce(cancel.signal).catch(() => undefined);
        await this.#options.pause?.();
        await this.#service.suspend();
        this.#state = 'ending';
        await this.#service.handOver(this.#path);
      }
      await this.#service.close();
      await this.#options.stop?.();
      await this.#relay?.close(1000);
    } catch (error) {
      process.emitWarning(error instanceof Error ? error : show(error));
    } finally {
      clearTimeout(timer);
    }
  }
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}
