import { execFileSync } from 'node:child_process';
import { readFileSync, statfsSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, platform, release } from 'node:os';
import type { Options } from './options.js';

/** Names of file systems by the number that `statfs` gives. */
const FILE_SYSTEMS: Readonly<Record<number, string>> = {
  61267: 'ext4',
  16914836: 'tmpfs (memory: nothing is synced, so the figures of files say little)',
  2035054128: 'overlay',
  1481003842: 'xfs',
  2435016766: 'btrfs',
  801189825: 'zfs',
  26985: 'nfs',
};

/** Prints what the figures depend on. */
export function printFacts({ folder, quick }: Options): void {
  const { type } = statfsSync(folder);
  console.log(`processor    ${cpus()[0]?.model.trim()}, ${availableParallelism()} available`);
  console.log(`system       ${platform()} ${release()}`);
  console.log(`node         ${process.version}`);
  console.log(`file system  ${FILE_SYSTEMS[type] ?? `type 0x${type.toString(16)}`} at ${folder}`);
  if (quick) console.log('quick        too little is measured for the figures to mean anything');
}

/** Whether the time that the main thread computes can be told from that of the whole process. */
export const measuresMainThread: boolean = threadTime() !== undefined;

/** The nanoseconds that the main thread has computed so far; those of all threads where the system does not tell. */
export function computedTime(): number {
  const own = threadTime();
  if (own !== undefined) return own;
  const { user, system } = process.cpuUsage();
  return (user + system) * 1000;
}

function threadTime(): number | undefined {
  if (platform() !== 'linux') return undefined;
  try {
    return Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'latin1').split(' ')[0]);
  } catch {
    return undefined;
  }
}

/** Makes the system forget the contents of all files, which root on Linux may; whether it did. */
export function dropCaches(): boolean {
  if (platform() !== 'linux') return false;
  try {
    execFileSync('sync');
    writeFileSync('/proc/sys/vm/drop_caches', '3');
    return true;
  } catch {
    return false;
  }
}
