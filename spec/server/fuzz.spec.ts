import { expect } from 'chai';
import fc from 'fast-check';
import { memory } from 'keepsake';
import { bearer, createServer, type RestServer } from 'keepsake/server';
import { ask, say, statuses } from '../support/asking.js';

/** How long to fuzz, in seconds, and with which seed. */
const SECONDS = Number(process.env.KEEPSAKE_FUZZ_SECONDS ?? 5);
const SEED = Number(process.env.KEEPSAKE_FUZZ_SEED ?? Date.now() % 2 ** 31);

const piece = fc.oneof(
  fc.constantFrom(
    '\r\n',
    '\n',
    '\r',
    ' ',
    '\t',
    ':',
    ';',
    ',',
    '/',
    '?',
    '#',
    '%',
    '\0',
    '"',
    '\r\n\r\n',
    '..',
    '%2F',
    '%00',
    '%ff',
  ),
  fc.string({ unit: 'binary-ascii', maxLength: 8 }),
  fc.uint8Array({ maxLength: 8 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
);
const noise = fc.array(piece, { maxLength: 6 }).map((parts) => parts.join(''));
const method = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom(
      'GET',
      'HEAD',
      'PUT',
      'POST',
      'PATCH',
      'DELETE',
      'OPTIONS',
      'TRACE',
      'CONNECT',
      'PROPFIND',
    ),
  },
  noise,
);
const operation = fc.constantFrom(
  'health',
  'entry',
  'count',
  'get-many',
  'set-many',
  'delete-many',
  'increment',
  'touch',
  'renew',
  'clear',
  'x',
);
const parameter = fc.tuple(
  fc.constantFrom('key', 'by', 'limit', 'cursor', 'prefix', 'after', 'everything', 'x'),
  fc.oneof(fc.constantFrom('secret', '1', '-1', 'true', '%ff'), noise),
);
const query = fc
  .array(parameter, { maxLength: 3 })
  .map((parts) => (parts.length === 0 ? '' : `?${parts.map(([name, value]) => `${name}=${value}`).join('&')}`));
const target = fc.oneof(
  fc
    .tuple(fc.oneof(fc.constantFrom('/', '/secret', '/key', '/..', '/%2e%2e', '/a%2Fb', '//', '/%'), noise), query)
    .map((parts) => parts.join('')),
  fc.tuple(operation, query).map(([name, asked]) => `/-/${name}${asked}`),
  fc.constantFrom('*', 'http://example.com/secret', 'http://localhost/secret', 'secret', ''),
);
const header = fc.oneof(
  fc.constantFrom(
    ...[
      'Content-Length: 3',
      'Content-Length: 0',
      'Content-Length: 5000',
      'Transfer-Encoding: chunked',
      'Transfer-Encoding: gzip, chunked',
    ],
    ...[
      'Expect: 100-continue',
      'Connection: keep-alive',
      'Connection: upgrade',
      'Upgrade: h2c',
      'Content-Type: a;;',
      'Content-Encoding: gzip',
    ],
    ...[
      'If-Match: *',
      'If-None-Match: *',
      'If-Match: "a", W/"b"',
      'Keepsake-TTL: 5',
      'Keepsake-TTL: never',
      'Keepsake-Expires-At: 1e9',
    ],
    ...[
      'Origin: null',
      'Sec-Fetch-Site: cross-site',
      'Host: example.com',
      'Authorization: Bearer x',
      'X-HTTP-Method-Override: DELETE',
    ],
    ...[
      'Range: bytes=0-1',
      'Content-Range: bytes 0-1/2',
      'Cookie: a=b',
      ' folded: header',
      'Authorization: Basic bGV0OmluCg==',
    ],
  ),
  noise,
);
const chunk = fc
  .tuple(fc.constantFrom('0', '3', '3;x=y', 'fff', 'zz', '-1', ''), noise)
  .map(([size, data]) => `${size}\r\n${data}\r\n`);
