import { sep } from 'node:path';
import type { Known } from './known.js';
import { HASHED, type Layout } from './layout.js';
import { namesBetween, type Watched } from './watched.js';

/** Which files and folders may be of keys with a prefix. */
export class Scope {
  readonly #layout: Layout;
  readonly #prefix: string;
  /** The names of the folders that lead from the root to all keys of the prefix: nothing else in them is of interest. */
  readonly #path: readonly string[];

  constructor(layout: Layout, prefix: string) {
    this.#layout = layout;
    this.#prefix = prefix;
    const start = layout.start(prefix);
    // Where no key can have the prefix, nothing in the root is of interest.
    this.#path = start === undefined ? [''] : namesBetween(layout.root.path, start.path);
  }

  /** The only name of interest in a folder; `undefined` where there may be many. */
  only(node: Watched): string | undefined {
    return this.#path[node.depth];
  }

  /** Whether keys of the prefix may be in a folder of this name. */
  leads(node: Watched, name: string): boolean {
    const only = this.only(node);
    if (only !== undefined) return only === name;
    const prefix = this.#layout.folderOf(node.folder, name)?.prefix;
    return prefix !== undefined && (prefix.startsWith(this.#prefix) || this.#prefix.startsWith(prefix));
  }

  /** Whether a file of this name may be of a key of the prefix. */
  mayHold(node: Watched, name: string): boolean {
    if (this.only(node) !== undefined) return false;
    const key = this.#layout.keyOf(node.folder, name);
    return key === HASHED || key?.startsWith(this.#prefix) === true;
  }

  /** The key of a file, if it is of the prefix. */
  keyOf(node: Watched, name: string, known: Known | undefined): string | undefined {
    const key = this.#layout.keyOf(node.folder, name);
    if (key !== HASHED) return key;
    const named = typeof known === 'object' ? known.key : undefined;
    if (named === undefined || this.#layout.place(named).path !== node.folder.path + sep + name) return undefined;
    return named.startsWith(this.#prefix) ? named : undefined;
  }

  /** The node of a folder, which is made where `make` says so and keys of the prefix may be in it. */
  nodeAt(root: Watched, folder: string, make: boolean): Watched | undefined {
    let node = root;
    for (const name of namesBetween(root.folder.path, folder)) {
      let sub = node.sub(name);
      const made =
        make && sub === undefined && this.leads(node, name) ? this.#layout.folderOf(node.folder, name) : undefined;
      if (made !== undefined) sub = node.add(name, made);
      if (sub === undefined) return undefined;
      node = sub;
    }
    return node;
  }
}
