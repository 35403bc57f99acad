import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { Folders } from '../support/folders.js';
import { startDynamodb } from '../support/servers/dynamodb.js';
import { startMemcached } from '../support/servers/memcached.js';
import { startMongodb } from '../support/servers/mongodb.js';
import { startMysql } from '../support/servers/mysql.js';
import { startPostgres } from '../support/servers/postgres.js';
import { startRedis } from '../support/servers/redis.js';
import { startS3 } from '../support/servers/s3.js';
import { type Server, useServer } from '../support/servers/server.js';

/** Where an example is to keep its objects. */
type Place = { readonly url: string; readonly variables?: Readonly<Record<string, string>> };

const run = promisify(execFile);
const example = (name: string, { url, variables = {} }: Place) =>
  run(process.execPath, ['--enable-source-maps', `build/examples/${name}.js`, '--backend', url], {
    env: { ...process.env, ...variables },
  });

/** What lets a program in. */
interface Access {
  readonly endpoint: string;
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string };
}

const through = ({ endpoint, credentials }: Access, url: string): Place => ({
  url: `${url}endpoint=${encodeURIComponent(endpoint)}`,
  variables: {
    AWS_REGION: 'us-east-1',
    ...(credentials && { AWS_ACCESS_KEY_ID: credentials.accessKeyId }),
    ...(credentials && { AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey }),
  },
});

describe('examples on an engine', function () {
  this.timeout(60_000);

  describe('files, with a journal', () => {
    const folders = new Folders();
    after(() => folders.clearAway());
    examples(() => ({ url: `file:${join(folders.make(), 'atlas')}?durability=journal` }));
  });

  describe('sqlite', () => {
    const folders = new Folders();
    after(() => folders.clearAway());
    examples(() => ({ url: `sqlite:${join(folders.make(), 'atlas.db')}` }));
  });

  for (const [name, start] of Object.entries({
    redis: startRedis,
    postgres: startPostgres,
    mysql: startMysql,
    memcached: startMemcached,
    mongodb: startMongodb,
  })) {
    describe(name, () => {
      const using = useServer<Server & { readonly url: string }>(start);
      examples(() => ({ url: using.server.url }));
    });
  }

  describe('s3', () => {
    const using = useServer(startS3);
    examples(() => through(using.server.access, `s3://${using.server.bucket}/atlas?`));
  });

  describe('dynamodb', () => {
    const using = useServer(startDynamodb);
    examples(() => through(using.server.access, 'dynamodb://us-east-1/atlas?'));
  });
});

function examples(place: () => Place): void {
  it('saves the atlas, and a second process reads it', async () => {
    const { stdout } = await example('atlas/main', place());
    expect(stdout).to.match(/A second process read 250 countries/);
    expect(stdout).to.include('Austria, Belgium, Czechia, Denmark, France');
    expect(stdout).to.match(/^\+ {2}"notes": \[\n\+ {4}"read by process \d+"$/m);
  });

  it('keeps the tiers of the document store', async () => {
    const { stdout } = await example('compose/document-store', place());
    expect(stdout).to.include('the hot store has 1 document, compressed; the database has 1');
    expect(stdout).to.include('with an empty hot store: All is well');
    expect(stdout).to.include('what the archive holds is seen again after a delete: true');
  });
}
