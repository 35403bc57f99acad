import { once } from 'node:events';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import type { Connection } from 'keepsake/supervisor';
import { Connections } from '#lib/supervisor/connections.js';
import { Relay } from '#lib/supervisor/relay.js';
import { rejection } from '../support/folders.js';
import { until } from '../support/generations.js';

describe('connections', () => {
  let relay: Relay;
  let connections: Connections;
  let port: number;
  const sockets: Socket[] = [];

  beforeEach(async () => {
    relay = new Relay({ maximumConnections: 2, maximumUnsent: 300_000 });
    connections = join();
    ({ port } = (await relay.listen({ port: 0, host: '127.0.0.1' })) as AddressInfo);
  });
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    await relay.close(100);
  });

  /** Another generation. */
  function join(unread = new Map<string, Uint8Array>(), inherit = relay.known()): Connections {
    const joined = new Connections();
    const peer = { send: (message: Parameters<Connections['receive']>[0]) => joined.receive(message) };
    joined.attach((request) => relay.handle(peer, request));
    joined.inherit(inherit);
    relay.serve(peer, unread);
    joined.release();
    return joined;
  }

  async function open(): Promise<{ socket: Socket; connection: Connection }> {
    const socket = connect({ port, host: '127.0.0.1' });
    sockets.push(socket);
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    const { localPort } = socket;
    const find = () => [...connections].find(({ remotePort }) => remotePort === localPort);
    await until(() => find() !== undefined);
    return { socket, connection: find() as Connection };
  }

  async function lines(connection: Connection, count: number): Promise<string[]> {
    const found: string[] = [];
    for await (const line of connection.lines()) if (found.push(line) === count) break;
    return found;
  }

  it('are found by their id, and say who they are', async () => {
    const { connection, socket } = await open();
    expect(connections.get(connection.id)).to.equal(connection);
    expect(connection).to.include({ remoteAddress: '127.0.0.1', localPort: port, inherited: false });
    socket.resetAndDestroy();
    await connection.closed;
    expect(connections.get(connection.id)).to.equal(undefined);
    expect(connection.writable).to.equal(false);
    expect(relay.size).to.equal(0);
  });

  it('are read in lines, or as they come', async () => {
    const { connection, socket } = await open();
    socket.write('one\r\n\ntw');
    await wait(10);
    socket.write('o\nthree é'.slice(0, -1));
    socket.end(Buffer.from('é'));
    expect(await lines(connection, 9)).to.deep.equal(['one', '', 'two', 'three é']);
    const chunks = await open();
    chunks.socket.end('abc');
    let all = '';
    for await (const chunk of chunks.connection) all += chunk.toString();
    expect(all).to.equal('abc');
  });

  it('refuse a line that is too long, and two readers', async () => {
    const { connection, socket } = await open();
    socket.write('x'.repeat(101));
    const reading = connection.lines({ maximum: 100 }).next();
    expect((await rejection(connection.lines().next())).message).to.include('read already');
    expect((await rejection(reading)).code).to.equal('KEEPSAKE_CONNECTION');
    expect(() => connection.lines({ maximum: 65_536 })).to.throw(RangeError, '65,535');
    expect(() => connection.write(5 as never)).to.throw(TypeError, 'write');
  });

  it('hold a client back that sends more than is read, and lose nothing of it', async () => {
    const { connection, socket } = await open();
    const sent = Buffer.alloc(20_000_000, 'abcdefghij');
    socket.end(sent);
    await wait(100);
    expect(socket.bytesWritten - socket.writableLength).to.be.lessThan(sent.length);
    expect(connection.unread.length).to.be.within(65_536, 200_000);
    const chunks: Buffer[] = [];
    for await (const chunk of connection) chunks.push(chunk);
    expect(Buffer.concat(chunks).equals(sent)).to.equal(true);
  });

  it('tell whether the client keeps up, and close one that never does', async () => {
    const { connection, socket } = await open();
    expect(connection.write('x')).to.equal(true);
    expect(connection.write(Buffer.alloc(100_000))).to.equal(false);
    await connection.drained();
    expect(connection.unsent).to.be.lessThan(65_536);
    const got = new Promise<number>((resolve) => {
      let bytes = 0;
      socket.on('data', (data) => {
        bytes += data.length;
        if (bytes === 100_001) resolve(bytes);
      });
    });
    expect(await got).to.equal(100_001);
    socket.pause();
    for (let time = 0; connection.writable && time < 1000; time++) {
      connection.write(Buffer.alloc(100_000));
      await wait(0);
    }
    await connection.closed;
  });

  it('are no more than they may be', async () => {
    await open();
    await open();
    const third = connect({ port, host: '127.0.0.1' });
    sockets.push(third);
    third.on('error', () => undefined);
    await once(third, 'close');
    expect(relay.size).to.equal(2);
  });

  it('go over to another generation with what nobody has read', async () => {
    const { connection, socket } = await open();
    socket.write('one\ntwo\nthr');
    expect(await lines(connection, 1)).to.deep.equal(['one']);
    relay.pause();
    await connections.quiesce(new AbortController().signal);
    socket.end('ee\nfour');
    await wait(20);
    connections = join(new Map(connections.unread()));
    const next = connections.get(connection.id) as Connection;
    expect(next.inherited).to.equal(true);
    expect(await lines(next, 9)).to.deep.equal(['two', 'three', 'four']);
    next.end('bye');
    expect(String((await once(socket, 'data'))[0])).to.equal('bye');
    await next.closed;
  });

  it('stay with the generation when the next one fails', async () => {
    const { connection, socket } = await open();
    socket.write('one\ntwo\n');
    expect(await lines(connection, 1)).to.deep.equal(['one']);
    const cancel = new AbortController();
    await connections.quiesce(cancel.signal);
    connections.hold();
    connection.write('held\n');
    const reading = lines(connection, 2);
    await wait(10);
    expect(socket.bytesRead).to.equal(0);
    socket.write('three\n');
    connections.release();
    expect(await reading).to.deep.equal(['two', 'three']);
    expect(String((await once(socket, 'data'))[0])).to.equal('held\n');
  });

  it('are quiet once what was read is dealt with', async () => {
    const { socket } = await open();
    const done: string[] = [];
    connections.serve(async (connection) => {
      for await (const line of connection.lines()) {
        await wait(20);
        done.push(line);
      }
    });
    socket.write('one\ntwo\n');
    await wait(10);
    await connections.quiesce(new AbortController().signal);
    expect(done).to.deep.equal(['one']);
    connections.release();
    await until(() => done.length === 2);
    const cancel = new AbortController();
    socket.write('three\n');
    await wait(5);
    const quiet = rejection(connections.quiesce(cancel.signal));
    cancel.abort(new Error('enough'));
    expect((await quiet).message).to.equal('enough');
  });

  it('are closed when what deals with them fails, which is reported', async () => {
    const { connection } = await open();
    const warned = once(process, 'warning');
    connections.serve(() => {
      throw new Error('clumsy');
    });
    await connection.closed;
    expect(String((await warned)[0]))
      .to.include('clumsy')
      .and.to.include('connections.spec');
  });
});
