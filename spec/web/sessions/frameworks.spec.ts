import { expect } from 'chai';
import { Hono } from 'hono';
import { MemoryStore, type Session, type Store, sessionMiddleware } from 'hono-sessions';
import { Backend } from 'keepsake';
import { HonoSessionStore } from 'keepsake/hono';
import { redis } from 'keepsake/redis';
import { FailingDriver } from '../../support/failing.js';
import { all } from '../../support/folders.js';
import { startRedis } from '../../support/servers/redis.js';
import { useServer } from '../../support/servers/server.js';
import { type Gates, type SessionApp, sessionApps } from '../../support/session-apps.js';
import { Browser, onEveryEngine, Signal, type Site, until } from '../../support/web.js';

describe('sessions', function () {
  this.timeout(60_000);
  for (const app of sessionApps) {
    describe(`of ${app.name}`, () => {
      onEveryEngine((backend) => sessionsOf(app, backend));
      describe('over a backend that fails', () => failuresOf(app));
      describe('over a Redis that goes away', () => outagesOf(app));
    });
  }
});

describe('sessions of hono-sessions', () => {
  /** Has 20 requests read a session, and then each change something else of it; what there is at the end. */
  async function changedBy20(store: Store | HonoSessionStore): Promise<string> {
    const app = new Hono<{ Variables: { session: Session; session_key_rotation: boolean } }>();
    app.use(sessionMiddleware({ store, encryptionKey: 'a secret that is long enough for it', expireAfterSeconds: 60 }));
    const gate = new Signal();
    let arrived = 0;
    app.get('/set/:name', async (context) => {
      if (++arrived === 21) gate.give();
      await (arrived === 1 || gate.given);
      context.get('session').set(context.req.param('name'), 1);
      return context.text('');
    });
    app.get('/names', (context) => context.text(Object.keys(context.get('session').getCache()._data).sort().join()));
    const login = await app.request('/set/ann');
    const headers = { cookie: login.headers.getSetCookie()[0]?.split(';')[0] ?? '' };
    await Promise.all(Array.from({ length: 20 }, (_, index) => app.request(`/set/${index}`, { headers })));
    return (await app.request('/names', { headers })).text();
  }

  onEveryEngine((backend) => {
    it('keep what each of 20 parallel requests changes, as in its own store', async () => {
      const kept = await changedBy20(new HonoSessionStore({ backend: backend() }));
      expect(kept.split(',')).to.have.lengthOf(21);
      expect(kept).to.equal(await changedBy20(new MemoryStore()));
    });
  });
});

