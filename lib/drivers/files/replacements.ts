/**
 * Remembers which files this process puts in place in a folder while somebody reads the folder: some file systems then show such a file
 * nowhere, though it is there throughout.
 */
export class Replacements {
  /** The names that are being put in place now, by folder. */
  readonly #underWay = new Map<string, Set<string>>();
  /** What those who read a folder have to be told. */
  readonly #readers = new Map<string, Set<Set<string>>>();

  /** Puts a file in place by `work`, which is not called for one file twice at a time. */
  async during<T>(folder: string, name: string, work: () => Promise<T>): Promise<T> {
    const names = add(this.#underWay, folder, name);
    for (const replaced of this.#readers.get(folder) ?? []) replaced.add(name);
    try {
      return await work();
    } finally {
      names.delete(name);
      if (names.size === 0) this.#underWay.delete(folder);
    }
  }

  /** The names that are put in place in a folder from now on: a Set that grows until `stop` is called. */
  watch(folder: string): { readonly names: ReadonlySet<string>; stop(): void } {
    const names = new Set(this.#underWay.get(folder));
    const readers = add(this.#readers, folder, names);
    const stop = () => {
      readers.delete(names);
      names.clear();
      if (readers.size === 0 && this.#readers.get(folder) === readers) this.#readers.delete(folder);
    };
    return { names, stop };
  }
}

/** Adds to the set of a folder; answers the set. */
function add<T>(sets: Map<string, Set<T>>, folder: string, item: T): Set<T> {
  let set = sets.get(folder);
  if (set === undefined) {
    set = new Set();
    sets.set(folder, set);
  }
  set.add(item);
  return set;
}
