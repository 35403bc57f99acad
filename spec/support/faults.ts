import { createServer, type NetConnectOpts, type Socket } from 'node:net';
import { expect } from 'chai';
import { type Backend, isKeepsakeError, KeepsakeError } from 'keepsake';
import { failure } from './failure.js';
import { FaultProxy } from './fault-proxy.js';
import { until } from './generations.js';
import { type Server, useServer } from './servers/server.js';

/** What the specs of faults need of an engine that is reached through a network. */
export interface FaultOptions<T extends Server> {
  /** Starts a server of ours, which is killed, stopped and started again. */
  readonly start: () => Promise<T>;
  /** Where the server listens. */
  readonly target: (server: T) => NetConnectOpts;
  /** A backend of bytes on what listens at host and port, whose operations may take `timeout` milliseconds; not open yet. */
  readonly open: (place: { readonly host: string; readonly port: number }, timeout: number, server: T) => Backend;
  /** The same with a wrong password, and whatever it takes for the server to want one; left out where the engine has none. */
  readonly openWithWrongPassword?: ((server: T) => Backend) | undefined;
  /** How many bytes of the answer to a `get` of 100 KB surely are in its middle; 50,000 by default. */
  readonly middle?: number | undefined;
  /** Whether the client package reads again by itself when an answer broke off; `false` by default. */
  readonly readsAgain?: boolean | undefined;
  /** Whether the client package waits for ever, closed or not, for the rest of an answer that begins like a very long one; `false` by default. */
  readonly waitsForRest?: boolean | undefined;
}

/** Short enough to be waited for, and long enough for a server on a busy machine. */
const TIMEOUT = 1_000;
const PATIENCE = 30_000;

/** Declares what must hold of every engine that is reached through a network. */
export function faults<T extends Server>(options: FaultOptions<T>): void {
  describe('amid faults of the network', function () {
    this.timeout(60_000);
    const using = useServer(options.start);
    const large = Buffer.alloc(100_000, 'x');
    let proxy: FaultProxy;
    let backend: Backend;

    beforeEach(async () => {
      proxy = await FaultProxy.before(options.target(using.server));
      backend = options.open(proxy, TIMEOUT, using.server);
    });

    afterEach(async () => {
      using.server.process?.resume();
      await backend.close();
      await until(() => proxy.connections === 0, 'no connection is left after close');
      await proxy.close();
    });

    it('rejects while the connection is refused, and works once it is not', async () => {
      await proxy.refuse();
      await rejectAll(backend, ['KEEPSAKE_CONNECTION']);
      await proxy.accept();
      await works(backend);
    });

    it('rejects when the connection is refused later on', async () => {
      await works(backend);
      await proxy.refuse();
      await rejectAll(backend, ['KEEPSAKE_CONNECTION']);
      await proxy.accept();
      await eventually(backend);
    });

    for (const how of ['resetAfter', 'endAfter'] as const) {
      it(`rejects when the connection is ${how === 'endAfter' ? 'ended' : 'reset'} in the middle of an answer`, async () => {
        await backend.set('large', large);
        proxy[how](options.middle ?? 50_000);
        if (options.readsAgain !== true) {
          const error = await failure(() => backend.get('large'));
          expectFault(error, ['KEEPSAKE_CONNECTION'], 'get');
        }
        await eventually(backend);
        expect(Buffer.compare((await backend.get('large')) ?? Buffer.alloc(0), large)).to.equal(0);
      });
    }

    it('rejects when nothing is answered, and never gives an answer to another question', async () => {
      await backend.setMany([
        ['a', 'value of a'],
        ['b', 'value of b'],
      ]);
      proxy.hang();
      await rejectAll(backend, ['KEEPSAKE_TIMEOUT', 'KEEPSAKE_CONNECTION']);
      proxy.resume();
      await eventually(backend);
      expect(String(await backend.get('a').then((bytes) => bytes && Buffer.from(bytes)))).to.equal('value of a');
      expect(String(await backend.get('b').then((bytes) => bytes && Buffer.from(bytes)))).to.equal('value of b');
    });

    it('rejects when nothing is answered from the start', async () => {
      proxy.hang();
      await rejectAll(backend, ['KEEPSAKE_TIMEOUT', 'KEEPSAKE_CONNECTION']);
    });

    it('waits for answers that are slow', async () => {
      proxy.slow(50);
      await works(backend);
    });

    it('loses nothing that it acknowledged when connections are cut again and again', async () => {
      await backend.open();
      const stored = new Set<string>();
      for (let round = 0; round < 10; round++) {
        const settled = Promise.allSettled(
          Array.from({ length: 20 }, async (_, index) => {
            const key = `cut ${round} ${index}`;
            await backend.set(key, key);
            stored.add(key);
          }),
        );
        if (round % 2 === 1) proxy.reset();
        for (const result of await settled) {
          if (result.status === 'rejected') expectFault(result.reason, ['KEEPSAKE_CONNECTION']);
        }
      }
      await eventually(backend);
      expect(stored.size).to.be.greaterThan(50);
      const values = await backend.getMany(stored);
      expect(values.map((value) => value && Buffer.from(value).toString())).to.deep.equal([...stored]);
    });

    it('rejects while the server is killed, and works once it is back', async function () {
      const server = using.server.process;
      if (server === undefined) return this.skip();
      await works(backend);
      await server.kill();
      await rejectAll(backend, ['KEEPSAKE_CONNECTION', 'KEEPSAKE_TIMEOUT']);
      await server.restart();
      await eventually(backend);
    });

    it('rejects while the server is stopped, and works once it goes on', async function () {
      const server = using.server.process;
      if (server === undefined) return this.skip();
      await works(backend);
      await server.suspend();
      await rejectAll(backend, ['KEEPSAKE_TIMEOUT', 'KEEPSAKE_CONNECTION']);
      server.resume();
      await eventually(backend);
    });

    it('closes while the server does not answer', async () => {
      await works(backend);
      proxy.hang();
      const pending = failure(() => backend.get('key'));
      await backend.close();
      expect(isKeepsakeError(await pending)).to.equal(true);
    });

    const { openWithWrongPassword } = options;
    if (openWithWrongPassword !== undefined) {
      it('says no to a wrong password, and that trying again is of no use', async () => {
        const refused = openWithWrongPassword(using.server);
        try {
          const error = await failure(() => refused.get('key'));
          expectFault(error, ['KEEPSAKE_ACCESS_DENIED'], 'get', false);
        } finally {
          await refused.close();
        }
      });
    }

    for (const [title, talk] of Object.entries(others)) {
      it(`rejects when ${title}`, async () => {
        const sockets = new Set<Socket>();
        const other = createServer((socket) => {
          sockets.add(socket);
          socket.on('error', () => undefined);
          talk(socket);
        });
        await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
        const { port } = other.address() as { port: number };
        const lost = options.open({ host: '127.0.0.1', port }, TIMEOUT, using.server);
        try {
          const error = await failure(() => lost.get('key'));
          expect(isKeepsakeError(error), String(error)).to.equal(true);
          expect((error as KeepsakeError).code).to.be.oneOf(['KEEPSAKE_CONNECTION', 'KEEPSAKE_TIMEOUT']);
        } finally {
          await lost.close();
          if (options.waitsForRest === true) for (const socket of sockets) socket.destroy();
          await until(() => [...sockets].every((socket) => socket.destroyed), 'no connection is left after close');
          other.close();
        }
      });
    }
  });
}

