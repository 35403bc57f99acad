import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { memory } from 'keepsake';
import { Folders } from '../support/folders.js';
import { findProgram, NotInstalledError } from '../support/servers/server.js';
import { useStore } from '../support/store-server.js';

const run = promisify(execFile);

describe('curl', function () {
  this.timeout(30_000);
  const folders = new Folders();
  const using = useStore(() => memory());
  let program: string;

  before(function () {
    try {
      program = findProgram('curl', 'PATH');
    } catch (error) {
      if (!(error instanceof NotInstalledError)) throw error;
      console.log('  skipped: curl is not installed');
      this.skip();
    }
  });
  after(() => folders.clearAway());

  /** What curl prints: the body, and the status in a line below. */
  async function curl(...parameters: string[]): Promise<{ readonly status: number; readonly body: Buffer }> {
    const shown = ['--silent', '--show-error', '--max-time', '20', '--write-out', '\n%{http_code}', ...parameters];
    const { stdout } = await run(program, shown, { encoding: 'buffer', maxBuffer: 2 ** 24 });
    const end = stdout.lastIndexOf('\n');
    return { status: Number(stdout.subarray(end + 1).toString()), body: stdout.subarray(0, end) };
  }

  const stored = async (key: string) => Buffer.from((await using.backend.get(key)) as Uint8Array).toString('latin1');

  it('stores what a form sends, as it comes', async () => {
    const form = ['-d', 'name=Ann', '--data-urlencode', 'text=a b&c=d ü'];
    expect((await curl('-X', 'POST', ...form, `${using.url}/form`)).status).to.equal(204);
    expect(await stored('form')).to.match(/^name=Ann&text=a(%20|\+)b%26c%3Dd(%20|\+)%C3%BC$/);
    expect((await curl('-F', 'name=Ann', `${using.url}/multipart`)).status).to.equal(204);
    expect(await stored('multipart')).to.match(
      /^-+\w+\r\nContent-Disposition: form-data; name="name"\r\n\r\nAnn\r\n-+\w+--\r\n$/,
    );
  });

  it('stores and gets binary bodies, announced and in chunks', async () => {
    const file = join(folders.make(), 'bytes');
    const bytes = Buffer.from(Uint8Array.from({ length: 300_000 }, (_, index) => (index * 7) % 256));
    writeFileSync(file, bytes);
    for (const how of [
      ['--data-binary', `@${file}`, '-X', 'PUT'],
      ['-T', file],
      ['-T', file, '-H', 'Transfer-Encoding: chunked'],
    ]) {
      expect((await curl(...how, `${using.url}/bytes`)).status).to.equal(204);
      const { status, body } = await curl(`${using.url}/bytes`);
      expect([status, Buffer.compare(body, bytes)]).to.deep.equal([200, 0]);
      await using.backend.delete('bytes');
    }
  });

  it('is stopped at a body that is too long', async () => {
    const file = join(folders.make(), 'long');
    writeFileSync(file, Buffer.alloc(3_000_000));
    expect((await curl('-T', file, `${using.url}/long`)).status).to.equal(413);
    // What is sent in chunks may be cut off before curl has read why.
    const chunked = await curl('-T', file, '-H', 'Transfer-Encoding: chunked', `${using.url}/long`).catch(
      (error: { code?: number }) => error,
    );
    if ('status' in chunked) expect(chunked.status).to.equal(413);
    else expect(chunked).to.have.property('code').that.is.oneOf([52, 55, 56]);
    expect(await using.backend.has('long')).to.equal(false);
  });

  const keys: Readonly<Record<string, string>> = {
    'a b': 'a%20b',
    'a/b': 'a%2Fb',
    'a?b': 'a%3Fb',
    'a#b': 'a%23b',
    'a%b': 'a%25b',
    'a%2Fb': 'a%252Fb',
    'a+b': 'a+b',
    '😀': '%F0%9F%98%80',
    '<b>"': '%3Cb%3E%22',
    'http://example.com/': 'http:%2F%2Fexample.com%2F',
  };
  for (const [key, segment] of Object.entries(keys)) {
    it(`reaches the key ${key}`, async () => {
      expect((await curl('-X', 'PUT', '-d', key, `${using.url}/${segment}`)).status).to.equal(204);
      expect(Buffer.from(await stored(key), 'latin1').toString()).to.equal(key);
      expect((await curl(`${using.url}/${segment}`)).body.toString()).to.equal(key);
      expect((await curl('-G', '--data-urlencode', `key=${key}`, `${using.url}/-/entry`)).body.toString()).to.equal(
        key,
      );
      expect((await curl('-X', 'DELETE', `${using.url}/${segment}`)).status).to.equal(204);
      expect(await using.backend.has(key)).to.equal(false);
    });
  }

  it('reaches the keys . and .. in a query, and with --path-as-is', async () => {
    for (const key of ['.', '..']) {
      expect((await curl('-X', 'PUT', '-d', key, `${using.url}/-/entry?key=${key}`)).status).to.equal(204);
      expect((await curl('--path-as-is', `${using.url}/${key}`)).body.toString()).to.equal(key);
    }
  });

  it('holds to conditions, and to deadlines', async () => {
    await curl('-X', 'PUT', '-d', 'one', '-H', 'Keepsake-TTL: 60000', `${using.url}/key`);
    const { body } = await curl('-I', `${using.url}/key`);
    const [, etag = ''] = /^etag: (.*)\r$/m.exec(body.toString()) ?? [];
    expect(body.toString()).to.match(/^keepsake-ttl: [0-9]+\r$/m);
    expect((await curl('-H', `If-None-Match: ${etag}`, `${using.url}/key`)).status).to.equal(304);
    expect((await curl('-X', 'PUT', '-d', 'two', '-H', 'If-None-Match: *', `${using.url}/key`)).status).to.equal(412);
    expect((await curl('-X', 'PUT', '-d', 'two', '-H', `If-Match: ${etag}`, `${using.url}/key`)).status).to.equal(204);
    expect((await curl('-X', 'DELETE', '-H', `If-Match: ${etag}`, `${using.url}/key`)).status).to.equal(412);
  });

  it('lists keys', async () => {
    await using.backend.clear();
    await using.backend.set('a "b"', '1');
    expect(JSON.parse((await curl(`${using.url}/`)).body.toString())).to.deep.equal({ keys: ['a "b"'] });
  });
});
