import { printTable, short } from './table.js';

/** What is aimed at, and what was measured. */
export interface Target {
  readonly what: string;
  readonly bound: 'at least' | 'at most';
  readonly target: number;
  readonly measured: number;
}

/** Hands targets to the process that prints them all. */
export async function report(targets: readonly Target[]): Promise<void> {
  if (process.send === undefined) return printTargets(targets);
  await new Promise((resolve) => process.send?.(targets, resolve));
}

export function isMet({ bound, target, measured }: Target): boolean {
  return bound === 'at least' ? measured >= target : measured <= target;
}

export function printTargets(targets: readonly Target[]): void {
  const rows = targets.map((target) => [
    target.what,
    `${target.bound} ${target.target}`,
    short(target.measured),
    isMet(target) ? 'met' : 'missed',
  ]);
  printTable('Targets', ['', 'target', 'measured', ''], rows);
}
