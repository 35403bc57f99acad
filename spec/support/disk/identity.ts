import type { BigIntStats, Stats } from 'node:fs';
import type { Attributes } from './disk.js';

/** What the system said of a file that another stands for. */
export interface Disguise {
  readonly number: bigint;
  readonly born: bigint;
  readonly attributes: Attributes;
  /** When the stand-in was last changed: once it is changed again, its own times are the truth. In nanoseconds since 1970. */
  readonly standsSince: bigint;
}

/**
 * What a process can learn about itself and its files, put so that this one can be many: of several starts of the system, each started anew, with
 * files that were made by those before.
 */
export class Identity {
  readonly #boot: string;
  /** Stand-ins, by their own number. */
  readonly #disguises = new Map<bigint, Disguise>();
  #process = 0;
  #time = 0;

  /** @param boot which start of the system this is */
  constructor(boot: number) {
    this.#boot = `00000000-0000-4000-8000-${String(boot).padStart(12, '0')}`;
  }

  /** From now on this is another process. */
  startAnew(disguises: ReadonlyMap<bigint, Disguise>): void {
    this.#process++;
    this.#disguises.clear();
    for (const [number, disguise] of disguises) this.#disguises.set(number, disguise);
  }

  /** What the system is to say of itself in a file; `undefined` where it may tell the truth. */
  tell(path: unknown, truth: () => unknown): string | undefined {
    if (path === '/proc/sys/kernel/random/boot_id') return `${this.#boot}\n`;
    if (path !== '/proc/self/stat' && path !== `/proc/${process.pid}/stat`) return undefined;
    const [, name = '', rest = ''] = /^(.*\) )(.*)$/s.exec(String(truth())) ?? [];
    const fields = rest.split(' ');
    // When the process started.
    fields[19] = `${fields[19]}${String(this.#process).padStart(6, '0')}`;
    return name + fields.join(' ');
  }

  /** Puts the disguise on what the system says of a file. */
  disguise<T>(stats: T): T {
    // Asked not to throw, the functions answer nothing.
    if (stats === undefined) return stats;
    const found = stats as unknown as Stats | BigIntStats;
    const disguise = this.#disguises.get(BigInt(found.ino));
    if (disguise === undefined) return stats;
    const { number, born, attributes, standsSince } = disguise;
    const isBig = 'mtimeNs' in found;
    Object.assign(found, isBig ? { ino: number, birthtimeNs: born } : { ino: Number(number) });
    const isUnchanged = isBig
      ? found.ctimeNs === standsSince
      : Math.abs(found.ctimeMs - Number(standsSince) / 1e6) < 1e-3;
    if (!isUnchanged) return stats;
    for (const [name, time] of Object.entries({ mtime: attributes.modified, ctime: attributes.changed })) {
      const milliseconds = Number(time) / 1e6;
      Object.assign(found, { [name]: new Date(milliseconds) });
      if (isBig) Object.assign(found, { [`${name}Ns`]: time, [`${name}Ms`]: time / 1_000_000n });
      else Object.assign(found, { [`${name}Ms`]: milliseconds });
    }
    return stats;
  }

  /** Milliseconds that pass only as somebody looks at the clock, so that the same work is always done in the same order. */
  now(): number {
    this.#time += 0.01;
    return this.#time;
  }
}
