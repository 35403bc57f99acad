// Packs the project, installs the tarball in an empty project as a user would, and uses it: as an ES module, by require(), and from
// TypeScript with skipLibCheck off.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const project = mkdtempSync(join(tmpdir(), 'keepsake-package-'));
const run = (command, ...args) =>
  execFileSync(command, args, { cwd: project, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });

const source = `
const folder = process.argv[2];
const service = new Service({ backend: folder });
const User = service.register(class User extends Store { name = ''; }, { fields: { name: Field() } });
User.create('ann', { name: 'Ann' }).save()
  .then(() => service.close())
  .then(() => openBackend(folder, { extension: '.json' }))
  .then((backend) => backend.get('user:ann').then((bytes) => console.log(JSON.parse(new TextDecoder().decode(bytes)).name)));
`;
const typed = `
import { encoded, encrypted, Field, files, gzip, json, memory, msgpack, Service, SessionField, Store, StoredIn, types, type Ref } from 'keepsake';
import { arrow, csv, parquet, type ArrowTable } from 'keepsake/columnar';
import { type DynamodbOptions, dynamodb } from 'keepsake/dynamodb';
import { ExpressRateLimitStore, ExpressSessionStore } from 'keepsake/express';
import { FastifySessionStore, fastifyRateLimitStore } from 'keepsake/fastify';
import { HonoRateLimitStore, HonoSessionStorage, HonoSessionStore } from 'keepsake/hono';
import { type HttpOptions, http } from 'keepsake/http';
import { KeyvAdapter } from 'keepsake/keyv';
import { type MemcachedOptions, memcached } from 'keepsake/memcached';
import { type MongodbOptions, mongodb } from 'keepsake/mongodb';
import { type RedisOptions, redis } from 'keepsake/redis';
import { type S3Options, s3 } from 'keepsake/s3';
import { bearer, createServer, type RestServer } from 'keepsake/server';
import { postgres, sqlite } from 'keepsake/sql';
import { contract } from 'keepsake/testing';
import { joinSupervisor, Supervisor } from 'keepsake/supervisor';
import { unstorageDriver } from 'keepsake/unstorage';

const service = new Service({ backend: memory() });

@StoredIn(service)
export class User extends Store {
  @Field() name = '';
  @Field({ type: types.set(types.bigint) }) badges = new Set<bigint>();
  @Field({ type: types.ref(() => User) }) mentor?: Ref<User>;
  @SessionField() client?: object;
}

export const ann: User = User.create('ann', { name: 'Ann' });
export const scores = encoded(files('scores'), json<{ points: number }>());
export const keep = encoded(files('notes'), encrypted(gzip(msgpack<{ text: string }>()), { keys: [] }));
export const rows = encoded(files('rows'), csv<{ id: string }>());
export const tables = [arrow(), arrow<ArrowTable>({ form: 'table' }), parquet({ compression: 'zstd' })];
export const shared = (options: RedisOptions) => redis('redis://localhost', options);
export const databases = [sqlite('app.db', { history: true }), postgres('postgres://localhost/app')];
export const cached = (options: MemcachedOptions) => memcached('memcached://localhost', options);
export const objects = (options: S3Options) => s3('s3://bucket', options);
export const documents = (options: MongodbOptions) => mongodb('mongodb://localhost', options);
export const items = (options: DynamodbOptions) => dynamodb('dynamodb://region/table', options);
export const sessions = [ExpressSessionStore, FastifySessionStore, HonoSessionStore, HonoSessionStorage].map((Store) => new Store({ backend: memory() }));
export const limits = [ExpressRateLimitStore, HonoRateLimitStore].map((Store) => new Store({ backend: files('limits') }));
export const adapters = [fastifyRateLimitStore({ backend: memory() }), new KeyvAdapter({ backend: files('keyv') }), unstorageDriver({ backend: memory() })];
export const remote = (options: HttpOptions) => http('http://localhost', options);
export const server: RestServer = createServer(memory(), { authorize: bearer('token') });
export { contract, joinSupervisor, Supervisor };
`;

try {
  const { version, dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const packed = JSON.parse(
    execFileSync('npm', ['pack', '--json', '--pack-destination', project], {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }),
  );
  const [{ filename, files, size, unpackedSize }] = Array.isArray(packed) ? packed : Object.values(packed);
  const allowed = /^(dist\/|lib\/|package\.json$|README\.md$|LICENSE$|CHANGELOG\.md$)/;
  const foreign = files.map(({ path }) => path).filter((path) => !allowed.test(path));
  if (foreign.length > 0) throw new Error(`the tarball holds ${foreign.join(', ')}`);
  console.log(
    `keepsake ${version}: ${files.length} files, ${size} bytes packed, ${unpackedSize} unpacked, ${Object.keys(dependencies).length} dependencies`,
  );

  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'empty', private: true }));
  // The frameworks are what the types of their subpaths speak of.
  const packages = ['typescript', 'typescript-5.9', 'fastify', 'express', '@types/express', 'hono'].map(
    (name) => `${name}@file:${join(root, 'node_modules', name)}`,
  );
  run(
    'npm',
    'install',
    '--silent',
    '--no-audit',
    '--no-fund',
    '--prefer-offline',
    join(project, filename),
    '@types/node@20',
    ...packages,
  );
  writeFileSync(join(project, 'module.mjs'), `import { Field, openBackend, Service, Store } from 'keepsake';${source}`);
  writeFileSync(
    join(project, 'common.cjs'),
    `const { Field, openBackend, Service, Store } = require('keepsake');${source}`,
  );
  for (const file of ['module.mjs', 'common.cjs']) {
    const printed = run(process.execPath, file, join(project, file.slice(0, -4))).trim();
    if (printed !== 'Ann') throw new Error(`${file} printed ${printed}`);
    console.log(`${file} works`);
  }

  writeFileSync(join(project, 'typed.mts'), typed);
  for (const compiler of ['typescript', 'typescript-5.9']) {
    for (const mode of [[], ['--experimentalDecorators', '--emitDecoratorMetadata']]) {
      const options = [
        '--noEmit',
        '--strict',
        '--skipLibCheck',
        'false',
        '--module',
        'nodenext',
        '--target',
        'es2022',
        '--types',
        'node',
      ];
      run(process.execPath, join(root, 'node_modules', compiler, 'bin', 'tsc'), ...options, ...mode, 'typed.mts');
      console.log(`${compiler} ${mode.length > 0 ? 'legacy' : 'standard'} decorators: types are right`);
    }
  }
} finally {
  rmSync(project, { recursive: true, force: true });
}
