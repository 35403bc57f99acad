import { randomUUID } from 'node:crypto';
import { memcached } from 'keepsake/memcached';
import { modelsOn } from '../../support/models-on.js';
import { startMemcached } from '../../support/servers/memcached.js';
import { useServer } from '../../support/servers/server.js';

describe('memcached', () => {
  const using = useServer(startMemcached);
  let namespace: string;
  const reopen = () => memcached(using.server.url, { namespace });
  modelsOn({
    open: () => {
      namespace = randomUUID();
      return reopen();
    },
    reopen,
  });
});
