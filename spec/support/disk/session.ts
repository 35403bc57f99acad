import { bytesOf } from './contents.js';
import {
  type Attributes,
  apply,
  copyDisk,
  type Disk,
  type Effect,
  type Inode,
  inodeOf,
  type Operation,
  ROOT,
} from './disk.js';
import { effectsOf } from './effects.js';
import { type Call, realFs } from './real.js';

/** A file or folder that is open. */
export interface Opened {
  readonly id: number;
  readonly appends: boolean;
  position: number;
}

/** A call that is under way. */
export interface Issued {
  readonly name: string;
  readonly args: readonly unknown[];
  readonly issued: number;
}

/** What happens in a folder from one moment on: the disk as it becomes, and what made it so. */
export class Session {
  readonly root: string;
  readonly disk: Disk;
  readonly operations: Operation[];
  readonly opened = new Map<number, Opened>();
  /** What was done that cannot be recorded. */
  readonly failures: string[] = [];
  #next: number;
  #tick: number;

  /**
   * @param root the path of the folder
   * @param disk what is in it
   * @param operations what happened before, and goes on
   */
  constructor(root: string, disk: Disk, operations: readonly Operation[], tick: number) {
    this.root = root;
    this.disk = copyDisk(disk);
    this.operations = [...operations];
    this.#next = Math.max(...disk.keys()) + 1;
    this.#tick = tick;
  }

  /** The number of what happens now. */
  tick(): number {
    return this.#tick++;
  }

  /** Whether a call is about the folder. */
  concerns([first, second]: readonly unknown[]): boolean {
    return (typeof first === 'number' && this.opened.has(first)) || this.#isInside(first) || this.#isInside(second);
  }

  issue(name: string, args: readonly unknown[]): Issued {
    return { name, args, issued: this.tick() };
  }

  /** Has the call done, and writes down what it did. */
  complete({ name, args, issued }: Issued, call: Call): unknown {
    let finish: (result: unknown) => Effect[];
    try {
      finish = effectsOf(this, name, args);
    } catch (error) {
      this.fail(`${name}: ${error instanceof Error ? error.message : error}`);
    }
    const result = call(...args);
    const effects = finish(result);
    for (const effect of effects) apply(this.disk, effect);
    const completed = this.tick();
    if (effects.length > 0) this.operations.push({ name, issued, completed, effects });
    return result;
  }

  /** Ends the proof: what is done cannot be recorded. It is thrown at the end too, in case somebody catches it here. */
  fail(what: string): never {
    this.failures.push(what);
    throw new Error(`the recorder of ${this.root} does not know what to make of ${what}`);
  }

  /** A new id for what is at a path, or was opened. */
  introduce(at: string | number, kind: Inode['kind']): { id: number; effect: Effect } {
    const id = this.#next++;
    const { ino: number, birthtimeNs: born } = look(at);
    const inode = { kind, number, born, attributes: this.attributes(at) };
    return { id, effect: { kind: 'inode', id, inode } };
  }

  attributes(at: string | number): Attributes {
    const { mode, mtimeNs, ctimeNs } = look(at);
    return { mode: Number(mode) & 0o7777, modified: mtimeNs, changed: ctimeNs };
  }

  /** Where a path leads: the folder, the name in it, and what has that name. */
  find(path: unknown): { folder: number; name: string; id: number | undefined; path: string } {
    const text = String(path);
    if (!this.#isInside(path)) throw new Error(`${text}, which is outside of the folder`);
    const names = text.slice(this.root.length + 1).split('/');
    if (text === this.root) return { folder: ROOT, name: '', id: ROOT, path: text };
    const name = names.pop() ?? '';
    let folder = ROOT;
    for (const step of names) {
      const next = inodeOf(this.disk, folder).entries.get(step);
      if (next === undefined) return { folder: -1, name, id: undefined, path: text };
      folder = next;
    }
    return { folder, name, id: inodeOf(this.disk, folder).entries.get(name), path: text };
  }

  file(descriptor: unknown): Opened {
    const opened = this.opened.get(descriptor as number);
    if (opened === undefined) throw new Error(`the descriptor ${descriptor}`);
    return opened;
  }

  /** Throws if something was done that was not recorded: then the folder is not what the recorded calls have made of it. */
  verify(): void {
    if (this.failures.length > 0)
      throw new Error(`the recorder did not know what to make of ${this.failures.join(', ')}`);
    this.#compare(this.root, inodeOf(this.disk, ROOT));
  }

  #compare(path: string, inode: Inode): void {
    if (inode.kind === 'file') {
      const bytes = realFs.readFileSync(path);
      if (bytes.equals(bytesOf(inode.contents)) && this.attributes(path).mode === inode.attributes.mode) return;
      throw new Error(`${path} was changed by a call that was not recorded`);
    }
    const names = realFs.readdirSync(path).sort();
    if (names.join() !== [...inode.entries.keys()].sort().join()) {
      throw new Error(`the names in ${path} were changed by a call that was not recorded`);
    }
    for (const [name, id] of inode.entries) this.#compare(`${path}/${name}`, inodeOf(this.disk, id));
  }

  #isInside(path: unknown): boolean {
    if (path instanceof URL || Buffer.isBuffer(path)) return String(path).includes(this.root);
    return typeof path === 'string' && (path === this.root || path.startsWith(`${this.root}/`));
  }
}

function look(at: string | number) {
  return typeof at === 'number' ? realFs.fstatSync(at, { bigint: true }) : realFs.lstatSync(at, { bigint: true });
}
