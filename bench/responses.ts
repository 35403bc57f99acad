import { once } from 'node:events';
import { Agent, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { serve } from '@hono/node-server';
import express from 'express';
import createFastify from 'fastify';
import { Hono } from 'hono';
import { keepsake as expressKeepsake } from 'keepsake/express';
import { keepsake as fastifyKeepsake } from 'keepsake/fastify';
import { keepsake as honoKeepsake, type KeepsakeEnv } from 'keepsake/hono';
import { type Contestant, eachOf, interleave, of } from './support/measure.js';
import { parseOptions } from './support/options.js';
import { printTable, short } from './support/table.js';

const { quick } = parseOptions(process.argv.slice(2));
const settings = { rounds: quick ? 3 : 15, warmUps: quick ? 1 : 3 };
const REQUESTS = Array.from({ length: quick ? 200 : 2000 }, (_, index) => index);
const AT_ONCE = 20;

/** What the handlers answer: a line that is there already, and a list of which they make JSON each time. */
const LINE = 'Hello, Ann\n';
const LIST = Array.from({ length: 500 }, (_, id) => ({ id, name: `name of ${id}`, tags: ['a', 'b'], since: 2030 }));
const paths = ['/line', '/list'];

/** A server with each path bare, and cached below `/cached`. */
interface Subject {
  readonly name: string;
  readonly port: number;
  close(): Promise<unknown>;
}

async function fastifySubject(): Promise<Subject> {
  const app = createFastify();
  await app.register(fastifyKeepsake);
  for (const [prefix, config] of [
    ['', {}],
    ['/cached', { cache: '1h' }],
  ] as const) {
    app.get(`${prefix}/line`, { config }, async () => LINE);
    app.get(`${prefix}/list`, { config }, async () => LIST);
  }
  await app.listen({ port: 0, host: '127.0.0.1' });
  return { name: 'Fastify', port: (app.server.address() as AddressInfo).port, close: () => app.close() };
}

async function expressSubject(): Promise<Subject> {
  const app = express();
  const { cached, close } = expressKeepsake(app);
  for (const [prefix, how] of [
    ['', false],
    ['/cached', '1h'],
  ] as const) {
    app.get(`${prefix}/line`, cached(how), (_request, response) => void response.type('text').send(LINE));
    app.get(`${prefix}/list`, cached(how), (_request, response) => void response.json(LIST));
  }
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { name: 'Express', port, close: () => Promise.all([server.close(), close()]) };
}

async function honoSubject(): Promise<Subject> {
  const app = new Hono<KeepsakeEnv>();
  const { cached, close } = honoKeepsake(app);
  for (const [prefix, how] of [
    ['', false],
    ['/cached', '1h'],
  ] as const) {
    app.get(`${prefix}/line`, cached(how), (c) => c.text(LINE));
    app.get(`${prefix}/list`, cached(how), (c) => c.json(LIST));
  }
  const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' });
  if (!server.listening) await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { name: 'Hono', port, close: () => Promise.all([server.close(), close()]) };
}

const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });

/** The bytes of a response. */
function get(port: number, path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const asked = request({ port, path, agent, host: '127.0.0.1' }, (response) => {
      let length = 0;
      response.on('data', (chunk: Buffer) => {
        length += chunk.length;
      });
      response.on('end', () => resolve(length));
    });
    asked.on('error', reject).end();
  });
}

const subjects = [await fastifySubject(), await expressSubject(), await honoSubject()];
const rows: string[][] = [];
for (const path of paths) {
  const contestants: Contestant[] = [];
  for (const { name, port } of subjects) {
    for (const place of [path, `/cached${path}`]) {
      if ((await get(port, place)) !== (await get(port, path))) throw new Error(`${name} lies at ${place}`);
      const run = () => eachOf(REQUESTS, AT_ONCE, () => get(port, place));
      contestants.push({ name: `${name} ${place}`, operations: REQUESTS.length, run });
    }
  }
  const measured = await interleave(contestants, settings);
  for (const { name } of subjects) {
    const [bare, cached] = [of(measured, `${name} ${path}`), of(measured, `${name} /cached${path}`)];
    rows.push([`${name} ${path}`, short(bare.rate), short(cached.rate), short(cached.speedOver(bare))]);
  }
}
printTable(
  `Cached responses in memory: ${AT_ONCE} requests at a time over HTTP, the client in the same process; requests a second`,
  ['', 'bare', 'cached', 'cached to bare'],
  rows,
);
agent.destroy();
for (const subject of subjects) await subject.close();
