import { randomUUID } from 'node:crypto';
import { redis } from 'keepsake/redis';
import { modelsOn } from '../../support/models-on.js';
import { startRedis } from '../../support/servers/redis.js';
import { useServer } from '../../support/servers/server.js';

describe('redis', () => {
  const using = useServer(startRedis);
  let namespace: string;
  const reopen = () => redis(using.server.url, { namespace });
  modelsOn({
    open: () => {
      namespace = randomUUID();
      return reopen();
    },
    reopen,
  });
});
