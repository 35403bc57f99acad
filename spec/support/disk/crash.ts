import { type Contents, copyOf, noContents, resize, writeAt } from './contents.js';
import { apply, copyDisk, type Disk, type Effect, inodeOf, type Operation, reachable, type Trace } from './disk.js';
import type { Random } from './random.js';
import { torn } from './tearing.js';

/**
 * A way in which work can end.
 *
 * - `'process'`: the process is killed. All that was completed is there; what was under way, or a part of it, may be.
 * - `'ordered'`: a power cut, on a journalling file system (ext4, xfs). Creations, renames and removals take effect in order, up to some point
 *   that is not before what an fsync has made safe; data that was not synced is lost, zeros or torn, even below a name that is safe.
 * - `'replacing'`: the same, where a rename over another file waits for the data (ext4 with `auto_da_alloc`, which is its default; btrfs).
 * - `'unordered'`: a power cut on a file system that promises what POSIX does: each name of a folder that was not itself synced since stands
 *   for any of the inodes it has stood for, whatever became of other names.
 */
export type Crash = 'process' | 'ordered' | 'replacing' | 'unordered';

export const CRASHES: readonly Crash[] = ['process', 'ordered', 'replacing', 'unordered'];

/**
 * What is done when a process is killed at `tick`: the operations that were completed, and of those under way what chance has it, with the
 * disk that they leave.
 */
export function killed(trace: Trace, tick: number, random: Random): { operations: Operation[]; disk: Disk } {
  const operations = trace.operations.filter(({ completed }) => completed <= tick);
  const disk = replayed(trace.initial, operations);
  for (const operation of trace.operations) {
    if (operation.issued > tick || operation.completed <= tick || !random.chance(0.5)) continue;
    // Some could be done only when others had been.
    if (!operation.effects.every((effect) => isPossible(disk, effect, operation.effects))) continue;
    // Who waits for a sync that is under way has no promise.
    const effects = operation.effects.filter(({ kind }) => kind !== 'sync').map((effect) => cut(effect, random));
    for (const effect of effects) apply(disk, effect);
    operations.push({ ...operation, completed: tick, effects });
  }
  return { operations, disk };
}

function replayed(initial: Disk, operations: readonly Operation[]): Disk {
  const disk = copyDisk(initial);
  for (const { effects } of operations) for (const effect of effects) apply(disk, effect);
  return disk;
}

function isPossible(disk: Disk, effect: Effect, others: readonly Effect[]): boolean {
  if (effect.kind === 'inode') return true;
  const isKnown = (id: number | undefined) =>
    id === undefined || disk.has(id) || others.some((other) => other.kind === 'inode' && other.id === id);
  if (effect.kind !== 'entry') return isKnown(effect.id);
  const folder = disk.get(effect.folder);
  return folder !== undefined && isKnown(effect.id) && folder.entries.get(effect.name) === effect.before;
}

/** What a power cut leaves after operations. */
export function powerCut(
  { initial, operations }: Pick<Trace, 'initial' | 'operations'>,
  crash: Exclude<Crash, 'process'>,
  random: Random,
): Disk {
  const disk = copyDisk(initial);
  const metadata = operations.filter(({ effects }) => effects.some(({ kind }) => kind !== 'data' && kind !== 'sync'));
  const committed =
    crash === 'unordered' ? metadata.length : between(safePoint(operations, metadata), metadata.length, random);
  for (const [index, { effects }] of metadata.entries()) {
    for (const effect of effects) {
      const isFree = effect.kind === 'inode' || (crash === 'unordered' && effect.kind === 'attributes');
      const isInOrder = index < committed && crash !== 'unordered' && ['entry', 'attributes'].includes(effect.kind);
      if (isFree || isInOrder) apply(disk, effect);
    }
  }
  if (crash === 'unordered') bindAtRandom(disk, operations, random);
  const flushed = crash === 'replacing' ? replacements(metadata.slice(0, committed)) : new Map<number, number>();
  const synced = lastSyncs(operations, true);
  for (const id of reachable(disk)) {
    const inode = inodeOf(disk, id);
    if (inode.kind !== 'file') continue;
    const safe = Math.max(synced.get(id) ?? -1, flushed.get(id) ?? -1);
    inode.contents = torn(versionsOf(initial, operations, id, safe), random);
  }
  return disk;
}

