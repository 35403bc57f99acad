import { encoded, json } from 'keepsake';
import { type RedisClient, redis } from 'keepsake/redis';
import { createClient } from 'redis';
import { contractInNamespaces, contractWithoutNamespace } from '../../support/engine-contract.js';
import { startRedis, startRedisCluster } from '../../support/servers/redis.js';
import { useServer } from '../../support/servers/server.js';

describe('redis', function () {
  this.timeout(60_000);

  describe('on a server', () => {
    const using = useServer(startRedis);
    contractInNamespaces((namespace) => redis(using.server.url, { namespace }));
  });

  describe('that is watched', () => {
    const using = useServer(() => startRedis({ parameters: ['--notify-keyspace-events', 'K$ge'] }));
    contractInNamespaces((namespace) => redis(`${using.server.url}/1`, { namespace, watch: true }), { many: 300 });
  });

  describe('without a namespace', () => {
    const using = useServer(() => startRedis({ parameters: ['--databases', '1'] }));
    contractWithoutNamespace(() => redis(using.server.url, { namespace: null }), { many: 300 });
  });

  describe('through encoded', () => {
    const using = useServer(startRedis);
    contractInNamespaces((namespace) => encoded(redis(using.server.url, { namespace }), json()), { many: 300 });
  });

  describe('in a cluster', () => {
    const using = useServer(startRedisCluster);
    contractInNamespaces((namespace) => redis(using.server.url, { namespace, cluster: true }), { many: 600 });
  });

  describe('through a client that was given', () => {
    const using = useServer(startRedis);
    let client: RedisClient & { destroy(): void };
    before(async () => {
      client = await createClient({ url: using.server.url })
        .on('error', () => undefined)
        .connect();
    });
    after(() => client?.destroy());
    contractInNamespaces((namespace) => redis({ client, namespace }), { many: 300 });
  });
});
