import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import type { Backend } from 'keepsake';
import { type S3Options, s3 } from 'keepsake/s3';
import { failure } from '../../support/failure.js';

type Answer = (answer: ServerResponse, method: string) => void;

const xml = (text: string) => `<?xml version="1.0"?>${text}`;
const named = { 'x-amz-request-id': '1' };

/** What a server between here and S3 says while S3 itself is down, and what S3 says seldom. */
describe('s3, answered', () => {
  let server: Server;
  let bucket: Answer;
  let answers: Answer;
  let backend: Backend;

  before(async () => {
    server = createServer((asked, answer) => {
      asked.resume();
      // The backend sees at its first operation whether the bucket is there.
      if (asked.method === 'HEAD' && /^\/bucket\/?(\?|$)/.test(asked.url ?? '')) bucket(answer, 'HEAD');
      else answers(answer, asked.method ?? '');
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });

  beforeEach(() => {
    bucket = (answer) => answer.writeHead(200, named).end();
    backend = open({
      endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    });
  });
  const open = (options: S3Options) =>
    s3({ bucket: 'bucket', credentials: { accessKeyId: 'keepsake', secretAccessKey: 'secret' }, ...options });
  afterEach(() => backend.close());

  const operations: Readonly<Record<string, () => Promise<unknown>>> = {
    get: () => backend.get('key'),
    has: () => backend.has('key'),
    getMany: () => backend.getMany(['key', 'other']),
    delete: () => backend.delete('key'),
    'set if absent': () => backend.set('key', 'value', { if: 'absent' }),
    increment: () => backend.increment('key'),
    count: () => backend.count(),
    clear: () => backend.clear(),
  };
  for (const [title, work] of Object.entries(operations)) {
    it(`takes "not found" from what is not S3 for a failure, in ${title}`, async () => {
      answers = (answer) => answer.writeHead(404, { 'content-type': 'text/html' }).end('<html>no backend</html>');
      const error = await failure(work);
      expect(error).to.include({ code: 'KEEPSAKE_CONNECTION', retryable: true });
    });
  }

  for (const title of ['get', 'has', 'count', 'clear']) {
    it(`takes a page of what is not S3 for a failure, in ${title}`, async () => {
      answers = (answer) => answer.writeHead(200, { 'content-type': 'text/html' }).end('<html>log in</html>');
      const error = await failure(operations[title] as () => Promise<unknown>);
      expect(error).to.include({ code: 'KEEPSAKE_CONNECTION', retryable: true });
      expect((error as Error).message).to.include('does not speak S3');
    });
  }

  it('with "not found" by S3 finds nothing', async () => {
    answers = (answer) => answer.writeHead(404, named).end(xml('<Error><Code>NoSuchKey</Code></Error>'));
    expect(await backend.get('key')).to.equal(undefined);
    // Not every server gives a request a name.
    answers = (answer, method) => {
      answer.writeHead(404).end(method === 'HEAD' ? '' : xml('<Error><Code>NoSuchKey</Code></Error>'));
    };
    expect(await backend.get('key')).to.equal(undefined);
    expect(await backend.delete('key')).to.equal(false);
  });

  it('that the bucket is gone says so', async () => {
    answers = (answer) => answer.writeHead(404, named).end(xml('<Error><Code>NoSuchBucket</Code></Error>'));
    const error = await failure(() => backend.get('key'));
    expect(error).to.include({ code: 'KEEPSAKE_STORAGE', retryable: false });
    expect((error as Error).message).to.include('there is no such bucket');
  });

  it('that the bucket is in another region names it', async () => {
    for (const status of [301, 400]) {
      bucket = (answer) => answer.writeHead(status, { ...named, 'x-amz-bucket-region': 'eu-west-1' }).end();
      const error = await failure(() => backend.get('key'));
      expect(error).to.include({ code: 'KEEPSAKE_STORAGE', retryable: false, operation: 'get' });
      expect((error as Error).message)
        .to.include('in the region eu-west-1')
        .and.include(`status ${status}`);
    }
  });

  const codes: Readonly<Record<string, readonly [string, boolean]>> = {
    AccessDenied: ['KEEPSAKE_ACCESS_DENIED', false],
    SlowDown: ['KEEPSAKE_STORAGE', true],
    InternalError: ['KEEPSAKE_STORAGE', true],
    InvalidArgument: ['KEEPSAKE_STORAGE', false],
  };
  for (const [reason, [code, retryable]] of Object.entries(codes)) {
    it(`that an object was not deleted because of ${reason} is a ${code}`, async () => {
      const page = '<IsTruncated>false</IsTruncated><Contents><Key>keepsake:a</Key></Contents>';
      answers = (answer, method) => {
        const text =
          method === 'GET'
            ? `<ListBucketResult>${page}</ListBucketResult>`
            : `<DeleteResult><Error><Key>keepsake:a</Key><Code>${reason}</Code></Error></DeleteResult>`;
        answer.writeHead(200, named).end(xml(text));
      };
      const error = await failure(() => backend.clear());
      expect(error).to.include({ code, retryable, operation: 'clear' });
      expect((error as Error).message).to.include(`${reason}: keepsake:a was not deleted`);
    });
  }
});
