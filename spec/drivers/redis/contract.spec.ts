import { randomUUID } from 'node:crypto';
import { encoded, json } from 'keepsake';
import { type RedisClient, redis } from 'keepsake/redis';
import { contract } from 'keepsake/testing';
import { createClient } from 'redis';
import { startRedis, startRedisCluster } from '../../support/servers/redis.js';
import { useServer } from '../../support/servers/server.js';

describe('redis', function () {
  this.timeout(60_000);

  describe('on a server', () => {
    const using = useServer(startRedis);
    let namespace: string;
    const reopen = () => redis(using.server.url, { namespace });
    const open = () => {
      namespace = randomUUID();
      return reopen();
    };
    contract({ describe, it, open, reopen });
  });

  describe('that is watched', () => {
    const using = useServer(() => startRedis({ parameters: ['--notify-keyspace-events', 'K$ge'] }));
    let namespace: string;
    const reopen = () => redis(`${using.server.url}/1`, { namespace, watch: true });
    const open = () => {
      namespace = randomUUID();
      return reopen();
    };
    contract({ describe, it, open, reopen, many: 300 });
  });

  describe('without a namespace', () => {
    const using = useServer(() => startRedis({ parameters: ['--databases', '1'] }));
    const reopen = () => redis(using.server.url, { namespace: null });
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
    const using = useServer(startRedis);
    let namespace: string;
    const reopen = () => encoded(redis(using.server.url, { namespace }), json());
    const open = () => {
      namespace = randomUUID();
      return reopen();
    };
    contract({ describe, it, open, reopen, many: 300 });
  });

  describe('in a cluster', () => {
    const using = useServer(startRedisCluster);
    let namespace: string;
    const reopen = () => redis(using.server.url, { namespace, cluster: true });
    const open = () => {
      namespace = randomUUID();
      return reopen();
    };
    contract({ describe, it, open, reopen, many: 600 });
  });

  describe('through a client that was given', () => {
    const using = useServer(startRedis);
    let namespace: string;
    let client: RedisClient & { destroy(): void };
    before(async () => {
      client = await createClient({ url: using.server.url })
        .on('error', () => undefined)
        .connect();
    });
    after(() => client?.destroy());
    const reopen = () => redis({ client, namespace });
    const open = () => {
      namespace = randomUUID();
      return reopen();
    };
    contract({ describe, it, open, reopen, many: 300 });
  });
});
