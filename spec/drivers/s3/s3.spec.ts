import { randomUUID } from 'node:crypto';
import { createServer, type Server as HttpServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { setTimeout } from 'node:timers/promises';
import {
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { expect } from 'chai';
import { type Backend, openBackend, provider } from 'keepsake';
import { type S3Options, s3 } from 'keepsake/s3';
import { TestClock } from '../../support/clock.js';
import { failure } from '../../support/failure.js';
import { FaultProxy } from '../../support/fault-proxy.js';
import { all, text } from '../../support/folders.js';
import { fromProcesses } from '../../support/from-processes.js';
import { until } from '../../support/generations.js';
import { keepApart } from '../../support/namespaces-apart.js';
import { startS3 } from '../../support/servers/s3.js';
import { useServer } from '../../support/servers/server.js';
import { countTrips, type Trips } from '../../support/trips.js';

describe('s3', function () {
  this.timeout(60_000);
  const using = useServer(startS3);
  const opened: Backend[] = [];
  let client: S3Client;

  before(() => {
    client = new S3Client({ ...using.server.access, forcePathStyle: true });
  });
  after(() => client?.destroy());

  function open(options: S3Options = {}, url = using.server.url): Backend {
    const backend = s3(url, { ...using.server.access, ...options });
    opened.push(backend);
    return backend;
  }

  afterEach(async () => {
    for (const backend of opened.splice(0)) await backend.close();
  });

  const at = (Key: string) => ({ Bucket: using.server.bucket, Key });

  describe('in the bucket', () => {
    it('keeps a value as an object of its bytes, named by prefix, namespace and key', async () => {
      await open().set('plain', 'value');
      await open({}, `${using.server.url}/folder`).set('a//b ?&=#+%2F', 'value');
      await open({ prefix: 'letters', namespace: 'mine' }).set('a:b', 'value');
      for (const name of ['keepsake:plain', 'folder/a//b ?&=#+%2F', 'lettersmine:a:b']) {
        const object = await client.send(new GetObjectCommand(at(name)));
        expect(await object.Body?.transformToString(), name).to.equal('value');
        expect(object.Metadata, name).to.deep.equal({});
      }
    });

    it('names NUL and U+0001 by two characters, in the order of the keys', async () => {
      const backend = open({ prefix: 'controls/' });
      const keys = ['a', 'a\0', 'a\0b', 'a\x01', 'a\x01\x01', 'a\x01\x02', 'a\x02', 'b'];
      await backend.setMany(keys.map((key) => [key, key]));
      expect(await all(backend.keys())).to.deep.equal(keys);
      expect(await all(backend.keys({ prefix: 'a\x01' }))).to.deep.equal(['a\x01', 'a\x01\x01', 'a\x01\x02']);
      expect(await all(backend.keys({ after: 'a\0' }))).to.deep.equal(keys.slice(2));
      expect(await text(backend, 'a\0b')).to.equal('a\0b');
      await client.send(new HeadObjectCommand(at('controls/a\x01\x01b')));
      await backend.clear();
      expect(await backend.count()).to.equal(0);
    });

    it('takes keys of up to 1,024 bytes with the prefix, in which NUL counts twice', async () => {
      const backend = open({ prefix: 'p/' });
      for (const key of ['k'.repeat(1022), 'é'.repeat(511), '\0'.repeat(511)]) {
        await backend.set(key, 'value');
        expect(await text(backend, key)).to.equal('value');
      }
      for (const key of ['k'.repeat(1023), '\0'.repeat(512)]) {
        expect(await failure(() => backend.set(key, 'value'))).to.include({ code: 'KEEPSAKE_INVALID_KEY', key });
      }
    });

    it('keeps the deadline in the metadata, and ends the object in random bytes then', async () => {
      const backend = open({ prefix: 'deadlines/' });
      const expiresAt = Date.now() + 3_600_000;
      await backend.set('key', 'value', { expiresAt });
      const object = await client.send(new GetObjectCommand(at('deadlines/key')));
      expect(object.Metadata).to.deep.equal({ 'keepsake-expires': String(expiresAt) });
      expect(object.ContentLength).to.equal('value'.length + 16);
      await backend.touch('key', null);
      const plain = await client.send(new GetObjectCommand(at('deadlines/key')));
      expect(await plain.Body?.transformToString()).to.equal('value');
      expect(plain.Metadata).to.have.all.keys('keepsake-version');
    });

    it('names a value by the tag of its object', async () => {
      const backend = open();
      await backend.set('tag', 'value');
      expect((await backend.getEntry('tag'))?.version).to.equal('2063c1608d6e0baf80249c42e2be5804');
    });

    it('lets one of many replace an expired value by the same again', async () => {
      const clock = new TestClock();
      const backends = Array.from({ length: 4 }, () => open({ clock: clock.now, prefix: 'locks/' }));
      for (let round = 0; round < 5; round++) {
        const taken = await Promise.all(
          Array.from({ length: 12 }, (_, index) =>
            backends[index % 4]?.set('lock', 'taken', { if: 'absent', ttl: '1m' }),
          ),
        );
        expect(taken.filter(Boolean).length, `${taken}`).to.equal(1);
        clock.advance(60_000);
      }
    });

    it('stores values of many megabytes in parts, and on a condition in one', async () => {
      const backend = open({ prefix: 'large/', timeout: '1m' });
      const large = Buffer.alloc(20 * 1024 * 1024, 'large');
      await backend.set('parts', large);
      const { ETag } = await client.send(new HeadObjectCommand(at('large/parts')));
      expect(ETag).to.match(/-3"$/);
      expect(Buffer.compare((await backend.get('parts')) ?? Buffer.alloc(0), large)).to.equal(0);
      expect(await backend.set('parts', large, { if: 'absent' })).to.equal(false);
      expect(await backend.set('one', large, { if: 'absent' })).to.equal(true);
      expect(Buffer.compare((await backend.get('one')) ?? Buffer.alloc(0), large)).to.equal(0);
      const version = (await backend.getEntry('parts'))?.version ?? '';
      expect(await backend.set('parts', 'small', { if: { version } })).to.equal(true);
    });

    it('gives a large value up at its deadline, with its connections and the parts that were stored', async () => {
      const { host, port } = using.server;
      const proxy = await FaultProxy.before({ host, port });
      const backend = open({ prefix: 'given-up/', endpoint: `http://127.0.0.1:${proxy.port}`, timeout: 2000 });
      await backend.open();
      const storing = failure(() => backend.set('large', Buffer.alloc(20 * 1024 * 1024)));
      await until(() => proxy.connections > 1, 'the parts are on their way');
      proxy.hang();
      expect(await storing).to.include({ code: 'KEEPSAKE_TIMEOUT', operation: 'set' });
      proxy.resume();
      await backend.close();
      await until(() => proxy.connections === 0, 'no connection is left after close');
      await proxy.close();
      const left = await client.send(new ListMultipartUploadsCommand({ Bucket: using.server.bucket }));
      expect(left.Uploads ?? []).to.deep.equal([]);
    });

    it('leaves no connection where nothing is answered to a large value', async () => {
      const { host, port } = using.server;
      const proxy = await FaultProxy.before({ host, port });
      const backend = open({ endpoint: `http://127.0.0.1:${proxy.port}`, timeout: 1000 });
      await backend.open();
      proxy.hang();
      const error = await failure(() => backend.set('large', Buffer.alloc(20 * 1024 * 1024)));
      expect(error).to.include({ code: 'KEEPSAKE_TIMEOUT', operation: 'set' });
      await backend.close();
      // What would be tried again would connect anew.
      await setTimeout(500);
      expect(proxy.connections).to.equal(0);
      await proxy.close();
    });

    it('lists large values in batches of few', async () => {
      const backend = open({ prefix: 'batches/', timeout: '1m' });
      const keys = Array.from({ length: 12 }, (_, index) => `key ${String(index).padStart(2, '0')}`);
      await backend.setMany(keys.map((key) => [key, Buffer.alloc(4 * 1024 * 1024)]));
      const listed: string[] = [];
      for await (const batch of backend.entryBatches()) {
        expect(batch.length).to.be.at.most(4);
        listed.push(...batch.map(([key]) => key));
      }
      expect(listed).to.deep.equal(keys);
      expect((await backend.page()).keys).to.deep.equal(keys);
      await backend.clear();
    });

    it('pages past names of others that are no keys', async () => {
      const prefix = 'pages/';
      const backend = open({ prefix });
      // The first is what the console of Amazon makes for a folder.
      for (const name of ['', 'b\x01', 'c\x01x'])
        await client.send(new PutObjectCommand({ ...at(prefix + name), Body: Buffer.alloc(0) }));
      const keys = ['a', 'b', 'c', 'd'];
      await backend.setMany(keys.map((key) => [key, key]));
      for (const limit of [1, 2, 3]) {
        const found: string[] = [];
        for (let cursor: string | undefined, pages = 0; pages === 0 || cursor !== undefined; pages++) {
          const page = await backend.page(cursor === undefined ? { limit } : { limit, cursor });
          found.push(...page.keys);
          cursor = page.cursor;
        }
        expect(found, `${limit} a page`).to.deep.equal(keys);
      }
    });

    it('leaves objects of others out, and says so of one that it cannot read', async () => {
      const backend = open({ prefix: 'foreign/' });
      const reported: string[] = [];
      await backend.set('mine', 'value');
      await client.send(new PutObjectCommand({ ...at('foreign/'), Body: '' }));
      await client.send(new PutObjectCommand({ ...at('foreign/odd\x01name'), Body: 'x' }));
      await client.send(
        new PutObjectCommand({ ...at('foreign/short'), Body: 'x', Metadata: { 'keepsake-expires': '9999999999999' } }),
      );
      expect(await all(backend.keys())).to.deep.equal(['mine', 'short']);
      expect(await failure(() => backend.get('short'))).to.include({ code: 'KEEPSAKE_CORRUPT_DATA', key: 'short' });
      const listing = open({ prefix: 'foreign/', report: (error) => reported.push(error.code) });
      expect((await all(listing.entries())).map(([key]) => key)).to.deep.equal(['mine']);
      expect(reported).to.deep.equal(['KEEPSAKE_CORRUPT_DATA']);
      await backend.clear();
      // What is no key of ours is not ours to remove.
      await client.send(new HeadObjectCommand(at('foreign/odd\x01name')));
      await client.send(
        new DeleteObjectsCommand({ Bucket: using.server.bucket, Delete: { Objects: [{ Key: 'foreign/' }] } }),
      );
    });
  });

  describe('namespaces', () => {
    it('finds, counts and clears exactly its own of 4,000 keys with names alike', async function () {
      this.timeout(1_200_000);
      await keepApart((namespace) => open({ namespace }), 4000);
    });

    it('clears a whole bucket only when told so', async () => {
      const backend = open({ namespace: null });
      const error = await failure(() => backend.clear());
      expect(error).to.include({ code: 'KEEPSAKE_UNSUPPORTED', operation: 'clear' });
      await backend.set('some key', 'value');
      await backend.clear({ everything: true });
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
      backend = open({ prefix: `trips-${randomUUID()}/`, endpoint: `http://127.0.0.1:${proxy.port}` });
      await backend.set('key', 'value');
      await backend.set('ends', 'value', { ttl: '1h' });
      await backend.set('counter', '1');
    });

    const many = Array.from({ length: 20 }, (_, index) => `key ${index}`);
    const trips: Trips = {
      get: [1, () => backend.get('key')],
      getEntry: [1, () => backend.getEntry('key')],
      set: [1, () => backend.set('key', 'other')],
      'set with a ttl': [1, () => backend.set('key', 'other', { ttl: '1h' })],
      'set if absent': [1, () => backend.set('new', 'value', { if: 'absent' })],
      // Only the metadata tells whether the object has expired.
      'set if absent, where it is not': [2, () => backend.set('key', 'value', { if: 'absent' })],
      'set if present': [2, () => backend.set('key', 'value', { if: 'present' })],
      'delete, which says whether it was there': [2, () => backend.delete('key')],
      'touch, which sends the value again': [2, () => backend.touch('key', '1h')],
      'get with renewFor': [2, () => backend.get('ends', { renewFor: '2h' })],
      'increment, which reads and writes on condition': [2, () => backend.increment('counter')],
      'getMany of 20, an object each': [20, () => backend.getMany(many)],
      'setMany of 20, an object each': [20, () => backend.setMany(many.map((key) => [key, 'value']))],
      'deleteMany of 20, asking for each and removing all at once': [
        21,
        () => backend.deleteMany(['key', ...many.slice(1)]),
      ],
    };
    countTrips(() => proxy, trips);

    it('makes one for set if a version that an object without deadline has', async () => {
      const version = (await backend.getEntry('key'))?.version ?? '';
      const before = proxy.roundTrips;
      expect(await backend.set('key', 'other', { if: { version } })).to.equal(true);
      expect(proxy.roundTrips - before).to.equal(1);
    });

    it('connects only when it is needed', async () => {
      const before = proxy.connections;
      await open({ endpoint: `http://127.0.0.1:${proxy.port}` }).close();
      expect(proxy.connections).to.equal(before);
    });
  });

  fromProcesses({
    place: () => `${using.server.url}/shared?endpoint=${encodeURIComponent(using.server.access.endpoint)}`,
    env: () => ({
      AWS_ACCESS_KEY_ID: using.server.access.credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: using.server.access.credentials.secretAccessKey,
    }),
    steps: 25,
  });

  describe('a server that checks the conditions of deletes', () => {
    let gate: DeletingGate;
    let backend: Backend;
    const clock = new TestClock();
    before(async () => {
      gate = await DeletingGate.before(using.server, client);
    });
    after(() => gate?.close());
    beforeEach(() => {
      backend = open({ endpoint: gate.url, conditionalDelete: true, clock: clock.now, prefix: `${randomUUID()}/` });
    });

    it('lets a version be deleted', async () => {
      await backend.set('key', 'one');
      const version = (await backend.getEntry('key'))?.version ?? '';
      await backend.set('key', 'two');
      expect(await backend.delete('key', { if: { version } })).to.equal(false);
      expect(await text(backend, 'key')).to.equal('two');
      const now = (await backend.getEntry('key'))?.version ?? '';
      expect(await backend.delete('key', { if: { version: now } })).to.equal(true);
      expect(await backend.delete('key')).to.equal(false);
    });

    it('removes what has expired when asked, and what is deleted after it has', async () => {
      await backend.set('a', 'value', { ttl: '1m' });
      await backend.set('b', 'value', { ttl: '1m' });
      await backend.set('c', 'value');
      clock.advance(60_000);
      expect(await backend.delete('a')).to.equal(false);
      expect(await backend.deleteExpired()).to.equal(1);
      expect(await all(backend.keys())).to.deep.equal(['c']);
    });
  });

  describe('places', () => {
    it('are opened by openBackend and the provider', async () => {
      const { access, url, bucket } = using.server;
      const env = {
        AWS_ACCESS_KEY_ID: access.credentials.accessKeyId,
        AWS_SECRET_ACCESS_KEY: access.credentials.secretAccessKey,
      };
      const before = { ...process.env };
      Object.assign(process.env, env);
      try {
        const query = `endpoint=${encodeURIComponent(access.endpoint)}&region=us-east-1&pathStyle=true`;
        const backend = await openBackend(`${url}/opened?${query}&ttl=1h&timeout=10s`);
        opened.push(backend);
        await backend.set('key', 'value');
        expect((await backend.getEntry('key'))?.expiresAt).to.be.a('number');
        const stored = await provider.create('storage.s3', { ...access, bucket, folder: 'opened/' });
        opened.push(stored);
        expect(await text(stored, 'key')).to.equal('value');
      } finally {
        for (const name of Object.keys(env)) {
          if (before[name] === undefined) delete process.env[name];
          else process.env[name] = before[name];
        }
      }
    });

    it('say so where there is no such bucket', async () => {
      const error = await failure(() => open({}, 's3://nobody-made-this').get('key'));
      expect(error).to.include({ code: 'KEEPSAKE_STORAGE', operation: 'get', retryable: false });
      expect((error as Error).message).to.include('there is no such bucket');
    });

    it('are refused where they are none', () => {
      for (const url of [
        's3://',
        's3:bucket',
        's3://key:secret@bucket',
        's3://key:a/secret@bucket',
        's3://bucket/100%',
        '',
        's3://bucket?size=5',
      ]) {
        expect(() => s3(url), url)
          .to.throw(TypeError)
          .with.property('message')
          .that.does.not.include('secret');
      }
      expect(() => s3({})).to.throw(TypeError, /bucket must be/);
      expect(() => s3({ bucket: 'some', size: 1 } as never)).to.throw(
        TypeError,
        /no option "size"; there are .*bucket/,
      );
      expect(() => s3({ bucket: 'some', endpoint: 'localhost' })).to.throw(TypeError, /endpoint must be a URL/);
      for (const endpoint of ['http://key:secret@host', 'ftp://key:a/secret@host', 'http://']) {
        expect(() => s3({ bucket: 'some', endpoint }), endpoint)
          .to.throw(TypeError, /endpoint must be a URL/)
          .with.property('message')
          .that.does.not.include('secret');
      }
      expect(() => s3({ bucket: 'some', timeout: 0 })).to.throw(RangeError, /timeout must be positive/);
      expect(() => s3({ bucket: 'some', client: {} as never })).to.throw(TypeError, /client must be/);
      expect(() => s3({ bucket: 'some', client, region: 'x' })).to.throw(TypeError, /without region/);
    });
  });

  describe('a server that checks no conditions', () => {
    it('is not asked for what needs them', async () => {
      const backend = open({ conditionalPut: false, prefix: 'unconditional/' });
      expect(backend.capabilities).to.include({
        conditionalSet: 'none',
        update: 'none',
        increment: 'none',
        touch: 'none',
      });
      await backend.set('key', 'value');
      expect(await failure(() => backend.set('key', 'value', { if: 'absent' }))).to.include({
        code: 'KEEPSAKE_UNSUPPORTED',
      });
      expect(await backend.delete('key')).to.equal(true);
    });
  });

  describe('a client that was given', () => {
    it('is left open', async () => {
      const backend = s3({ client, bucket: using.server.bucket, prefix: 'given/' });
      await backend.set('key', 'value');
      await backend.close();
      const object = await client.send(new GetObjectCommand(at('given/key')));
      expect(await object.Body?.transformToString()).to.equal('value');
    });

    it('may have tried again, so that a condition which is not met then is an error', async () => {
      const gate = await DeletingGate.before(using.server, client);
      const backend = s3({
        client: new S3Client({ ...using.server.access, endpoint: gate.url, forcePathStyle: true }),
        bucket: using.server.bucket,
        prefix: 'again/',
      });
      await backend.open();
      gate.loseNextAnswer();
      const error = await failure(() => backend.set('key', 'value', { if: 'absent' }));
      expect(error).to.include({ code: 'KEEPSAKE_CONNECTION', retryable: true });
      expect((error as Error).message).to.include('maxAttempts: 1');
      await backend.close();
      await gate.close();
    });
  });
});

/** Stands before a server that does not check the conditions of deletes, and does so for it. */
class DeletingGate {
  readonly #target: { readonly host: string; readonly port: number; readonly bucket: string };
  readonly #client: S3Client;
  readonly #server: HttpServer;
  #loses = false;

  private constructor(target: { host: string; port: number; bucket: string }, client: S3Client) {
    this.#target = target;
    this.#client = client;
    this.#server = createServer((asked, answer) => void this.#pass(asked, answer));
  }

  static async before(target: { host: string; port: number; bucket: string }, client: S3Client): Promise<DeletingGate> {
    const gate = new DeletingGate(target, client);
    await new Promise<void>((resolve) => gate.#server.listen(0, '127.0.0.1', resolve));
    return gate;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as { port: number }).port}`;
  }

  /** Hands the next request on, and ends the connection in place of an answer. */
  loseNextAnswer(): void {
    this.#loses = true;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #pass(asked: IncomingMessage, answer: ServerResponse): Promise<void> {
    const { bucket, host, port } = this.#target;
    const expected = asked.headers['if-match'];
    if (asked.method === 'DELETE' && expected !== undefined) {
      const path = decodeURIComponent(new URL(asked.url ?? '', this.url).pathname.slice(bucket.length + 2));
      const found = await this.#client
        .send(new HeadObjectCommand({ Bucket: bucket, Key: path }))
        .catch(() => undefined);
      if (found?.ETag?.replaceAll('"', '') !== expected.replaceAll('"', '')) {
        answer.writeHead(found === undefined ? 404 : 412, { 'x-amz-request-id': 'gate' }).end();
        return;
      }
    }
    const loses = this.#loses;
    this.#loses = false;
    // What was signed was signed for this host.
    const passed = request({ host, port, method: asked.method, path: asked.url, headers: asked.headers });
    passed.on('error', () => answer.destroy());
    passed.on('response', (answered) => {
      if (loses) {
        answered.resume();
        answered.on('end', () => answer.destroy());
        return;
      }
      answer.writeHead(answered.statusCode ?? 500, answered.headers);
      answered.pipe(answer);
    });
    asked.pipe(passed);
  }
}
