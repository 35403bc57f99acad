import { expressApp } from '../support/web/express.js';
import { fastifyApp } from '../support/web/fastify.js';
import { overGrounds } from '../support/web/grounds.js';
import { honoApp } from '../support/web/hono.js';
import { cachesResponses } from '../support/web/responses.js';

for (const framework of [fastifyApp, expressApp, honoApp]) {
  describe(`cached responses of ${framework.name}`, function () {
    this.timeout(60_000);
    overGrounds((ground) => cachesResponses(framework, ground));
  });
}
