import { EventEmitter } from 'node:events';
import { resolve } from 'node:path';
import { Backend } from '../backend/backend.js';
import { checkSignal } from '../backend/bounded.js';
import { checkOnCorrupt, checkOptions } from '../backend/checks.js';
import { type Clock, type Duration, toMilliseconds } from '../backend/duration.js';
import type { BackendOptions, OnCorrupt, SignalOption } from '../backend/options.js';
import {
  ClosedError,
  CorruptDataError,
  DeclarationError,
  DecryptError,
  DuplicateNameError,
  HandOverError,
  InvalidArgumentError,
  isKeepsakeError,
  type KeepsakeError,
  MigrationError,
  ReloadError,
} from '../errors.js';
import { openBackend } from '../registry/open.js';
import { show } from '../show.js';
import { declare } from './declare.js';
import { type Document, documents } from './documents.js';
import type { FieldDecorator } from './field.js';
import { Follower } from './follow.js';
import { type Followed, Following } from './following.js';
import type { Dropped } from './frozen.js';
import { Taken, writeHandOver } from './hand-over.js';
import type { Model, ModelOptions, StoreClass } from './model.js';
import { ReadOnlyMap } from './read-only-map.js';
import { type Aside, Declarations, Exchange, type ReloadOptions, type ReloadReport } from './reload.js';
import { deserialise, type Serialised, serialise } from './serialised.js';
import type { Store } from './store.js';

/** Options of a {@link Service}. */
export interface ServiceOptions {
  /**
   * Where objects are kept: a folder such as `'./data'`, a URL such as `'file:./data?durability=none'`, or a backend. What is opened here is
   * closed by `close`; a backend that was passed in stays open.
   */
  readonly backend: string | URL | Backend<never> | Backend<unknown> | Backend<Uint8Array>;
  /**
   * What listings do with a saved object that cannot be read. `'report'` (the default) leaves it out, emits `'corrupt'`, and a process warning
   * where nobody listens; `'throw'` rejects; `'quarantine'` moves it aside and reports it. `load` of its key rejects in any case.
   */
  readonly onCorrupt?: OnCorrupt | undefined;
  /** What the service is called: it takes over from one of the same name alone. By default where its objects are kept. */
  readonly name?: string | undefined;
}

/** Options of {@link Service.takeOver}. */
export interface TakeOverOptions {
  /** How old the file may be; 5 minutes by default. */
  readonly maxAge?: Duration | undefined;
  /** The time; `Date.now` by default. */
  readonly clock?: Clock | undefined;
}

/** What {@link Service.takeOver} came to. */
export interface TakeOverReport {
  /** What was restored. */
  readonly report?: ReloadReport;
  /** Why the file was set aside. */
  readonly error?: HandOverError;
}

/** Options of {@link Service.register}. */
export interface RegisterOptions extends ModelOptions {
  /** The fields by name: `{ name: Field(), client: SessionField() }`. */
  readonly fields?: { readonly [name: string]: FieldDecorator<never, never> | FieldDecorator } | undefined;
}

/** The events of a service. */
export interface ServiceEvents {
  /** A listing left out a saved object that cannot be read. */
  corrupt: [error: KeepsakeError];
  /** Somebody else changed a saved object of a class that is followed; see `Manager.follow`. */
  followed: [change: Followed];
  /** A class is followed no more, for this reason. */
  unfollowed: [error: Error, store: string];
  /** A reload begins. What a listener throws makes it fail. */
  reloading: [];
  /** A reload has ended well. */
  reloaded: [report: ReloadReport];
}

/**
 * Owns Store classes and says where their objects are kept.
 *
 * @example
 * const service = new Service({ backend: './data' });
 */
export class Service extends EventEmitter<ServiceEvents> implements AsyncDisposable {
  static {
    // Known to other copies of the package, which can then say what is wrong.
    Object.defineProperty(this.prototype, Symbol.for('keepsake.Service'), { value: true });
  }

