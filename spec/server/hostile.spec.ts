import { expect } from 'chai';
import { memory } from 'keepsake';
import { ask, type Pause, say, statuses } from '../support/asking.js';
import { useStore } from '../support/store-server.js';

const HOST = 'Host: localhost\r\n';
const END = 'Connection: close\r\n\r\n';

/** A request with a line, headers and a body, after which the connection ends. */
function request(line: string, headers = '', body = ''): string {
  return `${line} HTTP/1.1\r\n${HOST}${headers}${END}${body}`;
}

describe('a server amid hostile input', function () {
  this.timeout(60_000);
  const using = useStore(() => memory(), { bodyLimit: 1000, requestTimeout: 1500 });

  beforeEach(async () => {
    await using.backend.clear();
    await using.backend.set('secret', 'of another');
  });

  /** What was said is answered so, nothing of it has taken effect, nothing was told, and the server serves on. */
  async function refuses(status: number, parts: readonly (string | Pause)[]): Promise<void> {
    const heard = await say(using.port, parts);
    expect(statuses(heard), heard.slice(0, 500)).to.deep.equal([status]);
    expect(heard).to.not.contain('of another');
    await unharmed();
  }

  async function unharmed(): Promise<void> {
    expect((await ask(using.url, 'GET', '/secret')).text).to.equal('of another');
    expect(await using.backend.count()).to.equal(1);
  }

  const ambiguous: Readonly<Record<string, string>> = {
    'a length and chunks': request(
      'PUT /a',
      'Content-Length: 4\r\nTransfer-Encoding: chunked\r\n',
      '0\r\n\r\nGET /secret HTTP/1.1\r\n\r\n',
    ),
    'chunks and a length': request(
      'PUT /a',
      'Transfer-Encoding: chunked\r\nContent-Length: 4\r\n',
      '0\r\n\r\nGET /secret HTTP/1.1\r\n\r\n',
    ),
    'two lengths': request('PUT /a', 'Content-Length: 3\r\nContent-Length: 4\r\n', 'abcd'),
    'one length twice': request('PUT /a', 'Content-Length: 3\r\nContent-Length: 3\r\n', 'abc'),
    'a list of lengths': request('PUT /a', 'Content-Length: 3, 3\r\n', 'abc'),
    'a length with a sign': request('PUT /a', 'Content-Length: +3\r\n', 'abc'),
    'a negative length': request('PUT /a', 'Content-Length: -3\r\n', 'abc'),
    'a length past all numbers': request('PUT /a', 'Content-Length: 99999999999999999999\r\n', 'abc'),
    'a length that is none': request('PUT /a', 'Content-Length: 3x\r\n', 'abc'),
    'an unknown encoding': request('PUT /a', 'Transfer-Encoding: xchunked\r\n', '0\r\n\r\n'),
    'chunks that are not last': request('PUT /a', 'Transfer-Encoding: chunked, identity\r\n', '0\r\n\r\n'),
    'chunks twice': request('PUT /a', 'Transfer-Encoding: identity\r\nTransfer-Encoding: chunked, x\r\n', '0\r\n\r\n'),
    'a space before a colon': request('PUT /a', 'Transfer-Encoding : chunked\r\n', '0\r\n\r\n'),
    'a folded header': request('GET /secret', 'X-A: b\r\n c\r\n'),
    'a folded encoding': request('PUT /a', 'Transfer-Encoding:\r\n chunked\r\n', '0\r\n\r\n'),
    'lines that end without a return': `GET /secret HTTP/1.1\n${HOST.trim()}\nConnection: close\n\n`,
    'a return within a header': request('GET /secret', 'X: a\rb\r\n'),
    'a NUL within a header': request('GET /secret', 'X: a\0b\r\n'),
    'a header without a name': request('GET /secret', ': a\r\n'),
    'two hosts': request('GET /secret', 'Host: example.com\r\n'),
    'no host': `GET /secret HTTP/1.1\r\n${END}`,
    'a version of long ago': 'GET /secret\r\n\r\n',
    'a version to come': `GET /secret HTTP/9.9\r\n${HOST}${END}`,
    'HTTP/2 without being asked': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    TLS: '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
    noise: '\xff\xfe\0\0\r\n\r\n',
    'a method that is none': request('GIVE /secret'),
    'no target': request('GET'),
    'a target that is a host': request('GET http://example.com/secret'),
    'a target that is this host': request('GET http://localhost/secret'),
    'a target that is all': request('OPTIONS *'),
    'a target that is no path': request('GET secret'),
    'a target with a fragment': request('GET /secret#a'),
    'a target that is not ASCII': request('GET /\xc3\xa9'),
  };
  for (const [title, text] of Object.entries(ambiguous)) {
    it(`refuses ${title}`, () => refuses(400, [text]));
  }

  it('refuses to connect to others', () => refuses(405, [request('CONNECT example.com:80')]));

  it('finds no file by a path', async () => {
    for (const path of [
      '/../../etc/passwd',
      '/..%2f..%2fetc%2fpasswd',
      '/%2e%2e/etc/passwd',
      '//etc/passwd',
      '/etc%00/passwd',
    ]) {
      await refuses(404, [request(`GET ${path}`)]);
    }
  });

  it('takes an absolute URL for a key, and asks nobody', async () => {
    const path = `/${encodeURIComponent('http://127.0.0.1:1/secret')}`;
    expect(statuses(await say(using.port, [request(`PUT ${path}`, 'Content-Length: 1\r\n', 'x')]))).to.deep.equal([
      204,
    ]);
    expect(Buffer.from((await using.backend.get('http://127.0.0.1:1/secret')) as Uint8Array).toString()).to.equal('x');
    await using.backend.delete('http://127.0.0.1:1/secret');
    await unharmed();
  });

  describe('that is long', () => {
    it('refuses a body that says so', async () => {
      await refuses(413, [`PUT /a HTTP/1.1\r\n${HOST}Content-Length: 1001\r\n\r\n`]);
      await refuses(413, [`PUT /a HTTP/1.1\r\n${HOST}Content-Length: 1001\r\n\r\n`, 'x'.repeat(1001)]);
    });

    it('refuses chunks as soon as they are too many, and hangs up', async () => {
      const chunk = `100\r\n${'x'.repeat(256)}\r\n`;
      await refuses(413, [
        `PUT /a HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n`,
        chunk,
        { pause: 20 },
        chunk.repeat(4),
      ]);
      // Without an end: the connection is not read any further.
      const head = `PUT /a HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n`;
      const heard = await say(using.port, [head, ...new Array(200).fill(chunk)], 10_000);
      expect(statuses(heard)).to.deep.equal([413]);
      await unharmed();
    });

    it('takes a body of just the limit', async () => {
      const heard = await say(using.port, [request('PUT /a', 'Content-Length: 1000\r\n', 'x'.repeat(1000))]);
      expect(statuses(heard)).to.deep.equal([204]);
      await using.backend.delete('a');
    });

    it('refuses broken chunks', async () => {
      const head = `PUT /a HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n`;
      for (const body of [
        'zz\r\nabc\r\n0\r\n\r\n',
        'fffffffffffffffff\r\nabc',
        '-1\r\nabc',
        '3\r\nabcd\r\n0\r\n\r\n',
        '3\nabc\n0\n\n',
      ]) {
        await refuses(400, [head, body]);
      }
      await refuses(400, [head, `3;${'a'.repeat(20_000)}\r\nabc\r\n0\r\n\r\n`]);
    });

    it('refuses floods of headers', async () => {
      await refuses(431, [`GET /secret HTTP/1.1\r\n${HOST}${'X: y\r\n'.repeat(2500)}${END}`]);
      await refuses(431, [`GET /secret HTTP/1.1\r\n${HOST}X: ${'y'.repeat(50_000)}\r\n${END}`]);
      await refuses(431, [`GET /${'y'.repeat(50_000)} HTTP/1.1\r\n${HOST}${END}`]);
    });

    it('holds to a condition that comes behind many headers', async () => {
      const many = 'X: y\r\n'.repeat(2100);
      await refuses(431, [`PUT /secret HTTP/1.1\r\n${HOST}${many}If-None-Match: *\r\nContent-Length: 1\r\n${END}x`]);
    });
  });

  describe('that is slow', () => {
    it('gives up a body that does not come', () =>
      refuses(408, [`PUT /a HTTP/1.1\r\n${HOST}Content-Length: 10\r\n\r\nabc`]));

    it('gives up headers that do not end', () => refuses(408, [`PUT /a HTTP/1.1\r\n${HOST}`]));

    it('gives up a body that drips', async () => {
      const drops = Array.from({ length: 30 }, () => ['x', { pause: 100 }]).flat();
      await refuses(408, [`PUT /a HTTP/1.1\r\n${HOST}Content-Length: 900\r\n\r\n`, ...drops]);
    });

    it('stores nothing of a body that breaks off', async () => {
      for (const head of ['Content-Length: 10\r\n', 'Transfer-Encoding: chunked\r\n']) {
        await say(using.port, [`PUT /a HTTP/1.1\r\n${HOST}${head}\r\n`, '3\r\nabc\r\n'], 100);
      }
      await unharmed();
    });
  });

  it('answers requests one after another on one connection', async () => {
    const first = `PUT /a HTTP/1.1\r\n${HOST}Content-Length: 1\r\n\r\n1`;
    const heard = await say(using.port, [first, request('GET /a')]);
    expect(statuses(heard)[0]).to.equal(204);
    await using.backend.delete('a');
    await unharmed();
  });

  it('takes the body of a GET for nothing else', async () => {
    const body = request('DELETE /secret');
    const heard = await say(using.port, [
      `GET /secret HTTP/1.1\r\n${HOST}Content-Length: ${body.length}\r\n\r\n${body}`,
      request('GET /none'),
    ]);
    expect(statuses(heard)).to.deep.equal([200, 404]);
    await unharmed();
  });

  it('hangs up on what it refuses, rather than to read it', async () => {
    const heard = await say(using.port, [
      `PUT / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n`,
      ...new Array(50).fill(`100\r\n${'x'.repeat(256)}\r\n`),
    ]);
    expect(statuses(heard)).to.deep.equal([405]);
    await unharmed();
  });
});
