import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { Backend } from 'keepsake';
import { redis } from 'keepsake/redis';
import { FailingDriver } from '../../support/failing.js';
import { limitedApps } from '../../support/limited-apps.js';
import { startRedis } from '../../support/servers/redis.js';
import { useServer } from '../../support/servers/server.js';
import { onEveryEngine, type Site, until } from '../../support/web.js';

const WINDOW = 600_000;

/** Sends so many requests at once, to one site after another; how often each status came back. */
async function flood(sites: readonly string[], requests: number, client = 'ann'): Promise<Record<number, number>> {
  const statuses = await Promise.all(
    Array.from({ length: requests }, async (_, index) => {
      const response = await fetch(`${sites[index % sites.length]}/`, { headers: { client } });
      await response.arrayBuffer();
      return response.status;
    }),
  );
  const counted: Record<number, number> = {};
  for (const status of statuses) counted[status] = (counted[status] ?? 0) + 1;
  return counted;
}

describe('rate limits', function () {
  this.timeout(120_000);

  for (const app of limitedApps) {
    describe(`of ${app.name}`, () => {
      onEveryEngine((backend) => {
        let site: Site;
        afterEach(() => site.close());

        it('let exactly 100 of 1,000 parallel requests through', async () => {
          site = await app.start(backend(), { limit: 100, window: WINDOW });
          expect(await flood([site.url], 1000)).to.deep.equal({ 200: 100, 429: 900 });
          expect(await flood([site.url], 3, 'bob'), 'another client').to.deep.equal({ 200: 3 });
        });

        it('begin anew when the window is over, which the first request has set', async () => {
          site = await app.start(backend(), { limit: 2, window: WINDOW });
          expect(await flood([site.url], 1)).to.deep.equal({ 200: 1 });
          const counters = backend().namespace('rate_limit');
          const set = (await counters.getEntry('ann'))?.expiresAt ?? 0;
          expect(set).to.be.within(Date.now() + WINDOW / 2, Date.now() + WINDOW + 1000);
          expect(await flood([site.url], 4)).to.deep.equal({ 200: 1, 429: 3 });
          expect((await counters.getEntry('ann'))?.expiresAt).to.equal(set);
          await counters.touch('ann', 1);
          await until(async () => !(await counters.has('ann')));
          expect(await flood([site.url], 4)).to.deep.equal({ 200: 2, 429: 2 });
        });
      });

      describe('of four processes on Redis', () => {
        const using = useServer(startRedis);
        const workers: ChildProcess[] = [];
        afterEach(async () => {
          for (const worker of workers.splice(0)) {
            worker.stdin?.end();
            if (worker.exitCode === null) await once(worker, 'exit');
          }
        });

        it('let exactly 100 of 1,000 parallel requests through', async () => {
          const namespace = randomUUID();
          const program = fileURLToPath(new URL('../../support/limited-worker.js', import.meta.url));
          const urls = Array.from({ length: 4 }, async () => {
            const worker = spawn(process.execPath, [program, using.server.url, namespace, app.name], {
              stdio: ['pipe', 'pipe', 'inherit'],
            });
            workers.push(worker);
            const [url] = await once(createInterface({ input: worker.stdout as NodeJS.ReadableStream }), 'line');
            return String(url);
          });
          expect(await flood(await Promise.all(urls), 1000)).to.deep.equal({ 200: 100, 429: 900 });
          const backend = redis(using.server.url, { namespace });
          expect(Buffer.from((await backend.get('rate_limit:ann')) ?? '').toString()).to.equal('1000');
          await backend.close();
        });
      });

      describe('over a backend that fails', () => {
        const failing = () => {
          const driver = new FailingDriver();
          driver.fate = () => 'before';
          return new Backend(driver) as Backend<unknown>;
        };

        it('answer 500, unless told otherwise', async () => {
          const site = await app.start(failing(), { limit: 2, window: WINDOW });
          expect(await flood([site.url], 3)).to.deep.equal({ 500: 3 });
          await site.close();
        });

        if (app.name === 'hono-rate-limiter') return;
        it('let requests through where they are told to', async () => {
          const site = await app.start(failing(), { limit: 2, window: WINDOW, passOnError: true });
          expect(await flood([site.url], 3)).to.deep.equal({ 200: 3 });
          await site.close();
        });
      });

      if (app.name === '@fastify/rate-limit') return;
      describe('of requests that failed', () => {
        onEveryEngine((backend) => {
          it('are taken back where they are told to', async () => {
            const site = await app.start(backend(), { limit: 100, window: WINDOW, skipFailed: true });
            await Promise.all(
              Array.from({ length: 50 }, async () => {
                const response = await fetch(`${site.url}/fail`, { headers: { client: 'ann' } });
                await response.arrayBuffer();
              }),
            );
            const counters = backend().namespace('rate_limit');
            const text = async () => {
              const stored = await counters.get('ann');
              return stored instanceof Uint8Array ? Buffer.from(stored).toString() : String(stored);
            };
            await until(async () => (await text()) === '0');
            expect(await flood([site.url], 120)).to.deep.equal({ 200: 100, 429: 20 });
            // To express-rate-limit, those that were refused have failed too.
            const left = app.name === 'express-rate-limit' ? '100' : '120';
            await until(async () => (await text()) === left);
            await site.close();
          });
        });
      });
    });
  }
});