  readonly #options: ServiceOptions;
  #declared = new Declarations();
  /** What is declared while a reload loads. */
  #loading: Declarations | undefined;
  readonly #aside: Aside = new Map();
  readonly #documents = new Map<string, Promise<Backend<Document>>>();
  readonly #underWay = new Set<Promise<unknown>>();
  readonly #followers = new Map<string, Follower>();
  #backend: Promise<Backend<never>> | undefined;
  #closing: Promise<void> | undefined;
  /** What saves and loads wait for while the service is suspended. */
  #suspension: Suspension | undefined;

  constructor(options: ServiceOptions) {
    super();
    checkOptions(options, ['backend', 'onCorrupt', 'name'], 'Service');
    checkOnCorrupt(options.onCorrupt);
    const backend: unknown = options.backend;
    const isPlace = (typeof backend === 'string' && backend !== '') || backend instanceof URL;
    if (!isPlace && !(backend instanceof Backend)) {
      throw new InvalidArgumentError(`Service: backend must be a folder, a URL or a Backend; got ${show(backend)}`);
    }
    if (options.name !== undefined && (typeof options.name !== 'string' || options.name === '')) {
      throw new InvalidArgumentError(`Service: name must be text; got ${show(options.name)}`);
    }
    this.#options = options;
  }

