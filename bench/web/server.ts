import { createServer as createNodeServer } from 'node:http';
import { fastify } from 'fastify';
import { toNodeListener } from 'h3';
import { memory } from 'keepsake';
import { createServer } from 'keepsake/server';
import { createStorage } from 'unstorage';
import { createStorageServer } from 'unstorage/server';

/** Starts a server, and answers its port. */
const starts: Readonly<Record<string, () => Promise<number>>> = {
  keepsake: async () => portOf(await createServer(memory()).listen()),
  fastify: async () => {
    const stored = new Map<string, Buffer>();
    const app = fastify();
    app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
    app.get<{ Params: { key: string } }>('/:key', async ({ params }, reply) => {
      const value = stored.get(params.key);
      if (value === undefined) return reply.code(404).send();
      return reply.header('content-type', 'application/octet-stream').send(value);
    });
    app.put<{ Params: { key: string }; Body: Buffer }>('/:key', async ({ params, body }, reply) => {
      stored.set(params.key, body);
      return reply.code(204).send();
    });
    return portOf(await app.listen({ host: '127.0.0.1', port: 0 }));
  },
  unstorage: async () => {
    const { handle } = createStorageServer(createStorage());
    const server = createNodeServer(typeof handle === 'function' ? handle : toNodeListener(handle));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return (server.address() as { port: number }).port;
  },
};

function portOf(address: string): number {
  return Number(new URL(address).port);
}

const start = starts[process.argv[2] ?? ''];
if (start === undefined) throw new Error(`there is no server ${process.argv[2]}`);
process.send?.({ port: await start() });
// Asked for what it has used, it answers; it ends when its parent does.
process.on('message', () => {
  const { user, system } = process.cpuUsage();
  globalThis.gc?.();
  globalThis.gc?.();
  const { heapUsed: held, rss: resident } = process.memoryUsage();
  process.send?.({ computed: user + system, held, resident });
});
process.on('disconnect', () => process.exit());
