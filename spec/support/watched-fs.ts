import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

type Name = 'open' | 'close' | 'openSync' | 'opendirSync';
type Call = (...given: never[]) => unknown;

/** Lets a spec see the calls of functions of `node:fs`, which do what they do all the same; `restore` ends that. */
export class WatchedFs {
  readonly #originals = new Map<Name, Call>();

  /** Has `seen` told the first argument of each call. */
  watch(name: Name, seen: (argument: unknown) => void): void {
    const functions = fs as unknown as Record<Name, Call>;
    const original = functions[name];
    if (!this.#originals.has(name)) this.#originals.set(name, original);
    functions[name] = (...given) => {
      seen(given[0]);
      return original(...given);
    };
    syncBuiltinESMExports();
  }

  restore(): void {
    for (const [name, original] of this.#originals) (fs as unknown as Record<Name, Call>)[name] = original;
    this.#originals.clear();
    syncBuiltinESMExports();
  }
}