  /** The registered classes by name. */
  get stores(): ReadonlyMap<string, StoreClass> {
    return new ReadOnlyMap(this.#declared.classes);
  }

  /**
   * Registers a class without decorators. Use the class that it returns.
   * @example
   * const User = service.register(class User extends Store { name = ''; }, { fields: { name: Field() } });
   * @throws DeclarationError, DuplicateNameError, ReservedNameError for what is wrong with the class
   */
  register<C extends abstract new (key: string) => Store>(target: C, options: RegisterOptions = {}): C {
    return declare(this, target as unknown as StoreClass, options) as unknown as C;
  }

  /**
   * Puts new versions of the classes in the place of the present ones, with all objects. While `load` runs, the present classes go on; what it declares may
   * have the same names. When it has ended, every active object is taken apart and put together again by its new class, at one moment: its saved fields by their
   * forms, its session fields as they are (see `FieldType.serialise`), saves under way and queued go on. Objects of before are of no use afterwards: they
   * reject with a `RetiredError`.
   *
   * Whatever fails, in loading, declaring or restoring: everything is as before, and the error is thrown.
   *
   * @param load loads the new modules, such as `() => import('./models.js?' + version)`
   * @throws ReloadError while another reload is under way, and where `vanished: 'refuse'` says so
   * @throws EncodeError for an object with a value that cannot be saved
   */
  async reload(load: () => unknown, options: ReloadOptions = {}): Promise<ReloadReport> {
    this.checkOpen('reload');
    checkOptions(options, ['partial', 'vanished'], 'reload');
    if (typeof load !== 'function') {
      throw new InvalidArgumentError(`reload: load must be a function that loads the new modules; got ${show(load)}`);
    }
    if (![undefined, 'keep', 'refuse'].includes(options.vanished)) {
      throw new InvalidArgumentError(`reload: vanished must be 'keep' or 'refuse'; got ${show(options.vanished)}`);
    }
    if (this.#loading !== undefined) throw new ReloadError('a reload is under way; reload again when it has ended');
    const loading = new Declarations();
    this.#loading = loading;
    try {
      this.emit('reloading');
      await load();
      const exchange = new Exchange(this.#declared, loading, options, this.#aside);
      const report = exchange.run();
      this.#declared = exchange.next;
      this.#loading = undefined;
      this.emit('reloaded', report);
      return report;
    } catch (error) {
      if (this.#loading === loading) for (const model of loading.all) model.retired = true;
      throw error;
    } finally {
      this.#loading = undefined;
    }
  }

  /**
   * All active objects, session fields included, as JSON carries them: taken at one moment. What has no form is left out and named in
   * `dropped`.
   * @throws EncodeError for an object with a value of a saved field that cannot be saved
   */
  serialise(): Serialised {
    return serialise(this.#declared, this.#aside);
  }

  /**
   * Puts objects together from what `serialise` gave, here or in another process: new ones become active, those that are active get its values. All or, when
   * something does not fit, none.
   * @throws CorruptDataError for what `serialise` did not give, and for forms that do not fit
   */
  deserialise(serialised: Serialised): ReloadReport {
    this.checkOpen('deserialise');
    return deserialise(serialised, this.#declared, this.#aside);
  }

  /**
   * Leaves all active objects, session fields included, in a file for the next process to take over: once all saves under way have ended, synced, in one
   * step, readable by this user alone. This service goes on.
   * @returns the session values that have no form, and are left behind
   * @throws StorageError where it cannot be written
   */
  async handOver(path: string): Promise<{ readonly dropped: readonly Dropped[] }> {
    this.checkOpen('handOver');
    // While it is suspended no save is under way, and those that wait do so until it goes on.
    if (this.#suspension === undefined) await this.flush();
    const serialised = this.serialise();
    await writeHandOver(path, serialised, this.#name, Date.now());
    for (const one of serialised.dropped) {
      const what = `${one.store} ${show(one.key)}: ${one.field} is not handed over: ${one.reason}`;
      process.emitWarning(what, { type: 'KeepsakeWarning', code: 'KEEPSAKE_HAND_OVER' });
    }
    return { dropped: serialised.dropped };
  }

  /**
   * Takes over what `handOver` left, if anything: at most one process gets it. A file that is damaged, too old, or of another service or user is set aside;
   * `error` says so then, as does the event `'corrupt'`, and the service starts from what is saved.
   * @returns `undefined` where there is nothing to take
   * @throws CorruptDataError, MigrationError for objects that do not fit their classes: nothing is changed, and the file is back for the next process
   */
  async takeOver(path: string, options: TakeOverOptions = {}): Promise<TakeOverReport | undefined> {
    this.checkOpen('takeOver');
    checkOptions(options, ['maxAge', 'clock'], 'takeOver');
    const { maxAge = 5 * 60_000, clock = Date.now } = options;
    const longest = toMilliseconds(maxAge, 'maxAge');
    const taken = await Taken.take(path);
    if (taken === undefined) return undefined;
    let serialised: Serialised;
    try {
      serialised = await taken.read(this.#name, longest, clock());
    } catch (error) {
      const aside = await taken.setAside(clock());
      const refused =
        error instanceof HandOverError ? error : new HandOverError(`${path} is not taken over`, { path, cause: error });
      refused.message += ` (moved to ${aside})`;
      this.#report(refused);
      return { error: refused };
    }
    let report: ReloadReport;
    try {
      report = this.deserialise(serialised);
    } catch (error) {
      await taken.giveBack();
      throw error;
    }
    await taken.end();
    return { report };
  }

  /**
   * Waits for every save and delete under way. Those that begin afterwards, and loads, wait until `resume`: nothing is written meanwhile. What the service
   * opened is closed, so that another process can have it, unless it is kept in memory alone; reads under way may reject with a `ClosedError` then. `close`
   * makes what waits reject.
   *
   * With `handOver` afterwards, the next process has all that was ever acknowledged, while this one can still go on.
   * @throws ReloadError for a service that is suspended already
   */
  async suspend(): Promise<void> {
    this.checkOpen('suspend');
    if (this.#suspension !== undefined) throw new ReloadError('the service is suspended already; resume it first');
    // Not `flush`: between the last save and the suspension nothing may begin.
    while (this.#underWay.size > 0) await Promise.allSettled(this.#underWay);
    this.#suspension = new Suspension();
    if (this.#options.backend instanceof Backend) return;
    const backend = await this.#backend?.catch(() => undefined);
    if (backend?.capabilities.persistent !== true) return;
    this.#backend = undefined;
    this.#documents.clear();
    await backend.close();
  }

  /** Lets a suspended service go on, with all that waited. Does nothing for one that is not. */
  resume(): void {
    const suspension = this.#suspension;
    this.#suspension = undefined;
    suspension?.end();
  }

  /** What the service is called. */
  get #name(): string {
    const { name, backend } = this.#options;
    if (name !== undefined) return name;
    if (backend instanceof Backend) return backend.name;
    const place = String(backend);
    if (!/^[A-Za-z][A-Za-z0-9+.-]+:/.test(place)) return resolve(place);
    // A password is nobody's name.
    return place.replace(/\/\/[^@/]*@/, '//');
  }

  /**
   * Keeps the active objects of all classes that there are in step with what others save; see `Manager.follow`.
   * @throws UnsupportedError where the backend cannot be watched
   */
  async follow({ signal }: SignalOption = {}): Promise<Following> {
    this.checkOpen('follow');
    checkSignal(signal, 'follow');
    signal?.throwIfAborted();
    const names = this.#declared.all.filter(({ temporary }) => !temporary).map(({ name }) => name);
    const started = await Promise.allSettled(names.map((name) => this.followNamed(name, signal)));
    const stop = async () => {
      for (const one of started) if (one.status === 'fulfilled') await one.value.stop();
    };
    const failed = started.find((one) => one.status === 'rejected');
    if (failed === undefined) return new Following(stop, signal);
    await stop();
    throw failed.reason;
  }

  /** Follows the class of a name, together with others who do; for keepsake itself. */
  followNamed(name: string, signal: AbortSignal | undefined): Promise<Following> {
    this.checkOpen('follow');
    let follower = this.#followers.get(name);
    if (follower === undefined) {
      const made = new Follower(this, name, () => {
        if (this.#followers.get(name) === made) this.#followers.delete(name);
      });
      this.#followers.set(name, made);
      follower = made;
    }
    return follower.use(signal);
  }

  /** Who follows the class of a name; for keepsake itself. */
  followerOf(name: string): Follower | undefined {
    return this.#followers.get(name);
  }

  /** Tells of a change that somebody else made; for keepsake itself. */
  tellFollowed(change: Followed): void {
    if (this.#tell('followed', change) || change.outcome !== 'conflict') return;
    const what = change.type === 'delete' ? 'deleted' : 'changed';
    const message = `${change.store} ${show(change.key)} was ${what} by somebody else, and has unsaved changes here; load() it, or save() over it`;
    process.emitWarning(message, { type: 'KeepsakeWarning', code: 'KEEPSAKE_CONFLICT' });
  }

  /** Tells that a class is followed no more; for keepsake itself. */
  unfollow(reason: unknown, name: string): void {
    const error = reason instanceof Error ? reason : new Error(String(reason));
    if (this.#tell('unfollowed', error, name)) return;
    const message = `${name} is followed no more: ${error.message}`;
    process.emitWarning(message, { type: 'KeepsakeWarning', code: isKeepsakeError(error) ? error.code : undefined });
  }

  /** Tells of a saved object that cannot be read; for keepsake itself. */
  reportUnreadable(error: KeepsakeError): void {
    try {
      this.#report(error);
    } catch (thrown) {
      process.emitWarning(thrown instanceof Error ? thrown : String(thrown));
    }
  }

  /** Emits, where nobody is there to whom a listener could throw; whether anybody listens. */
  #tell<E extends 'followed' | 'unfollowed'>(event: E, ...told: ServiceEvents[E]): boolean {
    try {
      return (this as EventEmitter).emit(event, ...told);
    } catch (thrown) {
      process.emitWarning(thrown instanceof Error ? thrown : String(thrown));
      return true;
    }
  }

  /** Opens the backend now, rather than at the first load or save. */
  async open(): Promise<this> {
    await (await this.#open()).open();
    return this;
  }

  /** Waits for every save and delete under way. Those that fail reject where they were called. */
  async flush(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.allSettled(this.#underWay);
  }

  /** Waits for every save under way, and closes what this service opened. Doing so again changes nothing. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** The same as `close`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /**
   * Closes the service when the process gets one of the signals (by default SIGTERM and SIGINT), then lets the signal end the process.
   * @returns a function that undoes this
   */
  closeOn(...signals: NodeJS.Signals[]): () => void {
    const names: NodeJS.Signals[] = signals.length === 0 ? ['SIGTERM', 'SIGINT'] : signals;
    const onSignal = (signal: NodeJS.Signals): void => {
      this.close()
        .catch((error: unknown) => process.emitWarning(error instanceof Error ? error : String(error)))
        .finally(() => {
          undo();
          process.kill(process.pid, signal);
        });
    };
    const undo = (): void => {
      for (const name of names) process.removeListener(name, onSignal);
    };
    for (const name of names) process.on(name, onSignal);
    return undo;
  }

  async #close(): Promise<void> {
    this.#suspension?.end(new ClosedError('the service was closed while it was suspended'));
    await Promise.all([...this.#followers.values()].map((follower) => follower.stop()));
    await this.flush();
    if (this.#options.backend instanceof Backend) return;
    const backend = await this.#backend?.catch(() => undefined);
    await backend?.close();
  }

  /**
   * Checks that nobody has closed the service; for keepsake itself.
   * @throws ClosedError
   */
  checkOpen(operation?: string): void {
    if (this.#closing !== undefined) {
      throw new ClosedError('the service is closed; make another one to go on', { operation });
    }
  }

  async #open(): Promise<Backend<never>> {
    this.checkOpen();
    this.#backend ??= this.#connect().catch((error: unknown) => {
      this.#backend = undefined;
      throw error;
    });
    return this.#backend;
  }

  async #connect(): Promise<Backend<never>> {
    const { backend } = this.#options;
    if (backend instanceof Backend) return backend as Backend<never>;
    return openBackend<never>(String(backend), { extension: '.json' });
  }

  /** The class of a name, as it is now; for keepsake itself. */
  modelOf(name: string): Model | undefined {
    return this.#declared.model(name);
  }

  /** Where the documents of a class are kept; for keepsake itself. */
  documentsOf(name: string): Promise<Backend<Document>> {
    if (this.#closing !== undefined) return this.#open() as Promise<never>;
    if (this.#suspension !== undefined) return this.#suspension.ended.then(() => this.documentsOf(name));
    let opened = this.#documents.get(name);
    if (opened === undefined) {
      const { onCorrupt } = this.#options;
      const options: BackendOptions = { onCorrupt, report: (error) => this.#report(error) };
      opened = this.#open().then((backend) => documents(backend.namespace(name), options));
      this.#documents.set(name, opened);
      opened.catch(() => this.#documents.delete(name));
    }
    return opened;
  }

  /** Deals with a document that a listing met and cannot read, by `onCorrupt`; for keepsake itself. */
  async leaveOut(error: unknown, key: string, documents: Backend<Document>): Promise<undefined> {
    const { onCorrupt } = this.#options;
    // What a newer version saved, or what is encrypted with another key, is not damaged.
    const isWhole = error instanceof MigrationError || error instanceof DecryptError;
    if ((!isWhole && !(error instanceof CorruptDataError)) || onCorrupt === 'throw') throw error;
    const place = onCorrupt === 'quarantine' && !isWhole ? await documents.driver.setAside?.(key) : undefined;
    if (place === undefined) this.#report(error);
    else this.#report(new CorruptDataError(`${error.message} (moved to ${place})`, { key, path: place, cause: error }));
  }

  #report(error: KeepsakeError): void {
    if (this.emit('corrupt', error)) return;
    process.emitWarning(error.message, { type: 'KeepsakeWarning', code: error.code });
  }

  /** Lets `flush` wait for some work; for keepsake itself. */
  async track<T>(work: Promise<T>): Promise<T> {
    this.#underWay.add(work);
    try {
      return await work;
    } finally {
      this.#underWay.delete(work);
    }
  }

  /** Takes up a model; for keepsake itself. */
  adopt(model: Model<never>, storeClass: StoreClass): void {
    this.checkFree(model.name, model.className);
    if (this.#closing !== undefined) throw new DeclarationError(`${model.className}: the service is closed`);
    const declarations = this.#loading ?? this.#declared;
    declarations.models.set(model.name, model);
    declarations.classes.set(model.name, storeClass);
  }

  /**
   * Checks that a name is free; for keepsake itself.
   * @throws DuplicateNameError
   */
  checkFree(name: string, className: string): void {
    const other = (this.#loading ?? this.#declared).model(name);
    if (other === undefined) return;
    throw new DuplicateNameError(
      `${className}: the name ${show(name)} is taken in this service by ${other.className}; give one of them another by { name: '…' }`,
    );
  }
}

/** A time in which nothing is read or written. */
class Suspension {
  readonly ended: Promise<void>;
  /** Lets what waits go on, or with an error fail. */
  end: (error?: Error) => void = () => undefined;

  constructor() {
    this.ended = new Promise((resolve, reject) => {
      this.end = (error) => (error === undefined ? resolve() : reject(error));
    });
    this.ended.catch(() => undefined);
  }
}
