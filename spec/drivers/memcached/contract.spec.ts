import { encoded, json } from 'keepsake';
import { memcached } from 'keepsake/memcached';
import { contractInNamespaces, contractWithoutNamespace } from '../../support/engine-contract.js';
import { startMemcached } from '../../support/servers/memcached.js';
import { useServer } from '../../support/servers/server.js';

describe('memcached', function () {
  this.timeout(60_000);

  describe('on a server', () => {
    const using = useServer(startMemcached);
    // Key and deadline count too, so a value of just a megabyte is more than memcached takes unless told otherwise.
    const fitting = (title: string, body: () => Promise<void>) => {
      if (!title.includes('a value of a megabyte')) it(title, body);
    };
    contractInNamespaces((namespace) => memcached(using.server.url, { namespace }), { it: fitting });
  });

  describe('on three servers', () => {
    const larger = { parameters: ['-I', '2m'] };
    const one = useServer(() => startMemcached(larger));
    const two = useServer(() => startMemcached(larger));
    const three = useServer(() => startMemcached({ ...larger, socket: true }));
    const servers = () => [one, two, three].map(({ server }) => server.address);
    contractInNamespaces((namespace) => memcached({ servers: servers(), namespace }), { many: 600 });
  });

  describe('without a namespace', () => {
    const using = useServer(() => startMemcached({ parameters: ['-I', '2m'] }));
    contractWithoutNamespace(() => memcached(using.server.url, { namespace: null }), { many: 300 });
  });

  describe('through encoded', () => {
    const using = useServer(startMemcached);
    contractInNamespaces((namespace) => encoded(memcached(using.server.url, { namespace }), json()), { many: 300 });
  });
});
