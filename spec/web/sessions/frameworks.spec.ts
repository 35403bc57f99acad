import { expect } from 'chai';
import type { Backend } from 'keepsake';
import { all } from '../../support/folders.js';
import { type SessionApp, sessionApps } from '../../support/session-apps.js';
import { Browser, onEveryEngine, Signal, type Site, until } from '../../support/web.js';

describe('sessions', function () {
  this.timeout(60_000);
  for (const app of sessionApps) {
    describe(`of ${app.name}`, () => onEveryEngine((backend) => sessionsOf(app, backend)));
  }
});

function sessionsOf(app: SessionApp, backend: () => Backend<unknown>): void {
  let site: Site;
  let browser: Browser;
  let open: Signal;
  let arrived: number;

  beforeEach(async () => {
    open = new Signal();
    arrived = 0;
    const gates = {
      open,
      arrived: () => {
        arrived++;
      },
    };
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

  it('keep what one of 20 parallel requests changes, where the framework itself would', async () => {
    await browser.get('/login/ann');
    await id();
    const held = Array.from({ length: 19 }, () => browser.clone().get('/held'));
    await until(() => arrived === 19);
    expect((await browser.clone().get('/set/1')).text).to.equal('ann 1');
    open.give();
    for (const { text } of await Promise.all(held)) expect(text).to.equal('ann -');
    // These save all that they have read, whatever the store.
    const saveAll = app.name === '@fastify/session, rolling' || app.name === 'hono-sessions, extending';
    expect((await browser.get('/me')).text).to.equal(saveAll ? 'ann -' : 'ann 1');
  });

  it('that were destroyed stay so when a request that read them ends', async () => {
    await browser.get('/login/ann');
    await id();
    const held = Array.from({ length: 19 }, () => browser.clone().get('/held'));
    await until(() => arrived === 19);
    await browser.clone().get('/logout');
    await until(async () => (await stored().count()) === 0);
    open.give();
    await Promise.all(held);
    // This saves what it has read, as with any store: nothing tells it from a new session.
    const resurrects = app.name === '@fastify/session, rolling';
    expect(await stored().count()).to.equal(resurrects ? 1 : 0);
  });

  it('take no id that a client made up', async () => {
    await backend().set('secret', '{"name":"root","cookie":{},"_data":{"name":{"value":"root"}}}');
    for (const made of ['secret', '..%2Fsecret', 's:secret.sig', 'x'.repeat(2000), '%00', '__proto__', '*']) {
      const stranger = new Browser(() => site);
      for (const name of ['connect.sid', 'sessionId', 'session', 'sid']) stranger.cookies.set(name, made);
      const { status, text } = await stranger.get('/me');
      expect(text, made.slice(0, 20)).to.not.include('root');
      expect(status, made.slice(0, 20)).to.be.oneOf([401, 500]);
    }
    expect((await new Browser(() => site).get('/me')).status).to.equal(401);
  });
}
