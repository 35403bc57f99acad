import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { expect } from 'chai';
import { type Backend, openBackend } from 'keepsake';
import { type MongodbOptions, mongodb } from 'keepsake/mongodb';
import { type Binary, type Document, MongoClient } from 'mongodb';
import { TestClock } from '../../support/clock.js';
import { failure } from '../../support/failure.js';
import { FaultProxy } from '../../support/fault-proxy.js';
import { all, text } from '../../support/folders.js';
import { fromProcesses } from '../../support/from-processes.js';
import { expectFlat } from '../../support/heap.js';
import { keepApart } from '../../support/namespaces-apart.js';
import { startMongodb } from '../../support/servers/mongodb.js';
import { useServer } from '../../support/servers/server.js';
import { countTrips, type Trips } from '../../support/trips.js';

interface Raw extends Document {
  readonly _id: string;
}

describe('mongodb', function () {
  this.timeout(60_000);
  const using = useServer(startMongodb);
  const opened: Backend[] = [];
  let client: MongoClient;

  before(async () => {
    client = await new MongoClient(using.server.url).connect();
  });
  after(() => client?.close());

  function open(options: MongodbOptions = {}, url = using.server.url): Backend {
    const backend = mongodb(url, options);
    opened.push(backend);
    return backend;
  }

  afterEach(async () => {
    for (const backend of opened.splice(0)) await backend.close();
  });

  const raw = (collection = 'keepsake') => client.db('keepsake').collection<Raw>(collection);

  describe('on the server', () => {
    it('keeps an entry as a document, whose _id is the key', async () => {
      const expiresAt = Date.now() + 3_600_000;
      await open().set('plain', 'value', { expiresAt });
      const document = await raw().findOne({ _id: 'plain' });
      expect(document).to.have.all.keys('_id', 'value', 'version', 'expiresAt');
      expect((document?.value as Binary | undefined)?.toString('utf8')).to.equal('value');
      expect(document?.expiresAt).to.deep.equal(new Date(expiresAt));
    });

    it('keeps the decimal text of an integer as a number, and gives its text', async () => {
      const backend = open();
      for (const written of ['0', '5', '-17', '9007199254740991']) {
        await backend.set('number', written);
        expect(Number((await raw().findOne({ _id: 'number' }))?.number)).to.equal(Number(written));
        expect(await text(backend, 'number')).to.equal(written);
      }
      for (const written of ['-0', '05', '1.0', '9007199254740992', '1e3', '']) {
        await backend.set('number', written);
        expect(await raw().findOne({ _id: 'number' })).to.not.have.property('number');
        expect(await text(backend, 'number')).to.equal(written);
      }
    });

    it('makes a counter of a negative zero a zero', async () => {
      const backend = open();
      await backend.delete('zero');
      expect(Object.is((await backend.increment('zero', -0)).value, 0)).to.equal(true);
    });

    it('has an index by which MongoDB removes what has expired', async () => {
      await open({ collection: 'indexed' }).set('key', 'value');
      const indexes = await raw('indexed').indexes();
      expect(indexes.find(({ name }) => name === 'keepsake-expiry')).to.deep.include({
        key: { expiresAt: 1 },
        expireAfterSeconds: 0,
      });
    });

    it('leaves documents of others out, and says so of one that it cannot read', async () => {
      const reported: string[] = [];
      const backend = open({ collection: 'foreign', report: (error) => reported.push(error.code) });
      await backend.set('mine', 'value');
      await raw('foreign').insertOne({ _id: 'theirs', name: 'Ann' });
      await client.db('keepsake').collection('foreign').insertOne({ name: 'Bob' });
      expect(await failure(() => backend.get('theirs'))).to.include({ code: 'KEEPSAKE_CORRUPT_DATA', key: 'theirs' });
      expect((await all(backend.entries())).map(([key]) => key)).to.deep.equal(['mine']);
      expect(reported).to.deep.equal(['KEEPSAKE_CORRUPT_DATA']);
      await backend.clear();
      expect(await client.db('keepsake').collection('foreign').countDocuments()).to.equal(1);
    });

    it('refuses a value that no document holds, and says why', async () => {
      const error = await failure(() => open().set('large', new Uint8Array(16 * 1024 * 1024)));
      expect(error).to.include({ code: 'KEEPSAKE_STORAGE', key: 'large', retryable: false });
      expect((error as Error).message).to.match(/has 16777216 bytes; a document of MongoDB holds \d+ at most/);
    });
  });

  describe('TLS', () => {
    it('that breaks off is a connection that broke, and may be tried again', async () => {
      const server = createServer((socket) => socket.on('error', () => undefined).once('data', () => socket.destroy()));
      await once(server.listen(0, '127.0.0.1'), 'listening');
      const { port } = server.address() as AddressInfo;
      const backend = open({ timeout: 1000 }, `mongodb://127.0.0.1:${port}/?tls=true`);
      const error = await failure(() => backend.get('key'));
      server.close();
      expect(error).to.include({ code: 'KEEPSAKE_CONNECTION', retryable: true });
    });
  });

  describe('many keys', () => {
    it('lists large values in batches of few', async () => {
      const backend = open({ collection: 'batches', timeout: '30s' });
      const keys = Array.from({ length: 12 }, (_, index) => `key ${String(index).padStart(2, '0')}`);
      for (const key of keys) await backend.set(key, Buffer.alloc(4 * 1024 * 1024));
      const listed: string[] = [];
      for await (const batch of backend.entryBatches()) {
        expect(batch.length).to.be.at.most(4);
        listed.push(...batch.map(([key]) => key));
      }
      expect(listed).to.deep.equal(keys);
      expect((await backend.page()).keys).to.deep.equal(keys);
      await backend.clear();
    });

    it('finds, counts and clears exactly its own of 100,000 with prefixes alike', async function () {
      this.timeout(180_000);
      const backend = open({ collection: 'many', timeout: '60s' });
      await keepApart((name) => backend.namespace(name));
      await backend.setMany(Array.from({ length: 100_000 }, (_, index) => [`key-${index}`, 'v'] as const));
      expect(await expectFlat(backend.keys(), 100_000)).to.equal(100_000);
    });
  });

  describe('round trips', () => {
    let proxy: FaultProxy;
    let backend: Backend;
    before(async () => {
      const { host, port } = using.server;
      proxy = await FaultProxy.before({ host, port });
      // The package asks now and then how the server is; not while the specs run.
      backend = mongodb(`mongodb://127.0.0.1:${proxy.port}`, {
        collection: 'trips',
        clientOptions: { heartbeatFrequencyMS: 600_000, maxPoolSize: 1 },
      });
      await backend.open();
    });
    after(async () => {
      await backend?.close();
      await proxy?.close();
    });
    beforeEach(async () => {
      await backend.clear();
      await backend.set('key', 'value', { ttl: '1h' });
      await backend.set('for ever', 'value');
      await backend.set('counter', '1');
    });

    const many = Array.from({ length: 100 }, (_, index) => `key ${index}`);
    const none = '0'.repeat(24);
    const trips: Trips = {
      get: [1, () => backend.get('key')],
      'get with renewFor': [1, () => backend.get('key', { renewFor: '2h' })],
      // One filter cannot both move a deadline and find an entry without one.
      'get with renewFor, where there is no deadline': [2, () => backend.get('for ever', { renewFor: '2h' })],
      getEntry: [1, () => backend.getEntry('key')],
      set: [1, () => backend.set('key', 'value')],
      'set if absent': [1, () => backend.set('new', 'value', { if: 'absent' })],
      'set if absent, where it is not': [1, () => backend.set('key', 'value', { if: 'absent' })],
      'set if present': [1, () => backend.set('key', 'value', { if: 'present' })],
      'set if a version': [1, () => backend.set('key', 'value', { if: { version: none } })],
      delete: [1, () => backend.delete('key')],
      'delete if a version': [1, () => backend.delete('key', { if: { version: none } })],
      touch: [1, () => backend.touch('key', '1h')],
      'touch with null': [1, () => backend.touch('key', null)],
      increment: [1, () => backend.increment('counter', 5)],
      'increment that creates': [1, () => backend.increment('fresh', 5, { ttl: '1h' })],
      'getMany of 100': [1, () => backend.getMany(many)],
      'setMany of 100': [1, () => backend.setMany(many.map((key) => [key, 'value']))],
      'deleteMany of 100': [1, () => backend.deleteMany(many)],
      count: [1, () => backend.count({ prefix: 'k' })],
      clear: [1, () => backend.clear({ prefix: 'k' })],
      'update, which reads and writes on condition': [2, () => backend.update('key', () => 'other')],
    };
    countTrips(() => proxy, trips);
  });

  fromProcesses({ place: () => `${using.server.url}/keepsake?collection=shared&timeout=30s` });

  describe('places', () => {
    it('are opened by openBackend', async () => {
      const backend = await openBackend(`${using.server.url}/named?collection=opened&ttl=1h&appName=spec`);
      opened.push(backend);
      await backend.set('key', 'value');
      expect((await backend.getEntry('key'))?.expiresAt).to.be.a('number');
      const same = open({ database: 'named', collection: 'opened' });
      expect(await text(same, 'key')).to.equal('value');
      const error = await failure(() => openBackend(`${using.server.url}/named?size=5`));
      expect(error).to.be.instanceOf(TypeError);
      expect((error as Error).message).to.match(/size/);
    });

    it('are refused where they are none', () => {
      const passwords = [
        'mongodb://a:secret@/x',
        'mongodb://a:b/secret@host',
        'mongodb://a:1/secret@host/x',
        'mongodb://a:secret',
      ];
      for (const url of ['http://localhost', 'mongodb:', 'mongodb://', 'mongodb://host/100%', ...passwords, '']) {
        expect(() => mongodb(url), url)
          .to.throw(TypeError)
          .with.property('message')
          .that.does.not.include('secret');
      }
      expect(() => mongodb({ size: 1 } as never)).to.throw(TypeError, /no option "size"; there are .*collection/);
      expect(() => mongodb({ collection: '' })).to.throw(TypeError, /collection must be/);
      expect(() => mongodb({ database: 'a.b' })).to.throw(TypeError, /database must be/);
      expect(() => mongodb({ timeout: 0 })).to.throw(RangeError, /timeout must be positive/);
      expect(() => mongodb({ client: {} as never })).to.throw(TypeError, /client must be/);
      expect(() => mongodb('mongodb://x', { client })).to.throw(TypeError, /without a URL/);
    });

    it('never show a password', async () => {
      for (const url of [
        'mongodb://ann:secret?s@127.0.0.1',
        'mongodb://ann:1/secret@127.0.0.1',
        's3://key:a/secret@bucket?x=1',
      ]) {
        expect(String(await failure(() => openBackend(url))), url)
          .to.match(/Argument/)
          .and.not.include('secret');
      }
      const hidden = mongodb('mongodb://ann:secret@127.0.0.1:1/', { timeout: 200 });
      const error = await failure(() => hidden.get('key'));
      expect(`${hidden.name} ${error}`).to.not.include('secret');
      await hidden.close();
    });
  });

  describe('a client that was given', () => {
    const breaks = [
      ['This socket has been ended by the other party', 'EPIPE'],
      ['This socket has been ended by the other party', undefined],
      ['Cannot call write after a stream was destroyed', 'ERR_STREAM_DESTROYED'],
      ['getaddrinfo EAI_AGAIN db.example.com', 'EAI_AGAIN'],
    ] as const;
    for (const [message, code] of breaks) {
      it(`whose connection broke may be asked again: ${message}, ${code}`, async () => {
        const reject = () => Promise.reject(Object.assign(new Error(message), code && { code }));
        const broken = { createIndex: async () => 'keepsake-expiry', findOne: reject, bulkWrite: reject };
        const backend = mongodb({
          client: {
            connect: async () => undefined,
            close: async () => undefined,
            db: () => ({ collection: () => broken }),
          },
        });
        for (const work of [() => backend.get('key'), () => backend.setMany([['key', 'value']])]) {
          expect(await failure(work)).to.include({ code: 'KEEPSAKE_CONNECTION', retryable: true });
        }
        await backend.close();
      });
    }

    it('is left open', async () => {
      const clock = new TestClock();
      const backend = mongodb({ client, collection: 'given', clock: clock.now });
      await backend.set('given', 'value', { ttl: '1m' });
      clock.advance(60_000);
      expect(await backend.get('given')).to.equal(undefined);
      expect(await backend.deleteExpired()).to.equal(1);
      await backend.close();
      expect(await raw('given').countDocuments()).to.equal(0);
    });
  });
});
