/*
 * Asks a cache for one key and says what it got. Arguments: folder, name of the process, how many milliseconds to compute, what the lock outlives
 * a crash by. Says `computing` when it begins to compute.
 */
import { writeSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { Cache, files } from 'keepsake';

const [folder = '', name = '', duration = '0', lockTtl = '10s'] = process.argv.slice(2);
const cache = new Cache<string>(files(folder, { shared: true, durability: 'none' }), { lockTtl, closesBackend: true });

const say = (line: string) => writeSync(1, `${line}\n`);

// Both begin at once only if both are there: the other end says when.
await cache.fetch('key');
say('ready');
await new Promise((resolve) => process.stdin.once('data', resolve));
const values = await Promise.all(
  Array.from({ length: 10 }, () =>
    cache.getOrSet('key', async () => {
      say('computing');
      await setTimeout(Number(duration));
      if (duration === '-1') throw new Error('the source is down');
      return `made by ${name}`;
    }),
  ),
);
say(`got ${[...new Set(values)].join(' and ')}`);
await cache.close();
process.stdin.destroy();
