import KeyvRedis from '@keyv/redis';
import { BentoCache, bentostore } from 'bentocache';
import { redisDriver } from 'bentocache/drivers/redis';
import { redis } from 'keepsake/redis';
import Keyv from 'keyv';
import { createClient, RESP_TYPES } from 'redis';
import { createStorage } from 'unstorage';
import unstorageRedis from 'unstorage/drivers/redis';
import { type Contestant, eachOf, interleave, keep, type Measurement, of } from './support/measure.js';
import { parseOptions } from './support/options.js';
import { startRedisServer } from './support/redis-server.js';
import { printTable, short } from './support/table.js';
import { report } from './support/targets.js';

const { quick } = parseOptions(process.argv.slice(2));
const KEYS = Array.from({ length: 4000 }, (_, index) => `user:${index}`);
const BATCHES = Array.from({ length: 40 }, (_, at) => KEYS.slice(at * 100, at * 100 + 100));
const TEXT = JSON.stringify({ name: 'Ann', email: 'ann@example.com', tags: ['a', 'b'], text: 'x'.repeat(200) });
const BYTES = Buffer.from(TEXT);
const AT_ONCE = 64;
const settings = { rounds: quick ? 3 : 21, warmUps: quick ? 1 : 3 };

const server = await startRedisServer();
if (server === undefined) {
  console.log('\nredis-server is not installed, so Redis is not measured: npm run servers:install');
  process.exit(0);
}
const { url } = server;

/** What each does. */
interface Subject {
  readonly name: string;
  get(key: string): Promise<unknown>;
  set(key: string): Promise<unknown>;
  getMany?(keys: string[]): Promise<unknown>;
}

const backend = redis(url);
await backend.open();

const client = createClient({ url }).withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
await client.connect();

const unlimited = createClient({ url, commandOptions: { timeout: 0 } }).withTypeMapping({
  [RESP_TYPES.BLOB_STRING]: Buffer,
});
await unlimited.connect();

const keyv = new Keyv<string>({ store: new KeyvRedis(url), namespace: 'keyv' });
const unstorage = createStorage({ driver: unstorageRedis({ url, base: 'unstorage' }) });
const { hostname: host, port } = new URL(url);
const bento = new BentoCache({
  default: 'redis',
  prefix: 'bento',
  stores: { redis: bentostore().useL2Layer(redisDriver({ connection: { host, port: Number(port) } })) },
});

const own = 'keepsake redis()';
const bare = 'node-redis with buffers';
const free = 'node-redis with buffers, no timeout';
const subjects: readonly Subject[] = [
  {
    name: own,
    get: (key) => backend.get(key),
    set: (key) => backend.set(key, BYTES),
    getMany: (keys) => backend.getMany(keys),
  },
  {
    name: bare,
    get: (key) => client.get(`bare:${key}`),
    set: (key) => client.set(`bare:${key}`, BYTES),
    getMany: (keys) => client.mGet(keys.map((key) => `bare:${key}`)),
  },
  {
    name: free,
    get: (key) => unlimited.get(`bare:${key}`),
    set: (key) => unlimited.set(`bare:${key}`, BYTES),
    getMany: (keys) => unlimited.mGet(keys.map((key) => `bare:${key}`)),
  },
  {
    name: 'keyv over @keyv/redis',
    get: (key) => keyv.get(key),
    set: (key) => keyv.set(key, TEXT),
    getMany: (keys) => keyv.getMany(keys),
  },
  {
    name: 'unstorage over ioredis, raw',
    get: (key) => unstorage.getItemRaw(key),
    set: (key) => unstorage.setItemRaw(key, TEXT),
    getMany: (keys) => unstorage.getItems(keys),
  },
  {
    name: 'bentocache over ioredis',
    get: (key) => bento.get({ key }),
    set: (key) => bento.set({ key, value: TEXT, ttl: '1h' }),
  },
];

function contestants(work: (subject: Subject) => Promise<void>, operations: number, among = subjects): Contestant[] {
  return among.map((subject) => ({ name: subject.name, operations, run: () => work(subject) }));
}

const sets = await interleave(
  contestants((subject) => eachOf(KEYS, AT_ONCE, (key) => subject.set(key)), KEYS.length),
  settings,
);
const gets = await interleave(
  contestants(
    (subject) =>
      eachOf(KEYS, AT_ONCE, async (key) => {
        keep(await subject.get(key));
      }),
    KEYS.length,
  ),
  settings,
);
const many = await interleave(
  contestants(
    async (subject) => {
      for (const keys of BATCHES) keep(await subject.getMany?.(keys));
    },
    BATCHES.length,
    subjects.filter((subject) => subject.getMany !== undefined),
  ),
  settings,
);
for (const subject of subjects) {
  const found = await subject.get('user:1');
  if (String(found) !== TEXT && !Buffer.from(found as Uint8Array).equals(BYTES))
    throw new Error(`${subject.name} lies`);
}

const speed = (measured: ReadonlyMap<string, Measurement>, other: string): number =>
  measured.has(other) ? of(measured, own).speedOver(of(measured, other)) : Number.NaN;
const rate = (measured: ReadonlyMap<string, Measurement>, name: string): number =>
  measured.has(name) ? of(measured, name).rate : Number.NaN;

printTable(
  `Redis: ${KEYS.length.toLocaleString('en-GB')} keys of ${BYTES.length} bytes, ${AT_ONCE} at a time; getMany of 100 one after another; operations a second`,
  ['', 'set', 'get', 'getMany of 100', 'keepsake to it: set', 'get', 'getMany'],
  subjects.map(({ name }) => [
    name,
    ...[sets, gets, many].map((measured) => short(rate(measured, name))),
    ...[sets, gets, many].map((measured) => short(speed(measured, name))),
  ]),
);

await report(
  [
    ...[
      { what: 'redis set, to node-redis with buffers', measured: speed(sets, bare), target: 0.8 },
      { what: 'redis get, to node-redis with buffers', measured: speed(gets, bare), target: 0.8 },
      { what: 'redis getMany of 100, to MGET alone', measured: speed(many, bare), target: 0.8 },
    ],
    ...subjects.slice(3).flatMap(({ name }) => [
      { what: `redis set, to ${name}`, measured: speed(sets, name), target: 1 },
      { what: `redis get, to ${name}`, measured: speed(gets, name), target: 1 },
    ]),
  ].map((target) => ({ ...target, bound: 'at least' as const })),
);

await backend.close();
client.destroy();
unlimited.destroy();
await server.stop();
process.exit(0);
