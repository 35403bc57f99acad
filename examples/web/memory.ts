// A cache in memory behind two routes: POST / puts a value, GET /:key fetches it.
// With --demo it asks itself a few things and ends; otherwise it listens on PORT, 8080 by default.
import createFastify from 'fastify';
import { keepsake } from 'keepsake/fastify';
import { demonstrate } from './demonstrate.js';

interface Payload {
  readonly key: string;
  readonly value: string;
}

const payload = {
  type: 'object',
  required: ['key', 'value'],
  properties: { key: { type: 'string', minLength: 1, maxLength: 200 }, value: { type: 'string' } },
};

const demo = process.argv.includes('--demo');
const app = createFastify();
await app.register(keepsake);

app.post<{ Body: Payload }>('/', { schema: { body: payload } }, async (request) => {
  await request.cache.put(request.body.key, request.body.value);
  return 'OK';
});

app.get<{ Params: { key: string } }>('/:key', async (request, reply) => {
  const value = await request.cache.fetch(request.params.key);
  return value ?? reply.code(404).send('there is no such value\n');
});

const url = await app.listen({ port: demo ? 0 : Number(process.env.PORT ?? 8080), host: '127.0.0.1' });
if (demo) {
  await demonstrate(url);
  await app.close();
} else {
  console.log(`listening at ${url}`);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => app.close());
}
