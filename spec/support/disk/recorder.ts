import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { isRecorded } from './effects.js';
import type { Identity } from './identity.js';
import type { Random } from './random.js';
import { type Call, type Functions, real, realFs, realPromises } from './real.js';
import { Scheduler } from './scheduler.js';
import type { Session } from './session.js';

/** Functions that change nothing; all others that are not recorded are refused. */
const READING = new Set(
  [
    'access',
    'exists',
    'fstat',
    'lstat',
    'opendir',
    'read',
    'readFile',
    'readdir',
    'readlink',
    'readv',
    'realpath',
    'stat',
  ]
    .flatMap((name) => [name, `${name}Sync`])
    .concat(['statfs', 'statfsSync', 'unwatchFile', 'watch', 'watchFile']),
);
const STATS = new Set(['fstatSync', 'lstatSync', 'statSync']);
/** Functions that are made of others, and recorded as these. */
const COMPOUND: ReadonlyMap<string, Call> = new Map<string, Call>([
  ['writeFile', (target, data, options) => writeWhole('w', target, data, options)],
  ['appendFile', (target, data, options) => writeWhole('a', target, data, options)],
]);

const functions = fs as unknown as Functions;
const now = performance.now;
const promises = fs.promises as unknown as Functions;

/**
 * Stands between the code under test and `node:fs`, and has written down what is done to a folder. Every call goes on to the real disk. Calls with a callback are made
 * one after the other, in an order that a seed decides, so that a trace can be had again.
 */
export class Recorder {
  readonly #identity: Identity;
  #session: Session | undefined;
  #scheduler: Scheduler | undefined;

  constructor(identity: Identity) {
    this.#identity = identity;
  }

  /** Takes the place of `node:fs`, in this thread, until `uninstall`. */
  install(): void {
    for (const [name, call] of Object.entries(real)) functions[name] = this.#replacement(name, call);
    for (const [name, call] of Object.entries(realPromises)) {
      if (!READING.has(name)) promises[name] = this.#refused(`promises.${name}`, call);
    }
    syncBuiltinESMExports();
    performance.now = () => this.#identity.now();
  }

  uninstall(): void {
    Object.assign(functions, real);
    Object.assign(promises, realPromises);
    performance.now = now;
    syncBuiltinESMExports();
  }

  /** Records from now on. */
  begin(session: Session, random: Random): void {
    this.#session = session;
    this.#scheduler = new Scheduler(random);
  }

  /** Records no more; what is done to the folder from now on nobody knows. */
  end(): void {
    this.#session = undefined;
  }

  #replacement(name: string, call: Call): Call {
    if (name === 'readFileSync') {
      return (...args) => this.#identity.tell(args[0], () => call(...args)) ?? call(...args);
    }
    if (STATS.has(name)) return (...args) => this.#identity.disguise(call(...args));
    const base = name.replace(/Sync$/, '');
    if (!isRecorded(base) && !COMPOUND.has(base) && !READING.has(name)) return this.#refused(name, call);
    if (base !== name) return READING.has(base) ? call : this.#now(base, call);
    // The callback of `exists` is told no error.
    return real[`${name}Sync`] === undefined || name === 'exists' ? call : this.#later(name, call);
  }

  #refused(name: string, call: Call): Call {
    return (...args) => {
      const session = this.#session;
      return session?.concerns(args) ? session.fail(name) : call(...args);
    };
  }

  #now(name: string, call: Call): Call {
    return (...args) => {
      const session = this.#session;
      if (!session?.concerns(args)) return call(...args);
      const compound = COMPOUND.get(name);
      if (compound !== undefined) return compound(...args);
      if (isRecursive(name, args)) return makeFolders(session, call, args);
      return session.complete(session.issue(name, args), call);
    };
  }

  #later(name: string, call: Call): Call {
    return (...all) => {
      const session = this.#session;
      const callback = all[all.length - 1];
      if (!session?.concerns(all) || typeof callback !== 'function') return call(...all);
      const args = all.slice(0, -1);
      const issued = isRecorded(name) && !isRecursive(name, args) ? session.issue(name, args) : undefined;
      this.#scheduler?.add(() => {
        let result: unknown;
        try {
          result = issued === undefined ? twin(functions, name)(...args) : session.complete(issued, twin(real, name));
        } catch (error) {
          return callback(error);
        }
        if (result === undefined) callback(null);
        else callback(null, result, args[1]);
      });
    };
  }
}

/** The function that does the same at once. */
function twin(of: Functions, name: string): Call {
  return of[`${name}Sync`] as Call;
}

function isRecursive(name: string, [, options]: readonly unknown[]): boolean {
  return (
    name === 'mkdir' &&
    typeof options === 'object' &&
    options !== null &&
    'recursive' in options &&
    options.recursive === true
  );
}

function makeFolders(session: Session, call: Call, args: readonly unknown[]): unknown {
  const path = String(args[0]);
  let first: string | undefined;
  for (let at = session.root.length; at !== -1; ) {
    at = path.indexOf('/', at + 1);
    const part = at === -1 ? path : path.slice(0, at);
    if (realFs.lstatSync(part, { throwIfNoEntry: false }) !== undefined) continue;
    session.complete(session.issue('mkdir', [part]), call);
    first ??= part;
  }
  // What stands there may be no folder.
  return first ?? call(...args);
}

function writeWhole(flag: string, target: unknown, data: unknown, options: unknown): void {
  const {
    encoding,
    mode,
    flag: asked,
    flush,
  } = typeof options === 'object' && options !== null
    ? (options as { encoding?: BufferEncoding; mode?: number; flag?: string; flush?: boolean })
    : { encoding: options as BufferEncoding | undefined };
  const bytes = typeof data === 'string' ? Buffer.from(data, encoding) : (data as Uint8Array);
  const descriptor = typeof target === 'number' ? target : fs.openSync(String(target), asked ?? flag, mode);
  try {
    for (let from = 0; from < bytes.length; ) from += fs.writeSync(descriptor, bytes, from);
    if (flush) fs.fsyncSync(descriptor);
  } finally {
    if (target !== descriptor) fs.closeSync(descriptor);
  }
}
