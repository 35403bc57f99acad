import { once } from 'node:events';
import { request as requestBySocket } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { expect } from 'chai';
import { memory } from 'keepsake';
import { bearer, createServer } from 'keepsake/server';
import { ask, say, statuses } from '../support/asking.js';
import { failure } from '../support/failure.js';
import { Folders } from '../support/folders.js';
import { until } from '../support/generations.js';
import { makeCertificate } from '../support/servers/certificate.js';

describe('a server', () => {
  const folders = new Folders();
  after(() => folders.clearAway());

  it('says where it listens', async () => {
    const server = createServer(memory());
    expect(server.address).to.equal(undefined);
    const address = await server.listen();
    expect(address).to.match(/^http:\/\/127\.0\.0\.1:[0-9]+$/);
    expect(server.address).to.equal(address);
    await server.close();
    expect(server.address).to.equal(undefined);
  });

  it('listens once, and not once it is closed', async () => {
    const server = createServer(memory());
    await server.listen();
    expect(await failure(() => server.listen())).to.have.property('code', 'KEEPSAKE_INVALID_ARGUMENT');
    await server.close();
    await server.close();
    expect(await failure(() => server.listen())).to.have.property('code', 'KEEPSAKE_CLOSED');
    const never = createServer(memory());
    await never.close();
  });

  it('may try again where its port was taken', async () => {
    await using first = createServer(memory());
    const port = Number(new URL(await first.listen()).port);
    await using second = createServer(memory());
    expect(await failure(() => second.listen({ port }))).to.have.property('code', 'EADDRINUSE');
    expect(await second.listen()).to.match(/^http:/);
  });

  it('refuses options that it does not know', async () => {
    expect(() => createServer({} as never)).to.throw(TypeError);
    for (const options of [{ port: 5 }, { bodyLimit: '1 MB' }, { requestTimeout: 0 }, { headerLimit: 1 }]) {
      expect(() => createServer(memory(), options as never), JSON.stringify(options)).to.throw();
    }
    expect(await failure(() => createServer(memory()).listen({ path: '/x', port: 5 }))).to.be.instanceOf(TypeError);
  });

  it('leaves the backend open', async () => {
    const backend = memory();
    const server = createServer(backend);
    await ask(await server.listen(), 'PUT', '/key', { body: 'value' });
    await server.close();
    expect(await backend.has('key')).to.equal(true);
  });

  it('listens on a unix socket, for whoever may open it', async () => {
    await using server = createServer(memory());
    const path = join(folders.make(), 'store.sock');
    expect(await server.listen({ path })).to.equal(path);
    const statusWith = async (headers: Record<string, string>): Promise<number> => {
      const asking = requestBySocket({ socketPath: path, path: '/-/health', headers, agent: false }).end();
      const [response] = await once(asking, 'response');
      response.resume();
      await once(response, 'end');
      return response.statusCode;
    };
    expect(await statusWith({ host: 'anything' })).to.equal(200);
    expect(await statusWith({ host: 'localhost', 'x-forwarded-for': '10.0.0.1' }), 'behind a proxy').to.equal(403);
  });

  it('speaks HTTPS', async () => {
    const { certificate, key } = await certificateIn(folders.make());
    await using server = createServer(memory(), { tls: { cert: certificate, key }, authorize: bearer('token') });
    const address = await server.listen();
    expect(address).to.match(/^https:\/\/127/);
    const { request } = await import('node:https');
    const asking = request(`${address}/-/health`, {
      ca: certificate,
      servername: 'localhost',
      checkServerIdentity: () => undefined,
      headers: { authorization: 'Bearer token' },
      agent: false,
    }).end();
    const [response] = await once(asking, 'response');
    expect(response.statusCode).to.equal(200);
    response.resume();
    await once(response, 'end');
  });

  it('gives up those who do not read what they asked for', async () => {
    const backend = memory();
    await backend.set('large', Buffer.alloc(20_000_000));
    await using server = createServer(backend, { idleTimeout: 100 });
    const socket = connect(Number(new URL(await server.listen()).port), '127.0.0.1').pause();
    socket.on('error', () => undefined);
    socket.write('GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await new Promise((resolve) => setTimeout(resolve, 1000));
    let heard = 0;
    socket.on('data', (bytes) => {
      heard += bytes.length;
    });
    await once(socket.resume(), 'close');
    expect(heard).to.be.lessThan(20_000_000);
  });

  it('logs requests where it is told to, without values and tokens', async () => {
    const lines: string[] = [];
    const stream = new Writable({
      write(chunk, _encoding, done) {
        lines.push(String(chunk));
        done();
      },
    });
    await using server = createServer(memory(), { logger: { level: 'trace', stream }, authorize: bearer('the-token') });
    const url = await server.listen();
    const headers = { authorization: 'Bearer the-token' };
    await ask(url, 'PUT', '/key', { headers, body: 'the-value' });
    await ask(url, 'GET', '/key', { headers });
    await ask(url, 'GET', '/key', { headers: { authorization: 'Bearer the-wrong-token' } });
    await until(() => lines.filter((line) => line.includes('"statusCode":')).length >= 3);
    const log = lines.join('');
    expect(log).to.contain('"method":"PUT"').and.contain('"statusCode":401');
    expect(log).to.not.match(/the-token|the-wrong-token|the-value/);
  });

  describe('that is closed', () => {
    it('ends what is under way, and hangs up on those who ask nothing', async () => {
      const gate = new Gate();
      const backend = memory();
      const server = createServer(backend, { authorize: gate.authorize });
      const port = Number(new URL(await server.listen()).port);
      const idle = connect(port, '127.0.0.1');
      await once(idle, 'connect');
      const head = 'Host: localhost\r\n';
      const slow = say(port, [`PUT /key HTTP/1.1\r\n${head}Content-Length: 5\r\n\r\n`, 'value']);
      await until(() => gate.asked === 1);
      let closed = false;
      const closing = server.close().then(() => {
        closed = true;
      });
      // A connection that asked nothing is closed at once, a request under way is not.
      if (!idle.destroyed) await once(idle.resume(), 'close');
      expect(closed).to.equal(false);
      await until(() => server.address === undefined);
      expect(await failure(() => ask(`http://127.0.0.1:${port}`, 'GET', '/key'))).to.have.property(
        'code',
        'ECONNREFUSED',
      );
      gate.open();
      const heard = await slow;
      expect(statuses(heard)).to.deep.equal([204]);
      await closing;
      expect(await backend.has('key')).to.equal(true);
    });

    it('answers what is asked then on a connection that is busy with 503', async () => {
      const gate = new Gate();
      const server = createServer(memory(), { authorize: gate.authorize });
      const port = Number(new URL(await server.listen()).port);
      const socket = connect(port, '127.0.0.1');
      let heard = '';
      socket.on('data', (bytes) => {
        heard += bytes.toString('latin1');
      });
      const ask = 'GET /-/health HTTP/1.1\r\nHost: localhost\r\n\r\n';
      socket.write(ask);
      await until(() => gate.asked === 1);
      const closing = server.close();
      await until(() => server.address === undefined);
      await new Promise((resolve) => setImmediate(resolve));
      socket.write(ask);
      // The second waits for the first, as HTTP wants it.
      await new Promise((resolve) => setTimeout(resolve, 50));
      gate.open();
      await once(socket, 'close');
      await closing;
      expect(statuses(heard)).to.deep.equal([200, 503]);
      expect(heard.toLowerCase()).to.contain('connection: close');
    });

    it('waits no longer than it is told to', async () => {
      let asked = 0;
      const authorize = () => {
        asked++;
        return new Promise<boolean>(() => undefined);
      };
      const server = createServer(memory(), { authorize, closeTimeout: 50 });
      const port = Number(new URL(await server.listen()).port);
      const never = say(port, ['GET /key HTTP/1.1\r\nHost: localhost\r\n\r\n']);
      await until(() => asked === 1);
      await server.close();
      expect(await never).to.equal('');
    });
  });
});

/** Holds requests until it is opened. */
class Gate {
  asked = 0;
  #open: (() => void) | undefined;
  readonly #opened = new Promise<void>((resolve) => {
    this.#open = resolve;
  });

  readonly authorize = async (): Promise<boolean> => {
    this.asked++;
    await this.#opened;
    return true;
  };

  open(): void {
    this.#open?.();
  }
}

async function certificateIn(folder: string): Promise<{ readonly certificate: string; readonly key: string }> {
  const { certificate, keyFile } = await makeCertificate(folder);
  const { readFile } = await import('node:fs/promises');
  return { certificate, key: await readFile(keyFile, 'utf8') };
}