function sessionsOf(app: SessionApp, backend: () => Backend<unknown>): void {
  let site: Site;
  let browser: Browser;
  let gates: CountingGates;

  beforeEach(async () => {
    gates = new CountingGates();
    site = await app.start(backend(), gates);
    browser = new Browser(() => site);
  });
  afterEach(() => site.close());

  const stored = () => backend().namespace('sessions');
  /** The id of the only session there is. */
  async function id(): Promise<string> {
    await until(async () => (await stored().count()) > 0);
    const ids = await all(stored().keys());
    expect(ids).to.have.lengthOf(1);
    return ids[0] as string;
  }

  it('log in and out', async () => {
    expect((await browser.get('/me')).status).to.equal(401);
    await browser.get('/login/ann');
    expect((await browser.get('/me')).text).to.equal('ann -');
    const thief = browser.clone();
    await browser.get('/logout');
    expect((await browser.get('/me')).status).to.equal(401);
    expect((await thief.get('/me')).status, 'a cookie that was copied').to.equal(401);
  });

  it('are kept as JSON text, each for itself', async () => {
    await browser.get('/login/ann');
    const value = await stored().get(await id());
    const text = value instanceof Uint8Array ? Buffer.from(value).toString() : String(value);
    expect(JSON.stringify(JSON.parse(text))).to.include('ann');
    const other = new Browser(() => site);
    await other.get('/login/bob');
    await browser.get('/set/1');
    await other.get('/set/2');
    expect((await browser.get('/me')).text).to.equal('ann 1');
    expect((await other.get('/me')).text).to.equal('bob 2');
  });

  it('expire', async () => {
    await browser.get('/login/ann');
    await stored().touch(await id(), 1);
    await until(async () => (await stored().count()) === 0);
    expect((await browser.get('/me')).status).to.equal(401);
    await browser.get('/login/bob');
    expect((await browser.get('/me')).text).to.equal('bob -');
  });

  it(app.renews ? 'live longer when they are used' : 'live as long as was said when they were saved', async () => {
    await browser.get('/login/ann');
    const key = await id();
    await stored().touch(key, '1m');
    const before = (await stored().getEntry(key))?.expiresAt ?? 0;
    expect((await browser.get('/me')).status).to.equal(200);
    const after = (await stored().getEntry(key))?.expiresAt ?? 0;
    // The lifetime is an hour.
    if (app.renews) expect(after - before).to.be.above(30 * 60_000);
    else expect(after).to.equal(before);
  });

  it('keep what one of 20 parallel requests changes while the others only read', async () => {
    await browser.get('/login/ann');
    const held = Array.from({ length: 19 }, () => browser.clone().get('/held'));
    await until(() => gates.count === 19);
    expect((await browser.clone().get('/set/1')).text).to.equal('ann 1');
    gates.open.give();
    for (const { text } of await Promise.all(held)) expect(text).to.equal('ann -');
    expect((await browser.get('/me')).text).to.equal('ann 1');
  });

  it('that were destroyed stay so when requests that have read them end', async () => {
    await browser.get('/login/ann');
    const held = Array.from({ length: 19 }, () => browser.clone().get('/held'));
    await until(() => gates.count === 19);
    const thief = browser.clone();
    await browser.get('/logout');
    gates.open.give();
    await Promise.all(held);
    expect((await thief.get('/me')).status).to.equal(401);
  });

  it('take no id that a client made up', async () => {
    await backend().set('secret', '{"name":"root","cookie":{},"_data":{"name":{"value":"root"}}}');
    const madeUp = ['secret', '..%2Fsecret', 's:secret.sig', 'x'.repeat(2000), '%00', '__proto__', '*'];
    // @hono/session prints each that it cannot decrypt.
    for (const made of app.name === '@hono/session' ? madeUp.slice(0, 1) : madeUp) {
      const stranger = new Browser(() => site);
      for (const name of ['connect.sid', 'sessionId', 'session', 'sid']) stranger.cookies.set(name, made);
      const { status, text } = await stranger.get('/me');
      expect(text, made.slice(0, 20)).to.not.include('root');
      expect(status, made.slice(0, 20)).to.be.oneOf([401, 500]);
    }
    expect((await new Browser(() => site).get('/me')).status).to.equal(401);
  });
}

class CountingGates implements Gates {
  readonly open = new Signal();
  count = 0;

  arrived(): void {
    this.count++;
  }
}

const noGates = { open: new Signal(), arrived: () => undefined };

function failuresOf(app: SessionApp): void {
  it(app.tellsFailures ? 'answer 500, and are there again afterwards' : 'begin anew', async () => {
    const driver = new FailingDriver();
    const site = await app.start(new Backend(driver), noGates);
    const browser = new Browser(() => site);
    await browser.get('/login/ann');
    await until(() => driver.operations.some((line) => line.startsWith('write')));
    const before = new Map(browser.cookies);
    driver.fate = (operation) => (operation === 'read' ? 'before' : undefined);
    const { status, text } = await browser.get('/me');
    driver.fate = () => undefined;
    if (app.tellsFailures) {
      expect([status, text]).to.deep.equal([500, 'KEEPSAKE_STORAGE']);
      expect(new Map(browser.cookies)).to.deep.equal(before);
      expect((await browser.get('/me')).text).to.equal('ann -');
    } else {
      expect(status).to.equal(401);
    }
    await site.close();
  });
}

function outagesOf(app: SessionApp): void {
  const using = useServer(startRedis);

  it('answer an error while it is away, and work when it is back', async function () {
    if (using.server.process === undefined) this.skip();
    const backend = redis(using.server.url, { timeout: '2s' });
    const site = await app.start(backend, noGates);
    const browser = new Browser(() => site);
    await browser.get('/login/ann');
    expect((await browser.get('/me')).text).to.equal('ann -');
    await using.server.process.kill();
    const away = await browser.get('/me');
    expect(away.status).to.equal(500);
    if (app.tellsFailures) expect(away.text).to.match(/^KEEPSAKE_(CONNECTION|TIMEOUT)$/);
    await using.server.process.restart();
    await until(async () => (await browser.get('/login/bob')).status === 200);
    await until(async () => (await browser.get('/me')).text === 'bob -');
    await site.close();
    await backend.close();
  });
}
