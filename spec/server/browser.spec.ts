import { mkdtempSync, rmSync } from 'node:fs';
import { createServer as createNodeServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { fastify } from 'fastify';
import { memory } from 'keepsake';
import { backendRoutes } from 'keepsake/server';
import { type BrowserContext, chromium, type Page } from 'playwright-core';
import { ask } from '../support/asking.js';
import { findProgram, NotInstalledError } from '../support/servers/server.js';

/** What the pages have of a document. */
declare const document: {
  readonly head: { append(element: object): void };
  readonly body: { innerHTML: string };
  readonly forms: readonly { submit(): void }[];
  createElement(name: string): { src: string; onload: () => void; onerror: () => void };
};

const FLAGS = [
  ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
];

describe('a browser', function () {
  this.timeout(120_000);
  const backend = memory();
  const app = fastify();
  let own: string;
  let foreign: Server;
  let foreignUrl: string;
  let profile: string;
  let browser: BrowserContext | undefined;
  let page: Page;

  before('starts the browser', async function () {
    let executablePath: string;
    try {
      executablePath = findProgram('chromium', 'PATH');
    } catch (error) {
      if (!(error instanceof NotInstalledError)) throw error;
      console.log('  skipped: chromium is not installed: npm run servers:install');
      return this.skip();
    }
    await app.register(backendRoutes, { prefix: '/store', backend });
    app.get('/', (_request, reply) => reply.type('text/html').send('<!doctype html><title>own</title>'));
    own = await app.listen({ host: '127.0.0.1', port: 0 });
    foreign = createNodeServer((_request, response) => {
      response.setHeader('content-type', 'text/html').end('<!doctype html><title>foreign</title><body></body>');
    });
    await new Promise<void>((resolve) => foreign.listen(0, '127.0.0.1', resolve));
    // Another name of this machine is another origin, and another site.
    foreignUrl = `http://localhost:${(foreign.address() as { port: number }).port}`;
    profile = mkdtempSync(join(tmpdir(), 'keepsake-browser-'));
    browser = await chromium.launchPersistentContext(profile, { executablePath, headless: true, args: FLAGS });
    page = await browser.newPage();
  });

  after('stops the browser', async () => {
    await browser?.close();
    foreign?.closeAllConnections();
    foreign?.close();
    await app.close();
    if (profile !== undefined) rmSync(profile, { recursive: true, force: true });
  });

  beforeEach(() => backend.clear());

  it('stores, fetches, lists and deletes from a page of its own origin', async () => {
    await page.goto(own);
    const told = await page.evaluate(async () => {
      const keys = ['a b', 'a/b', 'a?b#c', '%', '😀', 'é'];
      const path = (key: string) => `/store/${encodeURIComponent(key)}`;
      for (const key of keys)
        await fetch(path(key), { method: 'PUT', body: new TextEncoder().encode(`value of ${key}`) });
      const values: string[] = [];
      for (const key of keys) values.push(await (await fetch(path(key))).text());
      const { keys: listed } = (await (await fetch('/store/')).json()) as { keys: string[] };
      const { status } = await fetch(path('%'), { method: 'DELETE' });
      const missing = (await fetch(path('%'))).status;
      return { keys, values, listed, status, missing };
    });
    expect(told.values).to.deep.equal(told.keys.map((key) => `value of ${key}`));
    expect(told.listed).to.deep.equal(told.keys);
    expect([told.status, told.missing]).to.deep.equal([204, 404]);
  });

  it('is not given a stored page to run', async () => {
    await ask(own, 'PUT', '/store/page', {
      body: '<script>document.title = "stolen"</script>',
      headers: { 'content-type': 'text/html' },
    });
    await page.goto(own);
    const download = page.waitForEvent('download');
    await page.goto(`${own}/store/page`).catch(() => undefined);
    await (await download).cancel();
    expect(await page.title()).to.equal('own');
    const run = await page.evaluate(
      () =>
        new Promise<string>((resolve) => {
          const script = document.createElement('script');
          script.src = '/store/page';
          script.onload = () => resolve('run');
          script.onerror = () => resolve('refused');
          document.head.append(script);
        }),
    );
    expect(run).to.equal('refused');
  });

  it('stores and reads nothing for a page of another site', async () => {
    await backend.set('secret', 'of another');
    await page.goto(foreignUrl);
    const told = await page.evaluate(async (store) => {
      const attempt = (work: Promise<Response>) =>
        work.then(
          (response) => response.type,
          () => 'refused',
        );
      const simple = { 'content-type': 'text/plain' };
      return [
        await attempt(fetch(`${store}/secret`)),
        await attempt(fetch(`${store}/a`, { method: 'POST', body: 'x', headers: simple })),
        await attempt(fetch(`${store}/b`, { method: 'PUT', body: 'x' })),
        await attempt(fetch(`${store}/c`, { method: 'POST', mode: 'no-cors', body: 'x', headers: simple })),
      ];
    }, `${own}/store`);
    expect(told.slice(0, 3)).to.deep.equal(['refused', 'refused', 'refused']);
    // A form navigates, so that no script is asked.
    await page.evaluate((action) => {
      document.body.innerHTML = `<form method="post" action="${action}"><input name="a" value="b"></form>`;
      document.forms[0]?.submit();
    }, `${own}/store/form`);
    await page.waitForURL(`${own}/store/form`);
    expect(await page.textContent('body')).to.contain('another origin');
    expect([...(await keysOf())]).to.deep.equal(['secret']);
  });

  async function keysOf(): Promise<string[]> {
    return (await backend.page()).keys;
  }
});
