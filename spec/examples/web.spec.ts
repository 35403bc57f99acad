import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect } from 'chai';
import { buildSync } from 'esbuild';
import { until } from '../support/generations.js';
import { startRedis } from '../support/servers/redis.js';
import { useServer } from '../support/servers/server.js';

describe('examples/web', function () {
  this.timeout(60_000);
  let folder: string;
  const children: ChildProcess[] = [];

  before(() => {
    // Within the project, so that its name is found.
    mkdirSync('build', { recursive: true });
    folder = mkdtempSync(join('build', 'web-'));
    const entryPoints = ['memory', 'redis', 'demonstrate'].map((name) => join('examples', 'web', `${name}.ts`));
    buildSync({ entryPoints, outdir: folder, format: 'esm', target: 'es2022', sourcemap: true });
  });

  after(() => rmSync(folder, { recursive: true, force: true }));

  afterEach(async () => {
    for (const child of children.splice(0)) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  });

  function run(name: string, parameters: readonly string[], env: Record<string, string>) {
    const child = spawn(process.execPath, [join(folder, `${name}.js`), ...parameters], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    children.push(child);
    const lines: string[] = [];
    for (const input of [child.stdout, child.stderr]) createInterface({ input }).on('line', (line) => lines.push(line));
    return { child, lines, ended: once(child, 'close') };
  }

  /** What an example does, by itself and as a server. */
  function works(name: string, env: () => Record<string, string>): void {
    it('demonstrates itself', async () => {
      const { lines, ended } = run(name, ['--demo'], env());
      const [code] = await ended;
      expect(lines).to.deep.equal([
        'POST / → 200 OK',
        'GET /greeting → 200 Hello, Ann',
        'GET /greeting with cache-control: no-cache → 404 there is no such value',
        'GET /farewell → 404 there is no such value',
      ]);
      expect(code).to.equal(0);
    });

    it('serves until it is told to end', async () => {
      const { child, lines, ended } = run(name, [], { ...env(), PORT: '0' });
      const url = () => lines.map((line) => /^listening at (\S+)/.exec(line)?.[1]).find((one) => one !== undefined);
      await until(() => url() !== undefined);
      const post = (body: unknown) =>
        fetch(String(url()), {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(body),
        });
      expect((await post({ key: 'a b/ä', value: '<b>' })).status).to.equal(200);
      expect((await post({ key: '', value: 'x' })).status).to.equal(400);
      expect((await post({ value: 'x' })).status).to.equal(400);
      const response = await fetch(`${url()}/${encodeURIComponent('a b/ä')}`);
      expect(response.headers.get('content-type')).to.match(/^text\/plain/);
      expect(await response.text()).to.equal('<b>');
      child.kill('SIGTERM');
      expect(await ended).to.deep.equal([0, null]);
    });
  }

  describe('memory.ts', () => works('memory', () => ({})));

  describe('redis.ts', () => {
    const using = useServer(startRedis);
    works('redis', () => ({ KEEPSAKE_CACHE_REDIS_URL: using.server.url }));
  });
});
