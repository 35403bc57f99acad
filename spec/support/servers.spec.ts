import { fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { runs, until } from './generations.js';
import { startDynamodb } from './servers/dynamodb.js';
import { startMemcached } from './servers/memcached.js';
import { startMongodb } from './servers/mongodb.js';
import { startMysql } from './servers/mysql.js';
import { startPostgres } from './servers/postgres.js';
import { startRedis, startRedisCluster, startRedisTls } from './servers/redis.js';
import { startS3 } from './servers/s3.js';
import { type Server, useServer } from './servers/server.js';

const starts: Readonly<Record<string, () => Promise<Server>>> = {
  redis: startRedis,
  'redis with TLS': startRedisTls,
  'redis as a cluster': startRedisCluster,
  memcached: startMemcached,
  'memcached on a socket': () => startMemcached({ socket: true }),
  postgres: startPostgres,
  mysql: startMysql,
  s3: startS3,
  mongodb: startMongodb,
  dynamodb: startDynamodb,
};

describe('the servers of the specs', () => {
  for (const [name, start] of Object.entries(starts)) {
    describe(name, () => {
      const using = useServer(start);

      it('serves, and says where and what it is', () => {
        expect(using.server.url).to.match(/^[a-z0-9]+:\/\//);
        expect(using.server.version).to.match(/\d+\.\d+/);
      });
    });
  }

  describe('a server of a process that is killed', () => {
    useServer(startRedis);

    it('is gone with it, and its folder too', async function () {
      this.timeout(30_000);
      const child = fork(fileURLToPath(new URL('./redis-starter.js', import.meta.url)), { stdio: 'inherit' });
      const [{ pid, folder }] = (await once(child, 'message')) as [{ pid: number; folder: string }];
      expect(runs(pid)).to.equal(true);
      expect(existsSync(folder)).to.equal(true);
      child.kill('SIGKILL');
      await until(() => !runs(pid));
      await until(() => !existsSync(folder));
    });
  });
});
