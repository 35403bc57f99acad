import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import fc from 'fast-check';
import type { Ask, Reply } from '../support/web/app.js';
import { expressApp } from '../support/web/express.js';
import { fastifyApp } from '../support/web/fastify.js';
import { honoApp } from '../support/web/hono.js';

const SEED = Number(process.env.KEEPSAKE_FUZZ_SEED ?? Date.now() % 2 ** 31);
const REQUESTS = 4000;
const AT_ONCE = 40;

const user = fc.constantFrom('ann', 'bob', 'carl', 'dora');
/** A request, with what its handler does, if it comes to that. */
const asked = fc.record({
  path: fc.constantFrom('/plain', '/plain?x=1&y=2', '/plain?y=2&x=1', '/varies', '/varies?x=1', '/at-times'),
  method: fc.oneof({ weight: 30, arbitrary: fc.constant('GET') }, fc.constantFrom('HEAD', 'POST')),
  who: fc.oneof(
    { weight: 3, arbitrary: fc.constant({}) },
    user.map((name) => ({ authorization: name })),
    user.map((name) => ({ cookie: `user=${name}` })),
  ),
  language: fc.constantFrom(undefined, 'de', 'fr'),
  wish: fc.oneof(
    { weight: 8, arbitrary: fc.constant(undefined) },
    fc.constantFrom('no-cache', 'no-store', 'max-age=0', 'only-if-cached', 'max-stale', 'min-fresh=1'),
  ),
  leavesAfter: fc.oneof({ weight: 15, arbitrary: fc.constant(undefined) }, fc.nat(6)),
  takes: fc.nat(6),
  control: fc.constantFrom(
    ...[undefined, 'max-age=1', 'public, max-age=1', 'private', 'no-store', 's-maxage=1'],
    'max-age=1, stale-while-revalidate=5',
  ),
  setsCookie: fc.oneof({ weight: 9, arbitrary: fc.constant(false) }, fc.constant(true)),
  fails: fc.oneof({ weight: 19, arbitrary: fc.constant(false) }, fc.constant(true)),
  inParts: fc.boolean(),
});
type Asked = typeof asked extends fc.Arbitrary<infer T> ? T : never;

/** What a handler says: for whom it is, unless it says that it is for all. */
interface Said {
  readonly path: string;
  readonly user: string | undefined;
  readonly language: string | undefined;
  readonly setsCookie: boolean;
}

const nameOf = (header: (name: string) => string | undefined): string | undefined =>
  header('authorization') ?? header('cookie');

async function* parts(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text.slice(0, 9));
  await wait(1);
  yield Buffer.from(text.slice(9));
}

async function answer({ url, header }: Pick<Ask, 'url' | 'header'>, requests: readonly Asked[]): Promise<Reply> {
  const { takes, control, setsCookie, fails, inParts } = requests[Number(header('x-number'))] as Asked;
  await wait(takes);
  const language = header('accept-language');
  const varies = url.startsWith('/varies') || (url.startsWith('/at-times') && language !== undefined);
  const forAll = control !== undefined && /public|s-maxage/.test(control);
  const said: Said = {
    path: url,
    user: forAll ? undefined : nameOf(header),
    language: varies ? language : undefined,
    setsCookie,
  };
  const body = JSON.stringify(said);
  return {
    status: fails ? 500 : 200,
    headers: {
      'content-type': 'application/json',
      ...(control && { 'cache-control': control }),
      ...(varies && { vary: 'Accept-Language' }),
      ...(setsCookie && { 'set-cookie': 'user=other' }),
    },
    body: inParts ? parts(body) : body,
  };
}

/** The path with its parameters in one order. */
const sorted = (path: string): string => path.replace(/\?(.*)/, (_, query: string) => `?${query.split('&').sort()}`);

describe('cached responses, whoever asks for what', function () {
  this.timeout(120_000);

  for (const framework of [fastifyApp, expressApp, honoApp]) {
    it(`of ${framework.name} never come to another than they are for (KEEPSAKE_FUZZ_SEED=${SEED})`, async () => {
      const requests = fc.sample(asked, { numRuns: REQUESTS, seed: SEED });
      const paths = ['/plain', '/varies', '/at-times'];
      const app = await framework.start({ responses: { ttl: '1s', staleWhileRevalidate: '2s' } }, [
        ...paths.map((path) => ({ path, cache: true as const, handler: (ask: Ask) => answer(ask, requests) })),
        ...paths.map((path) => ({ path, method: 'POST' as const, handler: () => ({ body: 'done' }) })),
      ]);
      const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
      const states = new Set<string>();
      const check = async (number: number): Promise<void> => {
        const one = requests[number] as Asked;
        const got = await ask(app.url, number, one, agent);
        if (got === undefined) return;
        const { status, state, text } = got;
        states.add(state);
        if (one.method !== 'GET' || (status !== 200 && status !== 500)) return;
        const said = JSON.parse(text) as Said;
        const about = `${JSON.stringify(one)} → ${state} ${status} ${text}`;
        expect(sorted(said.path), about).to.equal(sorted(one.path));
        if (said.user !== undefined) {
          expect(said.user, about).to.equal(nameOf((name) => (one.who as Record<string, string>)[name]));
        }
        if (said.language !== undefined) expect(said.language, about).to.equal(one.language);
        if (state === 'hit' || state === 'stale') expect([said.setsCookie, status], about).to.deep.equal([false, 200]);
      };
      let next = 0;
      try {
        await Promise.all(
          Array.from({ length: AT_ONCE }, async () => {
            while (next < REQUESTS) await check(next++);
          }),
        );
      } finally {
        agent.destroy();
        await app.close();
      }
      expect([...states]).to.include.members(['hit', 'miss', 'bypass']);
    });
  }
});

/** The answer to a request; `undefined` where it left before. */
function ask(
  url: string,
  number: number,
  { path, method, who, language, wish, leavesAfter }: Asked,
  agent: Agent,
): Promise<{ status: number; state: string; text: string } | undefined> {
  return new Promise((resolve, reject) => {
    const headers = {
      'x-number': String(number),
      ...who,
      ...(language && { 'accept-language': language }),
      ...(wish && { 'cache-control': wish }),
    };
    const request = httpRequest(`${url}${path}`, { method, headers, agent }, (response: IncomingMessage) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () =>
        resolve({ status: Number(response.statusCode), state: String(response.headers['x-cache']), text }),
      );
      response.on('error', () => resolve(undefined));
    });
    request.on('error', (error) => (leavesAfter === undefined ? reject(error) : resolve(undefined)));
    request.end();
    if (leavesAfter !== undefined) setTimeout(() => request.destroy(), leavesAfter);
  });
}
