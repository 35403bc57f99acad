import { randomBytes } from 'node:crypto';
import { readFileSync, readlinkSync, statfsSync } from 'node:fs';
import { hostname } from 'node:os';

/** Who holds a lock: an opened driver of a process. */
export interface Owner {
  readonly host: string;
  /** The start of the system; empty where the system does not say. */
  readonly boot: string;
  /** Which processes the process id is known to; empty where the system does not say. */
  readonly pidNamespace: string;
  readonly pid: number;
  /** When the process started, in the system's own terms; empty where the system does not say. */
  readonly start: string;
  /** Unlike that of any other driver. */
  readonly id: string;
}

/** What says who an owner is: a file, and the locks that are links to it. */
export interface OwnerFile extends Owner {
  /** Names the file on its disk: one that has another is a copy. Absent where an earlier version wrote it. */
  readonly file?: string;
}

/** A new owner in this process. */
export function newOwner(): Owner {
  const owner = { ...here(), pid: process.pid, start: startOf('self') ?? '', id: randomBytes(8).toString('hex') };
  own.add(owner.id);
  return owner;
}

/** The owners that this thread made. */
const own = new Set<string>();

/** Names the start of the system; empty where the system does not say. */
export function bootOf(): string {
  return here().boot;
}

/**
 * Whether the process of an owner is gone; `undefined` where that cannot be told from here, since it ran on another host, or in another container.
 * @param local whether the disk is one that a system has to itself, so that who used it before the system started is gone
 */
export function isGone(owner: Owner, local: boolean): boolean | undefined {
  const { host, boot, pidNamespace } = here();
  if (local && boot !== '' && owner.boot !== '' && owner.boot !== boot) return true;
  if (owner.host !== host || owner.boot !== boot || owner.pidNamespace !== pidNamespace) return undefined;
  if (boot === '' || pidNamespace === '' || owner.start === '') return undefined;
  const started = startOf(owner.pid);
  // A thread of this process that ended leaves no other trace than its silence.
  if (owner.pid === process.pid && started === owner.start && !own.has(owner.id)) return undefined;
  return started !== owner.start;
}

/** Reads what `newOwner` gave; `undefined` for what is no owner. */
export function parseOwner(text: string): OwnerFile | undefined {
  try {
    const owner: unknown = JSON.parse(text);
    if (typeof owner !== 'object' || owner === null) return undefined;
    const { host, boot, pidNamespace, pid, start, id, file } = owner as Record<string, unknown>;
    if (typeof host !== 'string' || typeof boot !== 'string' || typeof pidNamespace !== 'string') return undefined;
    if (typeof pid !== 'number' || typeof start !== 'string' || typeof id !== 'string') return undefined;
    if (!/^[0-9a-f]{16}$/.test(id)) return undefined;
    const known = { host, boot, pidNamespace, pid, start, id };
    return typeof file === 'string' ? { ...known, file } : known;
  } catch {
    return undefined;
  }
}

/** File systems on disks that one system has to itself, as Linux numbers them: ext, xfs, btrfs, tmpfs, overlayfs, f2fs, zfs, reiserfs, jfs, bcachefs. */
const LOCAL = new Set([
  0xef53, 0x58465342, 0x9123683e, 0x01021994, 0x794c7630, 0xf2f52010, 0x2fc12fc1, 0x52654973, 0x3153464a, 0xca451a4e,
]);

/** Whether a folder is on a disk that no other system can use at the same time. */
export function isLocal(folder: string): boolean {
  return process.platform === 'linux' && (told(() => LOCAL.has(statfsSync(folder).type)) ?? false);
}

let known: { readonly host: string; readonly boot: string; readonly pidNamespace: string } | undefined;

function here(): { readonly host: string; readonly boot: string; readonly pidNamespace: string } {
  known ??= {
    host: hostname(),
    boot: told(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()) ?? '',
    pidNamespace: told(() => readlinkSync('/proc/self/ns/pid')) ?? '',
  };
  return known;
}

/** When a process started, in ticks since the system did; `undefined` if it is gone. */
function startOf(pid: number | 'self'): string | undefined {
  return told(() => {
    // The name of the program, in brackets, may hold anything. The state follows, and 19 fields later the start.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    // A process that has ended stays as a zombie until its parent has asked for it.
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
  });
}

function told<T>(ask: () => T): T | undefined {
  try {
    return ask();
  } catch {
    return undefined;
  }
}
