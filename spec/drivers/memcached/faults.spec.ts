import { memcached } from 'keepsake/memcached';
import { faults } from '../../support/faults.js';
import { type MemcachedServer, startMemcached } from '../../support/servers/memcached.js';

describe('memcached', () => {
  const target = ({ address }: MemcachedServer) => {
    const { hostname: host, port } = new URL(`tcp://${address}`);
    return { host, port: Number(port) };
  };

  faults({
    start: () => startMemcached({ users: ['ann:secret'] }),
    target,
    open: ({ host, port }, timeout) => memcached(`memcached://ann:secret@${host}:${port}`, { timeout }),
    openWithWrongPassword: ({ url }) => memcached(url, { username: 'ann', password: 'wrong' }),
  });
});
