import { Backend } from '../../backend/backend.js';
import { Cache } from '../../cache/cache.js';
import { ClosedError } from '../../errors.js';
import { requestDirectives } from '../cache-control.js';
import { openCodec } from './codecs.js';
import { type CheckedConfiguration, configure } from './configuration.js';
import { engineOf, openEngine } from './engine.js';
import { HandlerCache } from './handler-cache.js';
import type { CacheSource } from './options.js';

const NAMESPACE = 'cache';

/** The cache of one application: its configuration is read and checked once, its backend opened by the first use, and closed in the end. */
export class ApplicationCache {
  /** For use outside of requests. */
  readonly cache: HandlerCache;
  readonly #report: ((error: unknown, key: string) => void) | undefined;
  readonly #ready: Promise<CheckedConfiguration> | undefined;
  #configuration: CheckedConfiguration | undefined;
  #opened: Cache<unknown> | undefined;
  #opening: Promise<Cache<unknown>> | undefined;
  #closing: Promise<void> | undefined;
  /** What was opened here, and is to be closed. */
  #own: Backend | undefined;

  /** @throws ConfigurationError where the configuration is there at once, and wrong; otherwise `ready` rejects */
  constructor(source: CacheSource | undefined, report?: (error: unknown, key: string) => void) {
    const configured = configure(source);
    this.#report = report;
    this.cache = new HandlerCache(() => this.#opened ?? this.#open());
    if (configured instanceof Promise) {
      this.#ready = configured.then((configuration) => {
        this.#configuration = configuration;
        return configuration;
      });
      // Who needs it waits for it, and is told.
      this.#ready.catch(() => undefined);
    } else this.#configuration = configured;
  }

  /** Waits for the configuration. */
  ready(): Promise<unknown> | undefined {
    return this.#configuration === undefined ? this.#ready : undefined;
  }

  /** The cache for a request with these headers; `ready` must have been waited for. */
  of(cacheControl: string | undefined, pragma: string | undefined): HandlerCache {
    if (cacheControl === undefined && pragma === undefined) return this.cache;
    if (this.#configuration?.honourCacheControl !== true) return this.cache;
    return this.cache.heeding(requestDirectives(cacheControl, pragma));
  }

  /** Waits for what is under way, and closes what was opened here. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  #open(): Promise<Cache<unknown>> {
    if (this.#closing !== undefined) throw new ClosedError('the cache is closed, as is its application');
    this.#opening ??= this.#make().finally(() => {
      // A server that was down is asked again by the next call.
      this.#opening = undefined;
    });
    return this.#opening;
  }

  async #make(): Promise<Cache<unknown>> {
    const configuration = this.#configuration ?? ((await this.#ready) as CheckedConfiguration);
    const { backend, codec, ttl, namespace } = configuration;
    const coded = codec === undefined ? {} : { codec: await openCodec(codec) };
    this.#own = backend instanceof Backend ? undefined : await openEngine(engineOf(configuration));
    const root = (this.#own ?? backend) as Backend<unknown>;
    const within = namespace ?? (this.#own === undefined ? undefined : NAMESPACE);
    const options = { ttl: ttl * 1000, report: this.#report, ...coded };
    this.#opened = new Cache<unknown>(within === undefined ? root : root.namespace(within), options);
    return this.#opened;
  }

  async #close(): Promise<void> {
    await this.#opening?.catch(() => undefined);
    await this.#opened?.close();
    await this.#own?.close();
  }
}
