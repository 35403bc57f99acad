import { redis } from 'keepsake/redis';
import { faults } from '../../support/faults.js';
import { startRedis } from '../../support/servers/redis.js';

describe('redis', () => {
  faults({
    start: () => startRedis({ users: ['ann on >secret ~* +@all'] }),
    target: ({ host, port }) => ({ host, port }),
    open: ({ host, port }, timeout) => redis(`redis://${host}:${port}`, { timeout }),
    openWithWrongPassword: ({ url }) => redis(url, { username: 'ann', password: 'wrong' }),
  });
});
