import { randomUUID } from 'node:crypto';
import { encoded, json } from 'keepsake';
import { type MemcachedOptions, memcached } from 'keepsake/memcached';
import { contract } from 'keepsake/testing';
import { startMemcached } from '../../support/servers/memcached.js';
import { useServer } from '../../support/servers/server.js';

describe('memcached', function () {
  this.timeout(60_000);

  describe('on a server', () => {
    const using = useServer(startMemcached);
    let namespace: string;
    const reopen = () => memcached(using.server.url, { namespace });
    const open = () => {
      namespace = randomUUID();
      return reopen();
    };
    // Key and deadline count too, so a value of just a megabyte is more than memcached takes unless told otherwise.
    const fitting = (title: string, body: () => Promise<void>) => {
      if (!title.includes('a value of a megabyte')) it(title, body);
    };
    contract({ describe, it: fitting, open, reopen });
  });

  describe('on three servers', () => {
    const larger = { parameters: ['-I', '2m'] };
    const one = useServer(() => startMemcached(larger));
    const two = useServer(() => startMemcached(larger));
    const three = useServer(() => startMemcached({ ...larger, socket: true }));
    let namespace: string;
    const reopen = () => {
      const servers = [one, two, three].map(({ server }) => server.address);
      const options: MemcachedOptions = { servers, namespace };
      return memcached(options);
    };
    const open = () => {
      namespace = randomUUID();
      return reopen();
    };
    contract({ describe, it, open, reopen, many: 600 });
  });

  describe('without a namespace', () => {
    const using = useServer(() => startMemcached({ parameters: ['-I', '2m'] }));
    const reopen = () => memcached(using.server.url, { namespace: null });
    const open = async () => {
      const backend = reopen();
      await backend.clear({ everything: true });
      return backend;
    };
    // These clear everything without saying that they do, which is refused there.
    const unsaid = ['never gives a version again', 'lists nothing of', 'pages through and clears', 'clears exactly'];
    const saying = (title: string, body: () => Promise<void>) => {
      if (!unsaid.some((part) => title.includes(part))) it(title, body);
    };
    contract({ describe, it: saying, open, reopen, many: 300 });
  });

  describe('through encoded', () => {
    const using = useServer(startMemcached);
    let namespace: string;
    const reopen = () => encoded(memcached(using.server.url, { namespace }), json());
    const open = () => {
      namespace = randomUUID();
      return reopen();
    };
    contract({ describe, it, open, reopen, many: 300 });
  });
});
