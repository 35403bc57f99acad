import { fork } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { type Backend, openBackend, provider, Service, Store } from 'keepsake';
import { type MemcachedOptions, memcached } from 'keepsake/memcached';
import { failure } from '../../support/failure.js';
import { FaultProxy } from '../../support/fault-proxy.js';
import { all, text } from '../../support/folders.js';
import { until } from '../../support/generations.js';
import { keepApart } from '../../support/namespaces-apart.js';
import { startMemcached } from '../../support/servers/memcached.js';
import { useServer } from '../../support/servers/server.js';
import { countTrips, type Trips } from '../../support/trips.js';

const DAY = 24 * 60 * 60 * 1000;

describe('memcached', function () {
  this.timeout(60_000);
  // Never one that is named: these specs list and clear it all.
  const using = useServer(() => startMemcached({ parameters: ['-m', '256'] }));
  const opened: Backend[] = [];
  const pretenders: { close(): void }[] = [];

  function open(options: MemcachedOptions = {}, url = using.server.url): Backend {
    const backend = memcached(url, options);
    opened.push(backend);
    return backend;
  }

  afterEach(async () => {
    for (const pretender of pretenders.splice(0)) pretender.close();
    for (const backend of opened.splice(0)) await backend.close();
  });

  /** Says something to the server past keepsake; answers what it says, up to a last word. */
  function raw(words: string, last = 'MN\r\n'): Promise<string> {
    const { hostname, port } = new URL(`tcp://${using.server.address}`);
    return new Promise((resolve, reject) => {
      let answer = '';
      const socket = connect(Number(port), hostname);
      socket.setEncoding('latin1').on('error', reject);
      socket.on('data', (chunk) => {
        answer += chunk;
        if (!answer.endsWith(last)) return;
        socket.destroy();
        resolve(answer.slice(0, -last.length));
      });
      socket.write(last === 'MN\r\n' ? `${words}\r\nmn\r\n` : `${words}\r\n`, 'latin1');
    });
  }

  describe('on the server', () => {
    it('keeps an entry as an item under its namespace and key, its bytes unchanged', async () => {
      await open().set('plain', 'value');
      await open({ namespace: 'mine' }).set('a:b', 'value');
      await open({ namespace: null }).set('bare', 'value');
      for (const key of ['keepsake:plain', 'mine:a:b', 'bare']) {
        expect(await raw(`mg ${key} f t v`)).to.equal('VA 5 f0 t-1\r\nvalue\r\n');
      }
    });

    it('keeps a counter as its decimal text', async () => {
      const backend = open();
      await backend.increment('counter', 41);
      await backend.increment('counter', -100);
      expect(await raw('mg keepsake:counter v')).to.equal('VA 3\r\n-59\r\n');
      await raw('ms keepsake:counter 2\r\n12');
      expect((await backend.increment('counter')).value).to.equal(13);
      expect(await text(backend, 'counter')).to.equal('13');
    });

    it('reads what others have stored, with the deadline that they gave it', async () => {
      await raw('ms keepsake:theirs 5 T100 F7\r\nvalue');
      const entry = await open().getEntry('theirs');
      expect(entry?.expiresAt)
        .to.be.greaterThan(Date.now() + 50_000)
        .and.lessThan(Date.now() + 101_000);
      expect(await text(open(), 'theirs')).to.equal('value');
    });

    it('lets the server forget an entry after its deadline, and not before', async () => {
      const backend = open();
      for (const [ttl, least, most] of [
        [1_500, 1, 4],
        ['1h', 3_600, 3_602],
        [`${29 * DAY}`, 29 * 86_400, 29 * 86_400 + 2],
        [`${31 * DAY}`, 31 * 86_400 - 2, 31 * 86_400 + 3],
        [`${3 * 365 * DAY}`, 3 * 365 * 86_400 - 2, 3 * 365 * 86_400 + 3],
      ] as const) {
        await backend.set('key', 'value', { ttl: typeof ttl === 'number' || ttl === '1h' ? ttl : Number(ttl) });
        const [, left] = /t(-?\d+)/.exec(await raw('mg keepsake:key t')) ?? [];
        expect(Number(left), `after a ttl of ${ttl}`).to.be.within(least, most);
      }
      await backend.set('key', 'value', { expiresAt: new Date('2100-01-01') });
      expect(await raw('mg keepsake:key t')).to.equal('HD t-1\r\n');
      expect((await backend.getEntry('key'))?.expiresAt).to.equal(Date.parse('2100-01-01'));
    });

    it('takes what has expired as gone while the server still has it', async () => {
      const backend = open({ namespace: 'late' });
      const expiresAt = Date.now() + 40;
      const version = async (key: string) => {
        await backend.set(key, 'old', { expiresAt });
        return (await backend.getEntry(key))?.version ?? '';
      };
      const versions = [await version('a'), await version('b')];
      for (const key of ['c', 'd', 'e', 'f', 'g', 'h']) await backend.set(key, '1', { expiresAt });
      await until(() => Date.now() >= expiresAt);
      expect(await raw('mg late:h v')).to.match(/^VA 9/);
      expect(await backend.set('a', 'new', { if: { version: versions[0] ?? '' } })).to.equal(false);
      expect(await backend.delete('b', { if: { version: versions[1] ?? '' } })).to.equal(false);
      expect(await backend.set('c', 'new', { if: 'present' })).to.equal(false);
      expect(await backend.set('d', 'new', { if: 'absent' })).to.equal(true);
      expect(await backend.increment('e', 5)).to.deep.equal({ value: 5, expiresAt: undefined });
      expect(await backend.touch('f', '1h')).to.equal(false);
      expect(await backend.get('g', { renewFor: '1h' })).to.equal(undefined);
      expect(await backend.delete('h')).to.equal(false);
      expect((await all(backend.keys())).sort()).to.deep.equal(['d', 'e']);
    });

    it('keeps the version of a value whose deadline is moved, which still serves as a condition', async () => {
      const backend = open();
      for (const ttl of [null, '1h'] as const) {
        await backend.set('moved', 'one', { ttl });
        const version = (await backend.getEntry('moved'))?.version ?? '';
        expect(await backend.touch('moved', '2h')).to.equal(true);
        expect(await backend.touch('moved', null)).to.equal(true);
        await backend.touch('moved', '3h');
        await backend.get('moved', { renewFor: '4h' });
        expect((await backend.getEntry('moved'))?.version).to.equal(version);
        expect(await text(backend, 'moved')).to.equal('one');
        expect(await backend.set('moved', 'two', { if: { version } })).to.equal(true);
        expect(await backend.set('moved', 'three', { if: { version } })).to.equal(false);
        expect(await backend.delete('moved', { if: { version } })).to.equal(false);
      }
    });

    it('takes any key: those that the server would not take as base64, and long ones by a digest', async () => {
      const backend = open({ namespace: 'keys' });
      const short = ['plain', 'with space', 'tab\tnew\r\nline', 'é😀', '\x7f', 'x'.repeat(245), 'é'.repeat(90)];
      const long = ['x'.repeat(246), 'é'.repeat(91), `${'x'.repeat(300)} 1`, `${'x'.repeat(300)} 2`, 'é'.repeat(512)];
      const lookalike = `\0${'A'.repeat(43)}`;
      const keys = [...short, ...long, lookalike];
      await backend.setMany(keys.map((key) => [key, `value of ${key}`]));
      for (const key of keys) expect(await text(backend, key)).to.equal(`value of ${key}`);
      expect((await all(backend.keys())).sort()).to.deep.equal([...keys].sort());
      expect((await all(backend.keys({ prefix: 'x'.repeat(300) }))).sort()).to.deep.equal(long.slice(2, 4));
      expect(await backend.delete(long[0] ?? '')).to.equal(true);
      await backend.clear({ prefix: 'x'.repeat(300) });
      expect(await backend.count()).to.equal(keys.length - 3);
      const pages: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await backend.page({ limit: 3, cursor });
        pages.push(...page.keys);
        cursor = page.cursor;
      } while (cursor !== undefined);
      expect(new Set(pages).size).to.equal(keys.length - 3);
      await backend.clear();
      expect(await raw('lru_crawler metadump hash', 'END\r\n')).to.not.include('key=keys%3A');
    });

    it('goes on with a page by its cursor, in another backend too, and lists no key that was deleted meanwhile', async () => {
      const backend = open({ namespace: 'paged' });
      const keys = Array.from({ length: 20 }, (_, index) => `key ${String(index).padStart(2, '0')}`);
      await backend.setMany(keys.map((key) => [key, 'value']));
      const first = await backend.page({ limit: 8 });
      expect(first.keys).to.deep.equal(keys.slice(0, 8));
      await backend.delete('key 09');
      const expected = keys.slice(8, 16).filter((key) => key !== 'key 09');
      expect((await backend.page({ limit: 8, cursor: first.cursor })).keys).to.deep.equal(expected);
      const other = await open({ namespace: 'paged' }).page({ limit: 7, cursor: first.cursor });
      expect(other.keys).to.deep.equal(expected);
    });

    it('says so of an item that somebody has cut, and lists the others', async () => {
      const backend = open({ namespace: 'cut' });
      await backend.set('good', 'value', { ttl: '1h' });
      await raw(`ms cut:bad 3 F${0x6b730001}\r\nabc`);
      for (const work of [() => backend.get('bad'), () => backend.getEntry('bad'), () => backend.increment('bad')]) {
        expect(await failure(work)).to.include({ code: 'KEEPSAKE_CORRUPT_DATA', key: 'bad' });
      }
      const reported: string[] = [];
      const listing = open({ namespace: 'cut', report: (error) => reported.push(error.code) });
      expect((await all(listing.entries())).map(([key]) => key)).to.deep.equal(['good']);
      expect(reported).to.deep.equal(['KEEPSAKE_CORRUPT_DATA']);
      expect(await backend.delete('bad')).to.equal(true);
    });

    it('refuses what the server would not take, and the old value stays', async () => {
      const backend = open({ namespace: 'large' });
      const most = 2 ** 20 - 59 - 'large:key'.length;
      for (const options of [{}, { ttl: '1h' }] as const) {
        const length = options.ttl === undefined ? most : most - 12;
        await backend.set('key', Buffer.alloc(length, 'x'), options);
        expect((await backend.get('key'))?.length).to.equal(length);
        const error = await failure(() => backend.set('key', Buffer.alloc(length + 1), options));
        expect(error).to.include({ code: 'KEEPSAKE_STORAGE', retryable: false, operation: 'set', key: 'key' });
        expect((error as Error).message).to.match(/1048577 bytes, and the server takes 1048576; .*-I/);
        expect((await backend.get('key'))?.length).to.equal(length);
      }
    });

    it('takes a version of a server that has been started again since as that of another value', async () => {
      const proxied = await startMemcached({ parameters: ['-t', '1'] });
      const backend = open({}, proxied.url);
      await backend.set('key', 'first');
      const version = (await backend.getEntry('key'))?.version ?? '';
      await proxied.process?.restart();
      await backend.get('key').catch(() => undefined);
      await backend.set('key', 'other');
      expect((await backend.getEntry('key'))?.version?.split('_')[1]).to.equal(version.split('_')[1]);
      expect(await backend.set('key', 'third', { if: { version } })).to.equal(false);
      expect(await backend.delete('key', { if: { version } })).to.equal(false);
      expect(await text(backend, 'key')).to.equal('other');
      await backend.close();
      await proxied.stop();
    });
  });

  describe('namespaces', () => {
    it('finds, counts and clears exactly its own of 100,000 keys with names alike', async function () {
      this.timeout(120_000);
      await keepApart((namespace) => open({ namespace, timeout: '30s' }));
    });

    it('clears a whole server only when told so', async () => {
      const backend = open({ namespace: null });
      await backend.clear({ everything: true });
      await open({ namespace: 'kept' }).set('key', 'value');
      const error = await failure(() => backend.clear());
      expect(error).to.include({ code: 'KEEPSAKE_UNSUPPORTED', operation: 'clear' });
      expect((error as Error).message).to.include('{ everything: true }');
      await backend.clear({ prefix: 'kep' });
      expect(await open({ namespace: 'kept' }).count()).to.equal(0);
      await open({ namespace: 'kept' }).set('key', 'value');
      // What is no text is no key of ours, but is everything too.
      await raw(`ms ${Buffer.of(0xff, 0x20, 0xfe).toString('base64')} 1 b\r\nx`);
      expect(await all(backend.keys())).to.deep.equal(['kept:key']);
      await backend.clear({ everything: true });
      expect(await backend.count()).to.equal(0);
      expect(await raw('lru_crawler metadump hash', 'END\r\n')).to.equal('');
    });
  });

  describe('a listing', () => {
    // A small table grows again and again.
    const growing = useServer(() => startMemcached({ parameters: ['-t', '1', '-o', 'hashpower=12'] }));

    it('is whole while the table of the server grows', async () => {
      const backend = open({}, growing.server.url);
      let stored = 0;
      for (let round = 0; round < 12; round++) {
        await backend.setMany(Array.from({ length: 2_000 }, () => [`key ${stored++}`, 'value'] as const));
        expect(await backend.count()).to.equal(stored);
      }
    });

    /** What answers like a server that lists nothing as often as said while its table grows, or says something else. */
    async function scripted(
      dumps: readonly string[],
      state: readonly string[],
    ): Promise<{ asked: string[]; url: string }> {
      const asked: string[] = [];
      const sockets = new Set<Socket>();
      const left = [...dumps];
      const states = [...state];
      const listener = createServer((socket) => {
        sockets.add(socket);
        socket
          .on('error', () => undefined)
          .on('data', (chunk) => {
            for (const line of String(chunk).split('\r\n').slice(0, -1)) {
              asked.push(line);
              if (line.startsWith('lru_crawler'))
                socket.write(left.shift() ?? 'key=keepsake%3Afound exp=-1 la=1\nEND\r\n');
              else if (line === 'stats') {
                const now = asked.at(-2)?.startsWith('lru_crawler') ? (states.shift() ?? '0') : '0';
                socket.write(`STAT version 1.6.39\r\nSTAT curr_items 5\r\nSTAT hash_is_expanding ${now}\r\nEND\r\n`);
              } else socket.write('END\r\n');
            }
          });
      });
      await once(listener.listen(0, '127.0.0.1'), 'listening');
      const { port } = listener.address() as { port: number };
      const close = () => {
        for (const socket of sockets) socket.destroy();
        listener.close();
      };
      pretenders.push({ close });
      return { asked, url: `memcached://127.0.0.1:${port}` };
    }

    it('is made again where it came out empty since the table of the server grows', async () => {
      const server = await scripted(['END\r\n', 'END\r\n', 'END\r\n'], ['1', '1', '0']);
      expect(await all(open({}, server.url).keys())).to.deep.equal(['found']);
      expect(server.asked.filter((line) => line === 'lru_crawler metadump hash')).to.have.length(4);
    });

    it('rejects rather than being empty where the table grows on and on', async () => {
      const server = await scripted(
        Array.from({ length: 20 }, () => 'END\r\n'),
        Array.from({ length: 20 }, () => '1'),
      );
      const error = await failure(() => all(open({}, server.url).keys()));
      expect(error).to.include({ code: 'KEEPSAKE_STORAGE', operation: 'keys', retryable: true });
    });

    it('is tried again where the server is busy, and made by classes where it knows no other way', async () => {
      const server = await scripted(
        ['BUSY currently processing crawler request\r\n', 'BADCLASS invalid class id\r\n'],
        [],
      );
      expect(await all(open({}, server.url).keys())).to.deep.equal(['found']);
      expect(server.asked.at(-1)).to.equal('lru_crawler metadump all');
    });

    it('that is cut rejects', async () => {
      const { hostname: host, port } = new URL(`tcp://${growing.server.address}`);
      const proxy = await FaultProxy.before({ host, port: Number(port) });
      const backend = open({}, `memcached://127.0.0.1:${proxy.port}`);
      await backend.get('key');
      proxy.endAfter(100_000);
      expect(await failure(() => backend.count())).to.include({ code: 'KEEPSAKE_CONNECTION', operation: 'count' });
      await backend.close();
      await proxy.close();
    });

    it('waits for those of others', async () => {
      const backends = Array.from({ length: 6 }, () => open({ timeout: '30s' }, growing.server.url));
      const before = await backends[0]?.count();
      for (const count of await Promise.all(backends.map((backend) => backend.count()))) {
        expect(count).to.equal(before).and.to.be.greaterThan(0);
      }
    });

    const without = useServer(() => startMemcached({ parameters: ['-o', 'no_lru_crawler'] }));

    it('is refused by a server that cannot list', async () => {
      const backend = open({}, without.server.url);
      await backend.set('key', 'value');
      expect(await failure(() => backend.count())).to.include({ code: 'KEEPSAKE_UNSUPPORTED', operation: 'count' });
    });
  });

  describe('a connection', () => {
    /** What greets like memcached, and then answers as told, line by line. */
    async function answering(answer: (line: string, socket: Socket) => void): Promise<{ url: string }> {
      const sockets = new Set<Socket>();
      const listener = createServer((socket) => {
        sockets.add(socket);
        socket
          .on('error', () => undefined)
          .on('data', (chunk) => {
            for (const line of String(chunk).split('\r\n').slice(0, -1)) {
              if (line === 'stats') socket.write('STAT version 1.6.18\r\nEND\r\n');
              else if (line === 'stats settings') socket.write('END\r\n');
              else answer(line, socket);
            }
          });
      });
      await once(listener.listen(0, '127.0.0.1'), 'listening');
      const { port } = listener.address() as { port: number };
      const close = () => {
        for (const socket of sockets) socket.destroy();
        listener.close();
      };
      pretenders.push({ close });
      return { url: `memcached://127.0.0.1:${port}` };
    }

    const nonsense: Readonly<Record<string, string>> = {
      'a value that is longer than it says': 'VA 3 f0\r\nabcdef\r\n',
      'a size that is no number': 'VA x f0\r\nabc\r\n',
      'a size beyond reason': 'VA 9999999999 f0\r\n',
      'a line that is no answer': 'HELLO there\r\n',
      'a line without end': 'x'.repeat(10_000),
      'more than was asked for': 'EN\r\nEN\r\nEN\r\nEN\r\nEN\r\n',
    };
    for (const [title, answer] of Object.entries(nonsense)) {
      it(`is over with ${title}, and so is all that waits for it`, async () => {
        const server = await answering((line, socket) => {
          if (line.startsWith('mg keepsake:bad')) socket.write(answer);
        });
        const backend = open({ timeout: '20s' }, server.url);
        const waiting = [
          backend.get('bad'),
          backend.get('other'),
          backend.getMany(['a', 'b']),
          backend.set('c', 'value'),
        ];
        const ended = await Promise.allSettled(waiting);
        const failed = ended.filter((each) => each.status === 'rejected');
        expect(failed.length).to.be.greaterThan(0);
        for (const { reason } of failed) {
          expect(reason, String(reason)).to.include({ code: 'KEEPSAKE_CONNECTION', retryable: true });
        }
        if (!answer.startsWith('EN')) expect(failed).to.have.length(4);
      });
    }

    it('gives answers in the order of questions, in whatever pieces they come', async () => {
      const server = await answering((line, socket) => {
        const [, key = ''] = /^mg keepsake:(\w+)/.exec(line) ?? [];
        if (key === '') return;
        for (const byte of `VA ${key.length} f0\r\n${key}\r\n`) socket.write(byte);
      });
      const backend = open({}, server.url);
      const keys = Array.from({ length: 50 }, (_, index) => `key${index}`);
      const values = await Promise.all(keys.map((key) => text(backend, key)));
      expect(values).to.deep.equal(keys);
    });

    it('answers what is late behind the many answers of another in time, and stays for those', async () => {
      let drip: NodeJS.Timeout | undefined;
      const server = await answering((line, socket) => {
        if (!line.startsWith('mg keepsake:many0 ')) return;
        let left = 15;
        drip = setInterval(() => {
          socket.write(--left > 0 ? 'VA 1 f0 O0\r\nx\r\n' : 'MN\r\nEN\r\n');
          if (left === 0) clearInterval(drip);
        }, 100);
      });
      const backend = open({ timeout: 500 }, server.url);
      const many = backend.getMany(['many0', 'many1']);
      const late = failure(() => backend.get('late'));
      expect(await late).to.include({ code: 'KEEPSAKE_TIMEOUT', operation: 'get', retryable: true });
      expect(String((await many)[0]?.length)).to.equal('1');
      clearInterval(drip);
    });

    it('is refused by a server that is too old', async () => {
      const listener = createServer((socket) => {
        socket.on('error', () => undefined).on('data', () => socket.write('STAT version 1.5.22\r\nEND\r\nEND\r\n'));
      });
      await once(listener.listen(0, '127.0.0.1'), 'listening');
      const { port } = listener.address() as { port: number };
      const error = await failure(() => open({}, `memcached://127.0.0.1:${port}`).get('key'));
      expect(error).to.include({ code: 'KEEPSAKE_UNSUPPORTED', retryable: false });
      expect((error as Error).message).to.include('1.5.22');
      listener.close();
    });
  });

  describe('round trips', () => {
    let proxy: FaultProxy;
    let backend: Backend;
    before(async () => {
      const { hostname: host, port } = new URL(`tcp://${using.server.address}`);
      proxy = await FaultProxy.before({ host, port: Number(port) });
    });
    after(() => proxy?.close());

    let version = '';
    beforeEach(async () => {
      backend = open({ namespace: 'trips' }, `memcached://127.0.0.1:${proxy.port}`);
      await backend.set('key', 'value', { ttl: '1h' });
      await backend.increment('counter');
      await backend.delete('absent');
      version = (await backend.getEntry('key'))?.version ?? '';
    });

    const many = Array.from({ length: 100 }, (_, index) => `key ${index}`);
    const work: Trips = {
      get: [1, () => backend.get('key')],
      getEntry: [1, () => backend.getEntry('key')],
      has: [1, () => backend.has('key')],
      set: [1, () => backend.set('key', 'value')],
      'set with a ttl': [1, () => backend.set('key', 'value', { ttl: '1h' })],
      'set if absent, where it is': [1, () => backend.set('absent', 'value', { if: 'absent' })],
      'set if a version, where it is that': [1, () => backend.set('key', 'value', { if: { version } })],
      delete: [1, () => backend.delete('key')],
      'delete if a version, where it is that': [1, () => backend.delete('key', { if: { version } })],
      'getMany of 100': [1, () => backend.getMany(many)],
      'setMany of 100': [1, () => backend.setMany(many.map((key) => [key, 'value']))],
      'deleteMany of 100': [1, () => backend.deleteMany(many)],
      // What is there has to be looked at first: it may have expired, and the server cannot tell.
      'set if present': [2, () => backend.set('key', 'value', { if: 'present', ttl: '1h' })],
      'set if absent, where it is not': [2, () => backend.set('key', 'value', { if: 'absent' })],
      'set if a version, where it is another': [
        2,
        () => backend.set('key', 'value', { if: { version: version.replace('_', '_9') } }),
      ],
      // The deadline stands beside the value, and the server adds to no number below 0.
      touch: [2, () => backend.touch('key', '1h')],
      'get with renewFor': [2, () => backend.get('key', { renewFor: '1h' })],
      increment: [2, () => backend.increment('counter', 5, { ttl: '1h' })],
      update: [2, () => backend.update('key', () => 'other')],
    };
    countTrips(() => proxy, work);

    it('connects only when it is needed', async () => {
      const before = proxy.connections;
      const unused = open({}, `memcached://127.0.0.1:${proxy.port}`);
      expect(proxy.connections).to.equal(before);
      await unused.close();
      expect(proxy.connections).to.equal(before);
    });

    it('leaves no connection after close, also amid a listing', async () => {
      await backend.setMany(Array.from({ length: 5_000 }, (_, index) => [`key ${index}`, 'value'] as const));
      const counting = backend.count().catch((error) => error);
      await backend.close();
      await counting;
      await until(() => proxy.connections === 0, 'no connection is left');
    });
  });

  describe('from four processes', () => {
    it('loses no step of a counter and no update of a document', async function () {
      this.timeout(120_000);
      const worker = fileURLToPath(new URL('../../support/memcached-worker.js', import.meta.url));
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

  describe('several servers', () => {
    const one = useServer(() => startMemcached({ parameters: ['-t', '1'] }));
    const two = useServer(() => startMemcached({ parameters: ['-t', '1'] }));
    const keys = Array.from({ length: 60 }, (_, index) => `key ${index}`);

    it('share the keys, the same in whatever order they are named', async () => {
      const backend = open({}, `memcached://${one.server.address},${two.server.address}`);
      const other = open({}, `memcached://${two.server.address},${one.server.address}`);
      await backend.setMany(keys.map((key) => [key, key]));
      expect((await other.getMany(keys)).every((value) => value !== undefined)).to.equal(true);
      const alone = await Promise.all([one, two].map(({ server }) => open({}, server.url).count()));
      expect(alone[0]).to.be.greaterThan(10).and.lessThan(50);
      expect((alone[0] ?? 0) + (alone[1] ?? 0)).to.equal(60);
      await backend.clear();
      expect(await open({}, one.server.url).count()).to.equal(0);
    });

    it('take for nobody what lies on another than its own', async () => {
      const both = open({ namespace: 'moved' }, `memcached://${one.server.address},${two.server.address}`);
      const first = open({ namespace: 'moved' }, one.server.url);
      await first.setMany(keys.map((key) => [key, 'on the first']));
      const found = (await both.getMany(keys)).filter((value) => value !== undefined).length;
      expect(found).to.be.lessThan(60);
      expect(await both.count()).to.equal(found);
      await first.clear();
    });

    for (const [trouble, begin, end] of [
      ['killed', 'kill', 'restart'],
      ['stopped', 'suspend', 'resume'],
    ] as const) {
      it(`reject for the keys of one that is ${trouble}, and only for those, until it is back`, async () => {
        const options = { servers: [one.server.address, two.server.address], timeout: 1500 };
        const backend = memcached(options);
        opened.push(backend);
        await backend.setMany(keys.map((key) => [key, key]));
        await one.server.process?.[begin]();
        try {
          // One that begins anew works with those that are there.
          const late = memcached(options);
          opened.push(late);
          for (const each of [backend, late]) {
            const results = await Promise.allSettled(keys.map((key) => each.get(key)));
            const failed = results.filter((result) => result.status === 'rejected');
            for (const { reason } of failed) {
              expect(reason.code, String(reason)).to.be.oneOf(['KEEPSAKE_CONNECTION', 'KEEPSAKE_TIMEOUT']);
              expect(reason.retryable).to.equal(true);
            }
            expect(failed.length).to.be.greaterThan(0).and.lessThan(keys.length);
          }
          expect(await failure(() => backend.getMany(keys))).to.include({ retryable: true, operation: 'getMany' });
          expect(await failure(() => backend.count())).to.include({ retryable: true, operation: 'count' });
        } finally {
          await one.server.process?.[end]();
        }
        const limit = Date.now() + 30_000;
        while (
          (await Promise.allSettled(keys.map((key) => backend.get(key)))).some((each) => each.status !== 'fulfilled')
        ) {
          expect(Date.now(), 'it works again in time').to.be.lessThan(limit);
        }
      });
    }
  });

  describe('places', () => {
    const onSocket = useServer(() => startMemcached({ socket: true }));

    it('are URLs and options', async () => {
      const { port } = new URL(`tcp://${using.server.address}`);
      await open().set('place', 'found');
      for (const backend of [
        memcached(`memcached://localhost:${port}`),
        memcached({ servers: [`127.0.0.1:${port}`] }),
      ]) {
        opened.push(backend);
        expect(await text(backend, 'place'), backend.name).to.equal('found');
      }
      const { address, url } = onSocket.server;
      await open({}, url).set('place', 'on a socket');
      expect(await text(open({}, `memcached://${address}`), 'place')).to.equal('on a socket');
    });

    it('are opened by openBackend and the provider', async () => {
      const backend = await openBackend(`${using.server.url}?namespace=opened&ttl=1h&timeout=10s`);
      opened.push(backend);
      await backend.set('key', 'value');
      expect((await backend.getEntry('key'))?.expiresAt).to.be.a('number');
      const other = await provider.create('memcached', `//${using.server.address}?namespace=opened`);
      opened.push(other);
      expect(await text(other, 'key')).to.equal('value');
      const error = await failure(() => openBackend('memcached://ann:secret@localhost?size=5'));
      expect((error as Error).message)
        .to.include('there is no option "size"')
        .and.not.include('secret');
      expect(await failure(() => openBackend('memcached://127.0.0.1:1'))).to.include({ code: 'KEEPSAKE_CONNECTION' });
    });

    it('keep the models of a service', async () => {
      const service = new Service({ backend: `${using.server.url}?namespace=models` });
      const User = service.register(class User extends Store {}, { fields: {} });
      await User.create('ann').save();
      expect(await text(open({ namespace: 'models' }), 'user:ann')).to.equal('{}\n');
      await service.close();
    });

    it('are refused where they are none', () => {
      for (const url of [
        'http://localhost',
        'memcached://host:port',
        'memcached://host/name',
        'memcached://h:70000',
        'memcached://a,a:11211',
        'memcached://ann@host',
        'memcached://%E0%A4%A',
        '',
      ]) {
        expect(() => memcached(url), url).to.throw(TypeError);
      }
      expect(() => memcached({ servers: [] })).to.throw(TypeError, /servers must be an array/);
      expect(() => memcached('memcached://a', { servers: ['b'] })).to.throw(TypeError, /not in both/);
      expect(() => memcached('memcached://a?ttl=1h')).to.throw(TypeError, /second argument/);
      expect(() => memcached({ username: 'a b', password: 'c' })).to.throw(TypeError, /username must be text without/);
      expect(() => memcached({ username: 'ann' })).to.throw(TypeError, /go together/);
      expect(() => memcached({ size: 1 } as never)).to.throw(TypeError, /no option "size"; there are .*namespace/);
      expect(() => memcached({ timeout: 0 })).to.throw(RangeError, /timeout must be positive/);
      expect(() => memcached({ namespace: 'a:b' })).to.throw(/namespace "a:b"/);
      expect(() => memcached({ namespace: 'x'.repeat(101) })).to.throw(RangeError, /100 characters/);
    });
  });

  describe('users', () => {
    const guarded = useServer(() => startMemcached({ users: ['ann:secret', 'bob:other'] }));

    it('are known by name and password', async () => {
      const { address, url } = guarded.server;
      await open({}, `memcached://ann:secret@${address}`).set('key', 'value');
      expect(await text(open({ username: 'bob', password: 'other' }, url), 'key')).to.equal('value');
      for (const options of [{}, { username: 'ann', password: 'wrong' }]) {
        const error = await failure(() => open(options, url).get('key'));
        expect(error).to.include({ code: 'KEEPSAKE_ACCESS_DENIED', retryable: false, operation: 'get' });
        expect(String(error)).to.not.include('wrong').and.not.include('secret');
      }
    });

    it('leave no password with a server that asks for none', async () => {
      const { address } = using.server;
      const backend = open({ namespace: null }, `memcached://ann:secret@${address}`);
      await backend.set('mine', 'value');
      expect(await raw('lru_crawler metadump hash', 'END\r\n')).to.not.include('key=keepsake ');
    });
  });
});