/** Of a write that is under way, a part of its pages may be there. */
function cut(effect: Effect, random: Random): Effect {
  if (effect.kind !== 'data' || random.chance(0.5)) return effect;
  return { ...effect, bytes: effect.bytes.slice(0, random.below(effect.bytes.length / 4096 + 1) * 4096) };
}

/** Often one of the ends: there most mistakes show. */
function between(low: number, high: number, random: Random): number {
  return random.chance(0.3) ? low : random.chance(0.3) ? high : random.between(low, high);
}

/**
 * How many of the operations on metadata the syncs have made safe. A sync commits what was last done to its own inode, and all before it. Of
 * a time that was set, or an entry of a folder, one of data only need not take notice; of a new inode and a new size it must.
 */
function safePoint(operations: readonly Operation[], metadata: readonly Operation[]): number {
  let safe = 0;
  for (const { effects, issued } of operations) {
    for (const sync of effects) {
      if (sync.kind !== 'sync') continue;
      const last = metadata.findLastIndex(
        (operation) => operation.completed < issued && touches(operation, sync.id, sync.dataOnly),
      );
      safe = Math.max(safe, last + 1);
    }
  }
  return safe;
}

function touches({ effects }: Operation, id: number, dataOnly: boolean): boolean {
  return effects.some((effect) => {
    if (effect.kind === 'entry') return !dataOnly && (effect.folder === id || effect.id === id);
    if (effect.id !== id) return false;
    return effect.kind === 'inode' || effect.kind === 'size' || (effect.kind === 'data' ? effect.grows : !dataOnly);
  });
}

/** Binds each name to any inode that it has stood for since its folder was synced. */
function bindAtRandom(disk: Disk, operations: readonly Operation[], random: Random): void {
  const synced = lastSyncs(operations, false);
  const names = new Map<string, { folder: number; name: string; ids: (number | undefined)[] }>();
  for (const { effects, completed } of operations) {
    for (const effect of effects) {
      if (effect.kind !== 'entry') continue;
      const { folder, name } = effect;
      const known = names.get(`${folder}/${name}`);
      const isSafe = completed < (synced.get(folder) ?? -1);
      if (known === undefined || isSafe) {
        names.set(`${folder}/${name}`, { folder, name, ids: isSafe ? [effect.id] : [effect.before, effect.id] });
      } else known.ids.push(effect.id);
    }
  }
  const style = random.below(3);
  for (const { folder, name, ids } of names.values()) {
    const index = style === 0 || random.chance(0.5) ? random.below(ids.length) : style === 1 ? 0 : ids.length - 1;
    apply(disk, { kind: 'entry', folder, name, id: ids[index], before: undefined });
  }
}

/** What a file held when it was last made safe, at the number `safe`, and after each change since. */
function versionsOf(initial: Disk, operations: readonly Operation[], id: number, safe: number): Contents[] {
  let newest = initial.get(id)?.contents ?? noContents();
  let versions = [newest];
  for (const { effects, completed } of operations) {
    for (const effect of effects) {
      if ((effect.kind !== 'data' && effect.kind !== 'size') || effect.id !== id) continue;
      newest = copyOf(newest);
      if (effect.kind === 'data') writeAt(newest, effect.position, effect.bytes);
      else resize(newest, effect.size);
      if (completed < safe) versions = [newest];
      else versions.push(newest);
    }
  }
  return versions;
}

/** When the last completed sync of each inode was issued. */
function lastSyncs(operations: readonly Operation[], dataToo: boolean): Map<number, number> {
  const last = new Map<number, number>();
  for (const { effects, issued } of operations) {
    for (const effect of effects) {
      if (effect.kind !== 'sync' || (effect.dataOnly && !dataToo)) continue;
      last.set(effect.id, Math.max(issued, last.get(effect.id) ?? -1));
    }
  }
  return last;
}

/** When each file was renamed over another, for the last time. */
function replacements(operations: readonly Operation[]): Map<number, number> {
  const last = new Map<number, number>();
  for (const { effects, issued, name } of operations) {
    if (name !== 'rename') continue;
    for (const effect of effects) {
      if (effect.kind === 'entry' && effect.id !== undefined && effect.before !== undefined)
        last.set(effect.id, issued);
    }
  }
  return last;
}