/** What may answer in place of the engine. */
const others: Readonly<Record<string, (socket: Socket) => void>> = {
  'what answers speaks HTTP': (socket) => {
    socket.on('data', () => socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n'));
  },
  'what answers speaks nothing sensible': (socket) => {
    const noise = setInterval(() => socket.write('\xff\x00 what? \r\n\x01', 'latin1'), 10);
    socket.on('data', () => undefined).on('close', () => clearInterval(noise));
  },
  'what answers hangs up': (socket) => {
    socket.resume().end();
  },
  'what answers says nothing': (socket) => {
    socket.on('data', () => undefined);
  },
};

/** Every kind of operation rejects with one of the codes, retryable. */
async function rejectAll(backend: Backend, codes: readonly string[]): Promise<void> {
  const operations: Readonly<Record<string, () => Promise<unknown>>> = {
    get: () => backend.get('key'),
    set: () => backend.set('key', 'value'),
    getEntry: () => backend.getEntry('key'),
    getMany: () => backend.getMany(['key', 'other']),
    setMany: () => backend.setMany([['key', 'value']]),
    delete: () => backend.delete('key'),
    count: () => backend.count(),
    increment: () => backend.increment('counter'),
    update: () => backend.update('key', () => 'value'),
  };
  await Promise.all(Object.values(operations).map(async (work) => expectFault(await failure(work), codes)));
}

/** @param operation the one that failed, where it was alone: those that wait for one connection share its failure */
function expectFault(error: unknown, codes: readonly string[], operation?: string, retryable = true): void {
  expect(error, String(error)).to.be.instanceOf(KeepsakeError);
  const fault = error as KeepsakeError;
  expect(fault.code, String(error)).to.be.oneOf(codes);
  expect(fault.retryable, String(error)).to.equal(retryable);
  if (operation !== undefined) expect(fault.operation).to.equal(operation);
}

/** The backend works at once. */
async function works(backend: Backend): Promise<void> {
  await backend.set('works', 'it works');
  expect(Buffer.from((await backend.get('works')) ?? []).toString()).to.equal('it works');
}

/** The backend works after a while, of itself. */
async function eventually(backend: Backend): Promise<void> {
  const end = Date.now() + PATIENCE;
  for (;;) {
    try {
      return await works(backend);
    } catch (error) {
      if (!isKeepsakeError(error) || Date.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
