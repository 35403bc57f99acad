import { fork } from 'node:child_process';
import { once } from 'node:events';
import { FreshDisk } from './support/fresh-disk.js';
import { printFacts } from './support/machine.js';
import { PARTS, parseOptions } from './support/options.js';
import { printTargets, type Target } from './support/targets.js';

// Garbage is collected before each measurement; without the second, that makes the engine drop what it compiled for those whose turn is later.
const FLAGS = ['--expose-gc', '--no-flush-bytecode'];

/** The parts that `--fresh` is for. Start-up reads from a cold disk as well, which an image is not. */
const ON_DISK = ['files', 'journal', 'listing'];

/** Runs the parts one after another, each in a process of its own, and ends with what was aimed at and what was measured. */
async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2));
  printFacts(options);
  const targets: Target[] = [];
  for (const part of options.parts) targets.push(...(await runPart(part, options.fresh)));
  printTargets(targets);
}

async function runPart(part: string, fresh: boolean): Promise<Target[]> {
  if (!PARTS.includes(part)) throw new Error(`there is no part ${part}; there are ${PARTS.join(', ')}`);
  const started = performance.now();
  const disk = fresh && ON_DISK.includes(part) ? new FreshDisk() : undefined;
  const place = disk === undefined ? [] : [`--folder=${disk.folder}`];
  const child = fork(new URL(`./${part}.js`, import.meta.url), [...place, ...process.argv.slice(2)], {
    execArgv: FLAGS,
  });
  const targets: Target[] = [];
  child.on('message', (message) => targets.push(...(message as Target[])));
  // The child gets the signal as well; what is mounted is to go when it has ended.
  const wait = (): void => undefined;
  process.once('SIGINT', wait);
  const [code] = await once(child, 'exit').finally(() => disk?.remove());
  process.off('SIGINT', wait);
  if (code !== 0) throw new Error(`the part ${part} failed`);
  console.log(`\n(${part}: ${((performance.now() - started) / 1000).toFixed(0)} s)`);
  return targets;
}

await main();
