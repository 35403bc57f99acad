import { startMemcached } from '../support/servers/memcached.js';
import { startRedis } from '../support/servers/redis.js';
import { useServer } from '../support/servers/server.js';
import { givesCache } from '../support/web/cache.js';
import { expressApp } from '../support/web/express.js';
import { fastifyApp } from '../support/web/fastify.js';
import { honoApp } from '../support/web/hono.js';

for (const framework of [fastifyApp, expressApp, honoApp]) {
  describe(`the cache of ${framework.name}`, function () {
    this.timeout(60_000);

    describe('in memory', () => givesCache(framework, () => ({})));

    describe('on Redis', () => {
      const using = useServer(startRedis);
      givesCache(framework, () => ({ backend: 'redis', redisUrl: using.server.url }));
    });
  });
}

describe('the cache of an application', function () {
  this.timeout(60_000);

  describe('on Valkey by its own name', () => {
    const using = useServer(startRedis);
    givesCache(fastifyApp, () => ({
      backend: 'valkey',
      valkeyUrl: using.server.url.replace(/^redis:/, 'valkey:'),
    }));
  });

  describe('on memcached', () => {
    const using = useServer(startMemcached);
    givesCache(fastifyApp, () => ({
      backend: 'memcached',
      memcachedHost: using.server.url.replace(/^memcached:\/\//, ''),
    }));
  });

  describe('on SQLite', () => givesCache(fastifyApp, () => ({ backend: 'sqlite', sqliteUrl: 'sqlite::memory:' })));
});
