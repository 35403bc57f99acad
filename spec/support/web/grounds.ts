import { randomUUID } from 'node:crypto';
import { memory } from 'keepsake';
import { redis } from 'keepsake/redis';
import { startRedis } from '../servers/redis.js';
import { useServer } from '../servers/server.js';
import type { Ground } from './app.js';

/** Describes something over memory, and over Redis. */
export function overGrounds(describeOn: (ground: Ground) => void): void {
  describe('over memory', () => describeOn({ name: 'memory', open: () => memory() }));
  describe('over Redis', () => {
    const using = useServer(startRedis);
    describeOn({
      name: 'redis',
      open: () => redis(using.server.url, { namespace: `web-${randomUUID()}` }),
    });
  });
}
