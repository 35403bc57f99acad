import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { type Backend, encoded, json, openBackend, provider, Service, Store } from 'keepsake';
import { type RedisOptions, redis } from 'keepsake/redis';
import { createClient, createCluster } from 'redis';
import { slotOf } from '#lib/drivers/redis/slots.js';
import { failure } from '../../support/failure.js';
import { FaultProxy } from '../../support/fault-proxy.js';
import { all, text } from '../../support/folders.js';
import { until } from '../../support/generations.js';
import { keepApart } from '../../support/namespaces-apart.js';
import { startRedis, startRedisCluster, startRedisTls } from '../../support/servers/redis.js';
import { useServer } from '../../support/servers/server.js';
import { countTrips } from '../../support/trips.js';

const connectRaw = (url: string) => createClient({ url });

describe('redis', function () {
  this.timeout(60_000);
  // Never one that is named: these specs clear databases.
  const using = useServer(() => startRedis({ parameters: ['--databases', '16'] }));
  const opened: Backend[] = [];

  function open(options: RedisOptions = {}, url = using.server.url): Backend {
    const backend = redis(url, options);
    opened.push(backend);
    return backend;
  }

  afterEach(async () => {
    for (const backend of opened.splice(0)) await backend.close();
  });

  /** Works with the server past keepsake. */
  async function raw<T>(work: (client: ReturnType<typeof connectRaw>) => Promise<T>): Promise<T> {
    const client = connectRaw(using.server.url);
    await client.connect();
    try {
      return await work(client);
    } finally {
      client.destroy();
    }
  }

  describe('on the server', () => {
    it('keeps an entry as a string under its namespace and key', async () => {
      await open().set('plain', 'value');
      await open({ namespace: 'mine' }).set('a:b', 'value');
      await open({ namespace: null }).set('bare', 'value');
      await raw(async (client) => {
        expect(await client.mGet(['keepsake:plain', 'mine:a:b', 'bare'])).to.deep.equal(['value', 'value', 'value']);
      });
    });

    it("uses Redis' own expiry, a millisecond before the deadline, after which Redis takes a key as expired", async () => {
      const expiresAt = Date.now() + 3_600_000;
      await open().set('expires', 'value', { expiresAt });
      expect(await raw((client) => client.pExpireTime('keepsake:expires'))).to.equal(expiresAt - 1);
    });

    it('names a value by its digest, as the scripts of the server do', async () => {
      const backend = open();
      await backend.set('digest', 'value');
      expect((await backend.getEntry('digest'))?.version).to.equal('f32b67c7e26342af42efabc674d441dca0a281c5');
    });

    it('replaces a version by bytes that are no Buffer', async () => {
      const backend = open({ namespace: 'bytes' });
      await backend.set('key', Uint8Array.of(1, 2));
      const version = (await backend.getEntry('key'))?.version ?? '';
      expect(await backend.set('key', Uint8Array.of(3, 4), { if: { version } })).to.equal(true);
      expect(await backend.get('key')).to.deep.equal(Uint8Array.of(3, 4));
    });

    it('says so of a key that holds something else than a string', async () => {
      const backend = open({ namespace: 'foreign' });
      await raw((client) => client.lPush('foreign:list', 'item'));
      for (const work of [() => backend.get('list'), () => backend.getEntry('list'), () => backend.increment('list')]) {
        expect(await failure(work)).to.include({ code: 'KEEPSAKE_CORRUPT_DATA', key: 'list' });
      }
      const reported: string[] = [];
      const listing = open({ namespace: 'foreign', report: (error) => reported.push(error.code) });
      await listing.set('mine', 'value');
      expect((await all(listing.entries())).map(([key]) => key)).to.deep.equal(['mine']);
      expect(reported).to.deep.equal(['KEEPSAKE_CORRUPT_DATA']);
    });

    it('leaves out keys of others that are no keys of keepsake', async () => {
      const backend = open({ namespace: null });
      const long = 'x'.repeat(1025);
      await raw(async (client) => {
        await client.sendCommand(['SET', Buffer.from([0xff, 0xfe]), 'value'] as string[]);
        await client.set(long, 'value');
      });
      await backend.set('mine alone', 'value');
      const keys = await all(backend.keys());
      expect(keys).to.include('mine alone');
      expect(keys.filter((key) => key === long || key.includes('\ufffd'))).to.deep.equal([]);
    });

    it('sends a script once more in full when the server has forgotten it', async () => {
      const backend = open();
      await backend.increment('scripted');
      await raw((client) => client.scriptFlush());
      expect((await backend.increment('scripted')).value).to.equal(2);
      await backend.delete('scripted');
    });
  });

  describe('namespaces', () => {
    it('finds, counts and clears exactly its own of 100,000 keys with names alike', async function () {
      this.timeout(120_000);
      await keepApart((namespace) => open({ namespace }));
    });

    it('shows nothing of another, whatever the cursor says', async () => {
      await open({ namespace: 'secret' }).set('key', 'value');
      await open({ namespace: 'open' }).set('key', 'value');
      const backend = open({ namespace: 'open' });
      for (const cursor of ['["","0",["secret:key","open:key","open:gone"]]', '["","",["secret:key"]]']) {
        const { keys } = await backend.page({ cursor });
        expect(keys.filter((key) => key !== 'key')).to.deep.equal([]);
      }
      const error = await failure(() => backend.page({ cursor: '["elsewhere","0"]' }));
      expect(error).to.include({ code: 'KEEPSAKE_INVALID_ARGUMENT' });
    });

    it('clears a whole database only when told so', async () => {
      const backend = open({ namespace: null, database: 5 });
      await backend.set('mine', 'value');
      const error = await failure(() => backend.clear());
      expect(error).to.include({ code: 'KEEPSAKE_UNSUPPORTED', operation: 'clear' });
      expect((error as Error).message).to.include('{ everything: true }');
      expect(await failure(() => encoded(backend, json()).clear())).to.include({ code: 'KEEPSAKE_UNSUPPORTED' });
      expect(await backend.count()).to.equal(1);
      await backend.clear({ prefix: 'min' });
      await backend.set('mine', 'value');
      await encoded(backend, json()).clear({ everything: true });
      expect(await backend.count()).to.equal(0);
    });
  });

  describe('round trips', () => {
    let proxy: FaultProxy;
    let backend: Backend;
    before(async () => {
      const { host, port } = using.server;
      proxy = await FaultProxy.before({ host, port });
    });
    after(() => proxy?.close());
    beforeEach(async () => {
      backend = open({ namespace: 'trips' }, `redis://127.0.0.1:${proxy.port}`);
      await backend.set('key', 'value', { ttl: '1h' });
      // Lets the server remember the scripts.
      await backend.touch('key', null);
      await backend.increment('counter');
      await backend.get('key', { renewFor: '1h' });
      const version = (await backend.getEntry('key'))?.version ?? '';
      await backend.set('key', 'value', { if: { version } });
      await backend.delete('key', { if: { version: 'none' } });
    });

    const many = Array.from({ length: 100 }, (_, index) => `key ${index}`);
    const once: Readonly<Record<string, () => Promise<unknown>>> = {
      get: () => backend.get('key'),
      'get with renewFor': () => backend.get('key', { renewFor: '1h' }),
      getEntry: () => backend.getEntry('key'),
      has: () => backend.has('key'),
      set: () => backend.set('key', 'value'),
      'set with a ttl': () => backend.set('key', 'value', { ttl: '1h' }),
      'set if absent': () => backend.set('key', 'value', { if: 'absent' }),
      'set if present': () => backend.set('key', 'value', { if: 'present', ttl: '1h' }),
      'set if a version': () => backend.set('key', 'value', { if: { version: 'none' } }),
      delete: () => backend.delete('key'),
      'delete if a version': () => backend.delete('key', { if: { version: 'none' } }),
      touch: () => backend.touch('key', '1h'),
      'touch with null': () => backend.touch('key', null),
      increment: () => backend.increment('counter', 5, { ttl: '1h' }),
      'getMany of 100': () => backend.getMany(many),
      'setMany of 100': () => backend.setMany(many.map((key) => [key, 'value'])),
      'deleteMany of 100': () => backend.deleteMany(many),
    };
    const trips = Object.entries(once).map(([title, work]) => [title, [1, work]] as const);
    countTrips(() => proxy, Object.fromEntries(trips));

    it('connects only when it is needed', async () => {
      const before = proxy.connections;
      const unused = open({}, `redis://127.0.0.1:${proxy.port}`);
      expect(proxy.connections).to.equal(before);
      await unused.close();
      expect(proxy.connections).to.equal(before);
    });
  });

  describe('from four processes', () => {
    it('loses no step of a counter and no update of a document', async function () {
      this.timeout(120_000);
      const worker = fileURLToPath(new URL('../../support/redis-worker.js', import.meta.url));
      const steps = 150;
      const exits = Array.from({ length: 4 }, () =>
        once(fork(worker, [using.server.url, 'shared', String(steps)]), 'exit'),
      );
      for (const [code] of await Promise.all(exits)) expect(code).to.equal(0);
      const backend = open({ namespace: 'shared' });
      const sum = 4 * Array.from({ length: steps }, (_, index) => (index % 3) + 1).reduce((a, b) => a + b, 0);
      expect(await text(backend, 'counter')).to.equal(String(sum));
      expect(JSON.parse((await text(backend, 'document')) ?? '')).to.deep.equal({ sum, steps: 4 * steps });
    });
  });

  describe('places', () => {
    it('are URLs and options', async () => {
      const { port, socket } = using.server;
      const backends = [
        open({}, `valkey://localhost:${port}/0`),
        open({ socket }),
        open({}, `redis+unix://${socket}`),
        open({ database: 0 }, `redis://127.0.0.1:${port}`),
      ];
      await backends[0]?.set('place', 'found');
      for (const backend of backends) expect(await text(backend, 'place'), backend.name).to.equal('found');
      const third = open({}, `${using.server.url}/3`);
      expect(await third.get('place')).to.equal(undefined);
    });

    it('are opened by openBackend and the provider', async () => {
      const { url } = using.server;
      const backend = await openBackend(`${url}/0?namespace=opened&ttl=1h&timeout=10s`);
      opened.push(backend);
      await backend.set('key', 'value');
      expect((await backend.getEntry('key'))?.expiresAt).to.be.a('number');
      const documents = await provider.create('storage.redis.json', url, { namespace: 'opened' });
      opened.push(documents);
      await documents.set('document', { a: 1 });
      expect(await text(backend, 'document')).to.equal('{"a":1}');
      expect((await documents.getEntry('document'))?.expiresAt).to.be.a('number');
      const bytes = await provider.create('redis', {
        ...{ client: undefined },
        namespace: 'opened',
        database: 0,
        socket: using.server.socket,
      });
      opened.push(bytes);
      expect(await text(bytes, 'key')).to.equal('value');
      const error = await failure(() => openBackend('redis://:secret@localhost?size=5'));
      expect((error as Error).message)
        .to.include('there is no option "size"')
        .and.not.include('secret');
    });

    it('keep the models of a service', async () => {
      const service = new Service({ backend: `${using.server.url}?namespace=models` });
      const User = service.register(class User extends Store {}, { fields: {} });
      await User.create('ann').save();
      expect(await text(open({ namespace: 'models' }), 'user:ann')).to.equal('{}\n');
      await service.close();
    });

    it('never show a password', async () => {
      const hidden = redis('redis://ann:secret@127.0.0.1:1/');
      const error = await failure(() => hidden.get('key'));
      expect(`${hidden.name} ${error}`).to.not.include('secret');
      expect(() => redis('redis://ann:secret@host:99999999'))
        .to.throw(TypeError)
        .with.property('message')
        .that.does.not.include('secret');
    });

    it('are refused where they are none', () => {
      for (const url of [
        'http://localhost',
        'redis://host:port',
        'redis://host/name',
        'redis+unix://',
        'redis://a,b',
        '',
        'redis://h:70000',
      ]) {
        expect(() => redis(url), url).to.throw(TypeError);
      }
      expect(() => redis({ cluster: true, socket: '/x' })).to.throw(TypeError, /no unix socket/);
      expect(() => redis('redis://a,b/1', { cluster: true })).to.throw(TypeError, /database 0 alone/);
      expect(() => redis({ database: -1 })).to.throw(TypeError, /database must be/);
      expect(() => redis({ size: 1 } as never)).to.throw(TypeError, /no option "size"; there are .*namespace/);
      expect(() => redis({ timeout: 0 })).to.throw(RangeError, /timeout must be positive/);
      expect(() => redis({ namespace: 'a:b' })).to.throw(/namespace "a:b"/);
      expect(() => redis({ client: {} as never })).to.throw(TypeError, /client must be/);
      expect(() => redis('redis://x', { client: createClient() })).to.throw(TypeError, /without a URL/);
    });
  });

  describe('a watch', () => {
    it('is refused by a server that does not tell of changes, with the setting that it lacks', async () => {
      const backend = open({ watch: true });
      const error = await failure(() => backend.watch().next());
      expect(error).to.include({ code: 'KEEPSAKE_UNSUPPORTED', operation: 'watch' });
      expect((error as Error).message)
        .to.include('notify-keyspace-events')
        .and.include('K$ge');
    });

    it('is over when its connection breaks, and says so', async () => {
      await raw((client) => client.configSet('notify-keyspace-events', 'KA'));
      const { host, port } = using.server;
      const proxy = await FaultProxy.before({ host, port });
      const backend = open({ watch: true }, `redis://${host}:${proxy.port}`);
      const changes = backend.watch();
      await changes.ready();
      const next = failure(() => changes.next());
      proxy.reset();
      expect(await next).to.include({ code: 'KEEPSAKE_CONNECTION', operation: 'watch', retryable: true });
      await backend.close();
      await proxy.close();
    });

    it('stays while nothing changes, and is over when the server says nothing at all', async () => {
      await raw((client) => client.configSet('notify-keyspace-events', 'KA'));
      const { host, port } = using.server;
      const proxy = await FaultProxy.before({ host, port });
      const backend = open({ watch: true, timeout: 300 }, `redis://${host}:${proxy.port}`);
      const changes = backend.watch();
      await changes.ready();
      // It asks three times in the time after which it would be over.
      const before = proxy.roundTrips;
      await until(() => proxy.roundTrips > before + 6);
      await open().set('still', 'here');
      expect(await changes.next()).to.deep.equal({ done: false, value: { type: 'set', key: 'still' } });
      const next = failure(() => changes.next());
      proxy.hang();
      expect(await next).to.include({ code: 'KEEPSAKE_CONNECTION', retryable: true });
      await backend.close();
      await proxy.close();
    });
  });

  describe('a client that was given', () => {
    it('is connected when it is needed, and left open', async () => {
      const client = createClient({ url: using.server.url });
      const backend = redis({ client });
      expect(client.isOpen).to.equal(false);
      await backend.set('given', 'value');
      await backend.close();
      expect(client.isOpen).to.equal(true);
      expect(await client.get('keepsake:given')).to.equal('value');
      expect(client.listenerCount('error')).to.equal(0);
      client.destroy();
    });

    it('may have been closed by its owner', async () => {
      const client = createClient({ url: using.server.url });
      const backend = open({}).namespace('unused') && redis({ client });
      await backend.get('key');
      client.destroy();
      expect(await failure(() => backend.get('key'))).to.include({ code: 'KEEPSAKE_CONNECTION', retryable: false });
      await backend.close();
    });
  });

  describe('users', () => {
    const users = [
      'reader on >read ~* +get +ping',
      'app on >secret ~sessions:* +@read +@write +@scripting +ping -@dangerous +scan',
    ];
    const guarded = useServer(() => startRedis({ password: 'open sesame', users }));

    it('need no more rights than the documentation says', async () => {
      const { host, port } = guarded.server;
      const backend = open({ namespace: 'sessions' }, `redis://app:secret@${host}:${port}`);
      await backend.set('key', 'value', { ttl: '1h' });
      const version = (await backend.getEntry('key'))?.version ?? '';
      expect(await backend.set('key', 'other', { if: { version } })).to.equal(true);
      await backend.increment('counter');
      await backend.update('key', () => 'third');
      await backend.touch('key', null);
      expect((await all(backend.entries())).map(([key]) => key).sort()).to.deep.equal(['counter', 'key']);
      expect(await backend.deleteMany(['counter'])).to.equal(1);
      await backend.clear();
      expect(await backend.count()).to.equal(0);
      const outside = open({ namespace: 'other' }, `redis://app:secret@${host}:${port}`);
      expect(await failure(() => outside.get('key'))).to.include({ code: 'KEEPSAKE_ACCESS_DENIED' });
    });

    it('are known by name and password', async () => {
      const { host, port, url } = guarded.server;
      await open({ password: 'open sesame' }, url).set('key', 'value');
      const reader = open({}, `redis://reader:read@${host}:${port}`);
      expect(await text(reader, 'key')).to.equal('value');
      const forbidden = await failure(() => reader.set('key', 'other'));
      expect(forbidden).to.include({ code: 'KEEPSAKE_ACCESS_DENIED', operation: 'set', key: 'key', retryable: false });
      expect(await failure(() => open({}, url).get('key'))).to.include({ code: 'KEEPSAKE_ACCESS_DENIED' });
      expect(await failure(() => open({ password: 'wrong' }, url).get('key'))).to.include({
        code: 'KEEPSAKE_ACCESS_DENIED',
      });
    });
  });

  describe('TLS', () => {
    const secured = useServer(startRedisTls);

    it('is spoken with a server whose certificate is trusted', async () => {
      const { url, certificate } = secured.server;
      const backend = open({ tls: { ca: certificate } }, url);
      await backend.set('key', 'value');
      expect(await text(backend, 'key')).to.equal('value');
    });

    it('is refused where it is not', async () => {
      const error = await failure(() => open({}, secured.server.url).get('key'));
      expect(error).to.include({ code: 'KEEPSAKE_CONNECTION', retryable: false });
      expect((error as Error).message).to.include('TLS failed');
    });
  });

  describe('in a cluster', () => {
    const clustered = useServer(startRedisCluster);

    it('knows the slots of keys as the cluster does', async () => {
      const client = createClient({ url: clustered.server.url });
      await client.connect();
      for (const key of ['', 'a', 'foo{bar}baz', '{}x', 'a{}{b}', '{', '}{a}', 'é😀', 'a{b', '{user:1}:x', '{a}{b}']) {
        expect(slotOf(key), key).to.equal(await client.clusterKeySlot(key));
      }
      client.destroy();
    });

    it('is found by the first of its hosts that answers', async () => {
      const { host } = new URL(clustered.server.url);
      for (const hosts of [`127.0.0.1:1,${host}`, `${host},127.0.0.1:1`]) {
        const backend = open({ cluster: true }, `redis://${hosts}`);
        await backend.set('key', 'value');
        expect(await text(backend, 'key')).to.equal('value');
      }
      const lost = open({ cluster: true }, 'redis://127.0.0.1:1');
      expect(await failure(() => lost.get('key'))).to.include({ code: 'KEEPSAKE_CONNECTION', retryable: true });
    });

    it('takes a client that was given', async () => {
      const client = createCluster({ rootNodes: [{ url: clustered.server.url }] });
      const backend = redis({ client, namespace: 'given' });
      await backend.setMany(Array.from({ length: 50 }, (_, index) => [`key ${index}`, 'value'] as const));
      expect(await backend.count()).to.equal(50);
      await backend.close();
      expect(client.isOpen).to.equal(true);
      client.destroy();
    });

    for (const [trouble, begin, end] of [
      ['killed', 'kill', 'restart'],
      ['stopped', 'suspend', 'resume'],
    ] as const) {
      it(`rejects for the keys of a server that is ${trouble}, and only for those`, async () => {
        const [first] = clustered.server.nodes;
        const backend = open({ cluster: true, timeout: 1500 }, clustered.server.url);
        const keys = Array.from({ length: 30 }, (_, index) => `${trouble} ${index}`);
        await backend.setMany(keys.map((key) => [key, key]));
        await first?.[begin]();
        try {
          const results = await Promise.allSettled(keys.map((key) => backend.get(key)));
          const failed = results.filter((result) => result.status === 'rejected');
          for (const { reason } of failed) {
            expect(reason.code, String(reason)).to.be.oneOf(['KEEPSAKE_CONNECTION', 'KEEPSAKE_TIMEOUT']);
            expect(reason.retryable).to.equal(true);
          }
          expect(failed.length).to.be.greaterThan(0).and.lessThan(keys.length);
        } finally {
          await first?.[end]();
        }
        const limit = Date.now() + 30_000;
        while (
          (await Promise.allSettled(keys.map((key) => backend.get(key)))).some(({ status }) => status === 'rejected')
        ) {
          expect(Date.now(), 'it works again in time').to.be.lessThan(limit);
        }
      });
    }
  });
});
