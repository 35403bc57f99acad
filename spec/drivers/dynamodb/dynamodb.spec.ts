import { CreateTableCommand, DynamoDBClient, GetItemCommand, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { expect } from 'chai';
import { type Backend, openBackend } from 'keepsake';
import { type DynamodbOptions, dynamodb } from 'keepsake/dynamodb';
import { TestClock } from '../../support/clock.js';
import { failure } from '../../support/failure.js';
import { FaultProxy } from '../../support/fault-proxy.js';
import { all, text } from '../../support/folders.js';
import { fromProcesses } from '../../support/from-processes.js';
import { keepApart } from '../../support/namespaces-apart.js';
import { startDynamodb } from '../../support/servers/dynamodb.js';
import { useServer } from '../../support/servers/server.js';
import { countTrips, type Trips } from '../../support/trips.js';

describe('dynamodb', function () {
  this.timeout(60_000);
  const using = useServer(startDynamodb);
  const opened: Backend[] = [];
  let client: DynamoDBClient;

  before(() => {
    client = new DynamoDBClient(using.server.access);
  });
  after(() => client?.destroy());

  function open(options: DynamodbOptions = {}): Backend {
    const backend = dynamodb({ ...using.server.access, ...options });
    opened.push(backend);
    return backend;
  }

  afterEach(async () => {
    for (const backend of opened.splice(0)) await backend.close();
  });

  async function item(key: string, TableName = 'keepsake') {
    return (await client.send(new GetItemCommand({ TableName, Key: { key: { S: key } } }))).Item;
  }

  describe('in the table', () => {
    it('keeps an entry as an item, with the deadline in milliseconds, and in seconds rounded up', async () => {
      const expiresAt = Date.now() + 3_600_000;
      await open().set('plain', 'value', { expiresAt });
      const { version, ...rest } = (await item('plain')) ?? {};
      expect(version?.S).to.match(/^[0-9a-f]{24}$/);
      expect(rest).to.deep.equal({
        key: { S: 'plain' },
        value: { B: new Uint8Array(Buffer.from('value')) },
        expiresAt: { N: String(expiresAt) },
        ttl: { N: String(Math.ceil(expiresAt / 1000)) },
      });
    });

    it('keeps the decimal text of an integer as a number, and gives its text', async () => {
      const backend = open();
      for (const written of ['0', '-17', '9007199254740991']) {
        await backend.set('number', written);
        expect((await item('number'))?.number?.N).to.equal(written);
        expect(await text(backend, 'number')).to.equal(written);
      }
      for (const written of ['-0', '05', '9007199254740992', '']) {
        await backend.set('number', written);
        expect(await item('number')).to.not.have.property('number');
        expect(await text(backend, 'number')).to.equal(written);
      }
    });

    it('refuses a value that no item holds, and says why', async () => {
      const backend = open();
      const error = await failure(() => backend.set('large', new Uint8Array(400 * 1024)));
      expect(error).to.include({ code: 'KEEPSAKE_STORAGE', key: 'large', retryable: false });
      expect((error as Error).message).to.match(/have 409605 bytes; an item of DynamoDB holds \d+ at most/);
      await backend.set('large', new Uint8Array(399 * 1024));
      expect((await backend.get('large'))?.length).to.equal(399 * 1024);
      expect(await failure(() => backend.setMany([['large', new Uint8Array(400 * 1024)]]))).to.include({
        code: 'KEEPSAKE_STORAGE',
      });
    });

    it('says so of an item that it cannot read', async () => {
      const reported: string[] = [];
      const backend = open({ table: 'foreign', report: (error) => reported.push(error.code) });
      await backend.set('mine', 'value');
      await client.send(
        new PutItemCommand({ TableName: 'foreign', Item: { key: { S: 'theirs' }, name: { S: 'Ann' } } }),
      );
      expect(await failure(() => backend.get('theirs'))).to.include({ code: 'KEEPSAKE_CORRUPT_DATA', key: 'theirs' });
      expect((await all(backend.entries())).map(([key]) => key)).to.deep.equal(['mine']);
      expect(reported).to.deep.equal(['KEEPSAKE_CORRUPT_DATA']);
    });
  });

  describe('tables', () => {
    it('are made where they are missing, by several at once', async () => {
      const backends = Array.from({ length: 3 }, () => open({ table: 'made' }));
      await Promise.all(backends.map((backend, index) => backend.set(`key ${index}`, 'value')));
      expect(await backends[0]?.count()).to.equal(3);
    });

    it('are not made where they shall not be', async () => {
      const error = await failure(() => open({ table: 'unmade', create: false }).get('key'));
      expect(error).to.include({ code: 'KEEPSAKE_STORAGE', operation: 'get' });
      expect((error as Error).message).to.include('{ create: true }');
    });

    it('are refused where their key is another', async () => {
      await client.send(
        new CreateTableCommand({
          TableName: 'other-key',
          BillingMode: 'PAY_PER_REQUEST',
          AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
          KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
        }),
      );
      const error = await failure(() => open({ table: 'other-key' }).get('key'));
      expect((error as Error).message).to.include('it is id HASH');
    });
  });

  describe('many keys', () => {
    it('finds, counts and clears exactly its own of 8,000 with prefixes alike', async function () {
      this.timeout(1_200_000);
      const backend = open({ table: 'many' });
      await keepApart((name) => backend.namespace(name), 8000);
    });
  });

  describe('round trips', () => {
    let proxy: FaultProxy;
    let backend: Backend;
    before(async () => {
      const { host, port } = using.server;
      proxy = await FaultProxy.before({ host, port });
      backend = dynamodb({ ...using.server.access, endpoint: `http://127.0.0.1:${proxy.port}`, table: 'trips' });
      await backend.open();
    });
    after(async () => {
      await backend?.close();
      await proxy?.close();
    });
    beforeEach(async () => {
      await backend.set('key', 'value', { ttl: '1h' });
      await backend.set('for ever', 'value');
      await backend.set('counter', '1');
      await backend.deleteMany(['new', 'fresh']);
    });

    const many = Array.from({ length: 100 }, (_, index) => `key ${index}`);
    const trips: Trips = {
      get: [1, () => backend.get('key')],
      'get with renewFor': [1, () => backend.get('key', { renewFor: '2h' })],
      // One condition cannot both move a deadline and find an item without one.
      'get with renewFor, where there is no deadline': [2, () => backend.get('for ever', { renewFor: '2h' })],
      getEntry: [1, () => backend.getEntry('key')],
      set: [1, () => backend.set('key', 'value')],
      'set if absent': [1, () => backend.set('new', 'value', { if: 'absent' })],
      'set if absent, where it is not': [1, () => backend.set('key', 'value', { if: 'absent' })],
      'set if present': [1, () => backend.set('key', 'value', { if: 'present' })],
      'set if a version': [1, () => backend.set('key', 'value', { if: { version: 'none' } })],
      delete: [1, () => backend.delete('key')],
      'delete if a version': [1, () => backend.delete('key', { if: { version: 'none' } })],
      touch: [1, () => backend.touch('key', '1h')],
      'touch with null': [1, () => backend.touch('key', null)],
      increment: [1, () => backend.increment('counter', 5)],
      // An item cannot be given a deadline only where it is new.
      'increment that creates': [2, () => backend.increment('fresh', 5, { ttl: '1h' })],
      'getMany of 100': [1, () => backend.getMany(many)],
      'setMany of 100, 25 at a time': [4, () => backend.setMany(many.map((key) => [key, 'value']))],
      'deleteMany of 100, which counts those that are there first': [5, () => backend.deleteMany(many)],
      'update, which reads and writes on condition': [2, () => backend.update('key', () => 'other')],
    };
    countTrips(() => proxy, trips);
  });

  fromProcesses({
    place: () => `${using.server.url}/shared?endpoint=${encodeURIComponent(using.server.access.endpoint)}&timeout=30s`,
    env: () => ({ AWS_ACCESS_KEY_ID: 'keepsake', AWS_SECRET_ACCESS_KEY: 'secret' }),
  });

  describe('places', () => {
    it('are opened by openBackend', async () => {
      const place = `dynamodb://us-east-1/opened?endpoint=${encodeURIComponent(using.server.access.endpoint)}&ttl=1h`;
      const before = { ...process.env };
      Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'keepsake', AWS_SECRET_ACCESS_KEY: 'secret' });
      try {
        const backend = await openBackend(place);
        opened.push(backend);
        await backend.set('key', 'value');
        expect((await backend.getEntry('key'))?.expiresAt).to.be.a('number');
      } finally {
        for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']) {
          if (before[name] === undefined) delete process.env[name];
          else process.env[name] = before[name];
        }
      }
    });

    it('are refused where they are none', () => {
      for (const url of [
        'dynamodb:',
        'dynamodb://key:a/secret@region/t',
        'http://x',
        '',
        'dynamodb://r/t?size=5',
        'dynamodb://r/100%',
      ]) {
        expect(() => dynamodb(url), url)
          .to.throw(TypeError)
          .with.property('message')
          .that.does.not.include('secret');
      }
      expect(() => dynamodb({ size: 1 } as never)).to.throw(TypeError, /no option "size"; there are .*table/);
      expect(() => dynamodb({ table: 'a b' })).to.throw(TypeError, /table must be/);
      expect(() => dynamodb({ endpoint: 'localhost' })).to.throw(TypeError, /endpoint must be a URL/);
      expect(() => dynamodb({ endpoint: 'http://key:secret@host' }))
        .to.throw(TypeError, /endpoint must be a URL/)
        .with.property('message')
        .that.does.not.include('secret');
      expect(() => dynamodb({ timeout: 0 })).to.throw(RangeError, /timeout must be positive/);
      expect(() => dynamodb({ client: {} as never })).to.throw(TypeError, /client must be/);
      expect(() => dynamodb({ client, region: 'x' })).to.throw(TypeError, /without region/);
    });
  });

  describe('a client that was given', () => {
    it('is left open, and entries expire by the clock', async () => {
      const clock = new TestClock();
      const backend = dynamodb({ client, table: 'given', clock: clock.now });
      await backend.set('given', 'value', { ttl: '1m' });
      clock.advance(60_000);
      expect(await backend.get('given')).to.equal(undefined);
      expect(await backend.deleteExpired()).to.equal(1);
      await backend.close();
      expect(await item('given', 'given')).to.equal(undefined);
    });
  });
});
