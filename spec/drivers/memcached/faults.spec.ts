import { memcached } from 'keepsake/memcached';
import { faults } from '../../support/faults.js';
import { type MemcachedServer, startMemcached } from '../../support/servers/memcached.js';

describe('memcached', () => {
  const target = ({ address }: MemcachedServer) => {
    const [host, port] = address.split(':');
    return { host: String(host), port: Number(port) };
  };

  faults({
    start: () => startMemcached({ parameters: ['-t', '2'] }),
    target,
    open: ({ host, port }, timeout) => memcached({ servers: [`${host}:${port}`], timeout }),
  });
});