const body = fc.oneof(
  noise,
  fc.array(chunk, { maxLength: 4 }).map((parts) => parts.join('')),
  fc.constantFrom('abc', '{"keys":["secret"]}', '{"records":[{"key":"a","size":1}]}\nx', 'x'.repeat(3000)),
);
const lineEnd = fc.oneof({ weight: 9, arbitrary: fc.constant('\r\n') }, fc.constantFrom('\n', '\r', '\r\r\n'));

const request = fc
  .record({
    method,
    target,
    version: fc.oneof(
      { weight: 9, arbitrary: fc.constant('HTTP/1.1') },
      fc.constantFrom('HTTP/1.0', 'HTTP/0.9', 'HTTP/2.0', ''),
    ),
    host: fc.oneof({ weight: 9, arbitrary: fc.constant(['Host: localhost']) }, fc.constant([])),
    headers: fc.array(header, { maxLength: 5 }),
    lineEnd,
    body,
  })
  .map((parts) => {
    const lines = [`${parts.method} ${parts.target} ${parts.version}`, ...parts.host, ...parts.headers, '', ''];
    return lines.join(parts.lineEnd) + parts.body;
  });

describe('of a fuzzed server', function () {
  this.timeout((SECONDS + 60) * 1000);
  const TOKEN = 'let-me-in';
  const PRIVATE = 'kept-private';
  let open: RestServer;
  let guarded: RestServer;
  const stored = memory();
  const secrets = memory();
  const broken: unknown[] = [];
  const note = (error: unknown) => broken.push(error);

  before(async () => {
    open = createServer(stored, { bodyLimit: 2000 });
    guarded = createServer(secrets, { authorize: bearer(TOKEN), bodyLimit: 2000 });
    await open.listen();
    await guarded.listen();
    await secrets.set('secret', PRIVATE);
    process.on('unhandledRejection', note);
  });

  after(async () => {
    process.off('unhandledRejection', note);
    await open.close();
    await guarded.close();
  });

  it(`every answer is one, and none of a guarded server tells or changes anything (${SECONDS} s, KEEPSAKE_FUZZ_SEED=${SEED})`, async () => {
    const end = Date.now() + SECONDS * 1000;
    let runs = 0;
    let told = 0;
    const met = new Set<number>();
    const property = fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: 3 }), async (requests) => {
      runs++;
      // Asked to hang up at last, and given little time where it waits for more.
      const parts = [...requests, 'GET /-/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'];
      const [heard, guardedHeard] = await Promise.all(
        [open, guarded].map((server) => say(Number(new URL(server.address as string).port), parts, 150)),
      );
      for (const text of [heard, guardedHeard] as string[]) {
        const answered = statuses(text);
        told += answered.length;
        for (const status of answered) {
          met.add(status);
          expect(status, text).to.be.within(100, 599).and.not.equal(500);
        }
        if (text !== '') expect(text, 'an answer starts as one').to.match(/^HTTP\/1\.1 [0-9]{3} /);
      }
      expect(guardedHeard).to.not.contain(PRIVATE);
      for (const status of statuses(guardedHeard as string)) {
        expect(status, guardedHeard).to.be.oneOf([100, 400, 401, 403, 404, 405, 408, 413, 417, 431]);
      }
      expect(broken).to.deep.equal([]);
    });
    await fc.assert(property, {
      seed: SEED,
      numRuns: Number.MAX_SAFE_INTEGER,
      interruptAfterTimeLimit: Math.max(0, end - Date.now()),
      markInterruptAsFailure: false,
    });
    expect(await secrets.page()).to.deep.equal({ keys: ['secret'] });
    expect(Buffer.from((await secrets.get('secret')) as string).toString()).to.equal(PRIVATE);
    expect(runs).to.be.greaterThan(10);
    console.log(`      ${runs} conversations, ${told} answers: ${[...met].sort().join(', ')}`);
    const { status } = await ask(open.address as string, 'GET', '/-/health');
    expect(status).to.equal(200);
  });
});
