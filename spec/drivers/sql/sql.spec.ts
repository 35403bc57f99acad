import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { type Backend, openBackend } from 'keepsake';
import { mysql, postgres, type SqlOptions, sqlite } from 'keepsake/sql';
import { failure } from '../../support/failure.js';
import { FaultProxy } from '../../support/fault-proxy.js';
import { rejection, text } from '../../support/folders.js';
import { expectFlat } from '../../support/heap.js';
import { keepApart } from '../../support/namespaces-apart.js';
import { DATABASES, type Database, newTable } from '../../support/sql.js';
import { countTrips, type Trips } from '../../support/trips.js';

for (const [engine, use] of Object.entries(DATABASES)) {
  describe(engine, function () {
    this.timeout(120_000);
    const database = use();
    const opened: Backend[] = [];
    let table: string;

    const open = (options: SqlOptions = {}): Backend => kept(database.open({ table, ...options }));
    function kept<V>(backend: Backend<V>): Backend<V> {
      opened.push(backend as unknown as Backend);
      return backend;
    }

    beforeEach(() => {
      table = newTable();
    });

    afterEach(async () => {
      for (const backend of opened.splice(0)) await backend.close();
    });

    it('finds, counts and clears exactly its own of 100,000 keys in namespaces with names alike', async () => {
      const backend = open({ timeout: '60s' });
      await keepApart((name) => backend.namespace(name));
      await backend.setMany(Array.from({ length: 100_000 }, (_, index) => [`key-${index}`, 'v'] as const));
      expect(await expectFlat(backend.keys(), 100_000)).to.equal(100_000);
    });

    it('loses no step of a counter and no update of a document of four processes', async () => {
      const backend = open();
      await backend.open();
      const worker = fileURLToPath(new URL('../../support/sql-worker.js', import.meta.url));
      const steps = 100;
      const place = `${database.url}?table=${table}`;
      const exits = Array.from({ length: 4 }, () => once(fork(worker, [place, String(steps)]), 'exit'));
      for (const [code] of await Promise.all(exits)) expect(code).to.equal(0);
      const sum = 4 * Array.from({ length: steps }, (_, index) => (index % 3) + 1).reduce((a, b) => a + b, 0);
      expect(await text(backend, 'counter')).to.equal(String(sum));
      expect(JSON.parse((await text(backend, 'document')) ?? '')).to.deep.equal({ sum, steps: 4 * steps });
    });

    it('makes its table once, whoever comes first', async () => {
      const backends = Array.from({ length: 8 }, () => open());
      await Promise.all(backends.map((backend, index) => backend.set(`key ${index}`, 'value')));
      expect(await (backends[0] as Backend).count()).to.equal(8);
    });

    it('leaves the table of somebody else alone, and says so', async () => {
      const backend = open();
      await backend.open();
      // The history of a table is no table of entries.
      await open({ history: true }).open();
      const error = await failure(() => open({ table: `${table}_history` }).get('key'));
      expect(error).to.include({ code: 'KEEPSAKE_STORAGE', retryable: false });
      expect(String(error)).to.match(/not one of keepsake: it has the columns .*sequence/);
    });

    it('is opened by openBackend', async () => {
      const backend = kept(await openBackend(`${database.url}?table=${table}&ttl=1h&timeout=10s`));
      await backend.set('key', 'value');
      expect((await backend.getEntry('key'))?.expiresAt).to.be.a('number');
      expect(await text(open(), 'key')).to.equal('value');
      const error = await failure(() => openBackend(`${database.url}?size=5`));
      expect(String(error)).to.include('there is no option "size"').and.not.include(':keepsake@');
    });

    it('keeps the largest counters exactly, and refuses what is past them', async () => {
      const backend = open();
      const largest = Number.MAX_SAFE_INTEGER;
      expect((await backend.increment('up', largest)).value).to.equal(largest);
      expect((await backend.increment('up', -1)).value).to.equal(largest - 1);
      expect((await backend.increment('down', -largest)).value).to.equal(-largest);
      expect((await backend.increment('down', largest)).value).to.equal(0);
      expect((await backend.increment('down', 0)).value).to.equal(0);
      await backend.increment('up', 1);
      expect(await failure(() => backend.increment('up'))).to.include({ code: 'KEEPSAKE_OUT_OF_RANGE' });
      for (const value of ['007', '+1', '1.0', ' 1', '1\n', '1\0', '', '-0', '99999999999999999999', 'é']) {
        await backend.set('text', value);
        expect(await failure(() => backend.increment('text')), value).to.include({ code: 'KEEPSAKE_NOT_AN_INTEGER' });
        expect(await text(backend, 'text')).to.equal(value);
      }
    });

    it('holds values of megabytes, alone and many at once', async () => {
      const backend = open({ timeout: '30s' });
      const large = Buffer.alloc(3_000_000, 'large');
      await backend.setMany(Array.from({ length: 5 }, (_, index) => [`key ${index}`, large]));
      await backend.set('one', large);
      for (const value of await backend.getMany(['key 0', 'key 4', 'one'])) {
        expect(Buffer.compare(value as Uint8Array, large)).to.equal(0);
      }
    });
  });
}

