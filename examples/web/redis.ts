// The same on Redis, by Express; its configuration is what the function gives, and KEEPSAKE_CACHE_… variables go before.
// With --demo it asks itself a few things and ends; otherwise it listens on PORT, 8080 by default.
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import express from 'express';
import { type ConfigurationPairs, fromEnvironment, keepsake } from 'keepsake/express';
import { demonstrate } from './demonstrate.js';

/** Of the same name the last pair counts. */
function cacheConfiguration(): ConfigurationPairs {
  return [['backend', 'redis'], ['redis_url', 'redis://localhost:6379'], ...fromEnvironment()];
}

const demo = process.argv.includes('--demo');
const app = express();
const { close } = keepsake(app, { cache: cacheConfiguration });
app.use(express.json());

app.post('/', async (request, response) => {
  const { key, value } = request.body ?? {};
  if (typeof key !== 'string' || key === '' || key.length > 200 || typeof value !== 'string') {
    response.status(400).send('key and value must be text\n');
    return;
  }
  await request.cache.put(key, value);
  response.type('text/plain').send('OK');
});

app.get('/:key', async (request, response) => {
  const value = await request.cache.fetch(request.params.key);
  response.type('text/plain');
  if (value === undefined) response.status(404).send('there is no such value\n');
  else response.send(value);
});

const server = app.listen(demo ? 0 : Number(process.env.PORT ?? 8080), '127.0.0.1');
await once(server, 'listening');
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
const stop = async () => {
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await closed;
  await close();
};
if (demo) {
  await demonstrate(url);
  await stop();
} else {
  console.log(`listening at ${url}`);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop);
}
