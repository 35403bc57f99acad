import { startDynamodb } from '../support/servers/dynamodb.js';
import { startMongodb } from '../support/servers/mongodb.js';
import { useServer } from '../support/servers/server.js';
import { givesCache } from '../support/web/cache.js';
import { fastifyApp } from '../support/web/fastify.js';

describe('the cache of an application on document stores', function () {
  this.timeout(60_000);

  describe('on MongoDB', () => {
    const using = useServer(startMongodb);
    givesCache(fastifyApp, () => ({ backend: 'mongodb', mongodbUrl: using.server.url }));
  });

  describe('on DynamoDB', () => {
    const using = useServer(startDynamodb);
    givesCache(fastifyApp, () => {
      const { endpoint, region, credentials } = using.server.access;
      return {
        backend: 'dynamodb',
        dynamodbUrl: endpoint,
        region,
        ...(credentials && {
          awsAccessKeyId: 'AKIAIOSFODNN7EXAMPLE',
          awsSecretAccessKey: credentials.secretAccessKey,
        }),
      };
    });
  });
});