describe('mysql: a value larger than the server takes', function () {
  this.timeout(60_000);
  const database = DATABASES.mysql();

  it('is refused before it is sent, alone and among others', async () => {
    const backend = database.open({ table: newTable(), timeout: '30s' });
    const largest = Buffer.alloc(8_000_000, 'a');
    await backend.set('key', largest);
    for (const work of [
      () => backend.set('key', Buffer.alloc(9_000_000)),
      () =>
        backend.setMany([
          ['other', 'value'],
          ['key', Buffer.alloc(9_000_000)],
        ]),
    ]) {
      const error = await rejection(work());
      expect(error).to.include({ code: 'KEEPSAKE_STORAGE', retryable: false });
      expect(error.message).to.match(/a statement of 18\d+ bytes is more than the 16777\d+ .* max_allowed_packet/);
    }
    expect(await backend.has('other')).to.equal(false);
    expect(Buffer.compare((await backend.get('key')) as Uint8Array, largest)).to.equal(0);
    await backend.close();
  });
});

const NETWORKED: Readonly<Record<string, { readonly use: () => Database; readonly make: (url: string) => Backend }>> = {
  postgres: { use: DATABASES.postgres, make: postgres },
  mysql: { use: DATABASES.mysql, make: mysql },
};

for (const [engine, { use, make }] of Object.entries(NETWORKED)) {
  describe(`${engine}: round trips`, function () {
    this.timeout(60_000);
    const database = use();
    let proxy: FaultProxy;
    let backend: Backend;
    let url: string;

    before(async () => {
      const place = new URL(database.url);
      proxy = await FaultProxy.before({ host: place.hostname, port: Number(place.port) });
      place.host = `127.0.0.1:${proxy.port}`;
      url = place.href;
      backend = make(url);
      await backend.open();
    });

    beforeEach(() => backend.set('key', 'value', { ttl: '1h' }));

    after(async () => {
      await backend?.close();
      await proxy?.close();
    });

    const many = Array.from({ length: 1000 }, (_, index) => `key ${index}`);
    // MySQL has no RETURNING, so what answers with what it changed asks again.
    const twice = engine === 'mysql' ? 2 : 1;
    const costs: Trips = {
      get: [1, () => backend.get('key')],
      'get with renewFor': [twice, () => backend.get('key', { renewFor: '1h' })],
      getEntry: [1, () => backend.getEntry('key')],
      has: [1, () => backend.has('key')],
      set: [1, () => backend.set('key', 'value')],
      'set with a ttl': [1, () => backend.set('key', 'value', { ttl: '1h' })],
      'set if absent': [1, () => backend.set('key', 'value', { if: 'absent' })],
      'set if present': [1, () => backend.set('key', 'value', { if: 'present' })],
      'set if a version': [1, () => backend.set('key', 'value', { if: { version: '1' } })],
      delete: [1, () => backend.delete('key')],
      'delete if a version': [1, () => backend.delete('key', { if: { version: '1' } })],
      touch: [1, () => backend.touch('key', '1h')],
      'touch with null': [1, () => backend.touch('key', null)],
      increment: [twice, () => backend.increment('counter', 5, { ttl: '1h' })],
      update: [2, () => backend.update('key', () => 'other')],
      'getMany of 1,000': [1, () => backend.getMany(many)],
      'setMany of 1,000': [1, () => backend.setMany(many.map((key) => [key, 'value']))],
      'deleteMany of 1,000': [1, () => backend.deleteMany(many)],
      count: [1, () => backend.count({ prefix: 'k' })],
    };
    countTrips(() => proxy, costs);

    it('connects only when it is needed', async () => {
      const before = proxy.connections;
      const unused = make(url);
      expect(proxy.connections).to.equal(before);
      await unused.close();
      expect(proxy.connections).to.equal(before);
    });
  });
}

describe('places of databases', () => {
  it('are checked before anything is opened, and show no password', () => {
    const wrong: readonly (() => unknown)[] = [
      () => sqlite(''),
      () => sqlite({}),
      () => sqlite('a.db?table=b'),
      () => sqlite('a.db', { table: 'a b' }),
      () => sqlite('a.db', { table: 'x'.repeat(41) }),
      () => sqlite('a.db', { table: 'a"; drop table b' }),
      () => sqlite('a.db', { history: 1 as never }),
      () => sqlite('a.db', { size: 1 } as never),
      () => sqlite('a.db', { pragmas: { synchronous: 'full; drop table a' } }),
      () => sqlite({ database: {} as never }),
      () => postgres('http://ann:secret@localhost/'),
      () => postgres('postgres:/\\ann:secret@ local'),
      () => postgres({ kysely: {} as never }),
      () => postgres({ pool: {} as never }),
      () => mysql('postgres://ann:secret@localhost/'),
      () => mysql({ pool: {} as never }),
    ];
    for (const make of wrong) {
      expect(make, String(make)).to.throw(TypeError).with.property('code', 'KEEPSAKE_INVALID_ARGUMENT');
      expect(make, String(make)).to.throw().with.property('message').that.does.not.include('secret');
    }
    expect(() => sqlite('a.db', { timeout: 0 })).to.throw(RangeError);
    expect(() => sqlite('a.db', { sweepEvery: -1 })).to.throw(RangeError);
    expect(postgres('postgres://ann:secret@localhost:5/app').name).to.equal(
      'postgres at localhost:5/app, table keepsake',
    );
    expect(mysql('mariadb://ann:secret@localhost/app').name).to.equal('mysql at localhost/app, table keepsake');
  });

  it('that cannot be opened are errors of keepsake', async () => {
    const backend = sqlite('/dev/null/no.db');
    expect(await failure(() => backend.get('key'))).to.include({ code: 'KEEPSAKE_STORAGE', operation: 'get' });
    await backend.close();
  });
});
