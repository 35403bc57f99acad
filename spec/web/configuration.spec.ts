import { expect } from 'chai';
import { ConfigurationError, memory } from 'keepsake';
import { type CacheConfiguration, type CacheSource, fromEnvironment } from 'keepsake/fastify';
import { type CheckedConfiguration, configure } from '#lib/web/cache/configuration.js';
import { engineOf, openEngine } from '#lib/web/cache/engine.js';

/** The configuration that a source gives at once. */
function checked(source: CacheSource): CheckedConfiguration {
  return configure(source) as CheckedConfiguration;
}

/** The mistakes of a configuration. */
function mistakesOf(source: unknown): ConfigurationError {
  try {
    configure(source as CacheSource);
  } catch (error) {
    if (error instanceof ConfigurationError) return error;
    throw error;
  }
  throw new Error(`there is no mistake in ${JSON.stringify(source)}`);
}

/** The names of the options that are wrong. */
const wrong = (source: unknown) => mistakesOf(source).mistakes.map(({ option }) => option);

/** What each backend cannot do without. */
const enough: Readonly<Record<string, object>> = {
  inmemory: {},
  memory: {},
  redis: { redisUrl: 'redis://localhost:6379' },
  valkey: { valkeyUrl: 'valkey://localhost:6379' },
  memcached: { memcachedHost: 'localhost' },
  mongodb: { mongodbUrl: 'mongodb://localhost:27017' },
  dynamodb: { region: 'eu-central-1' },
  sqlite: { sqliteUrl: 'sqlite::memory:' },
  files: { folder: './cache' },
};

describe('the configuration of a cache', () => {
  it('has a default for everything', () => {
    expect(checked({})).to.deep.equal({
      backend: 'inmemory',
      codec: 'text',
      ttl: 60,
      honourCacheControl: true,
      databaseName: 'cachette-db',
      tableName: 'cachette',
    });
    expect(Object.isFrozen(checked({}))).to.equal(true);
  });

  it('knows backends by name, in upper case too, and asks for what they need', () => {
    for (const [backend, needed] of Object.entries(enough)) {
      const name = backend === 'memory' ? 'inmemory' : backend;
      expect(checked({ backend, ...needed } as CacheConfiguration).backend).to.equal(name);
      expect(checked({ backend: backend.toUpperCase(), ...needed } as CacheConfiguration).backend).to.equal(name);
      const [option] = Object.keys(needed);
      if (option === undefined) continue;
      const { message } = mistakesOf({ backend });
      expect(message).to.include(`${option} is missing: the backend "${backend}" needs`);
      expect(wrong({ backend, [option]: '' })).to.deep.equal([option]);
      expect(wrong({ backend, [option]: null })).to.deep.equal([option]);
    }
    const { message } = mistakesOf({ backend: 'pickles' });
    expect(message).to.match(/backend must be one of "inmemory", .*"files", or a Backend; got "pickles"/);
  });

  it('knows codecs by name, in upper case too', () => {
    for (const codec of ['text', 'vanilla', 'json', 'orjson', 'msgpack', 'pickle', 'csv', 'feather', 'parquet']) {
      expect(checked({ codec } as CacheConfiguration).codec).to.equal(codec);
      expect(checked({ codec: codec.toUpperCase() } as never).codec).to.equal(codec);
    }
    expect(mistakesOf({ codec: 'yaml' }).message).to.include('codec must be one of "text", "vanilla", "json"');
    expect(wrong({ codec: null })).to.deep.equal(['codec']);
    const own = { name: 'own', encode: () => new Uint8Array(), decode: () => 1 };
    expect(checked({ codec: own }).codec).to.equal(own);
  });

  it('takes a ttl of whole seconds from one second to one hour', () => {
    for (const ttl of [1, 60, 3600]) expect(checked({ ttl }).ttl).to.equal(ttl);
    for (const [ttl, seconds] of [
      ['1s', 1],
      ['5m', 300],
      ['1h', 3600],
    ] as const) {
      expect(checked({ ttl }).ttl).to.equal(seconds);
    }
    for (const ttl of [
      0,
      -1,
      3601,
      1.5,
      Number.NaN,
      Number.POSITIVE_INFINITY,
      true,
      null,
      '60',
      '',
      '500ms',
      '2h',
      [],
    ]) {
      expect(wrong({ ttl }), String(ttl)).to.deep.equal(['ttl']);
    }
    expect(mistakesOf({ ttl: 3601 }).message).to.include(
      'ttl must be a whole number of seconds from 1 to 3600, or text such as "5m"; got 3601',
    );
  });

  it('checks URLs and hosts', () => {
    const right: readonly [string, readonly string[]][] = [
      [
        'redisUrl',
        [
          'redis://localhost',
          'redis://user:password@host:6379/1',
          'rediss://host',
          'redis+unix:///run/redis.sock',
          'redis://[::1]:6379',
        ],
      ],
      ['valkeyUrl', ['valkey://localhost', 'valkeys://host:1', 'redis://host']],
      ['memcachedHost', ['localhost', 'host:11211', 'one,two:11212', '[::1]:11211', '/run/memcached.sock']],
      [
        'mongodbUrl',
        [
          'mongodb://localhost',
          'mongodb://user:password@host:27017',
          'mongodb+srv://host',
          'mongodb://one:1,two:2/?replicaSet=rs',
        ],
      ],
      ['dynamodbUrl', ['http://localhost:8000', 'https://dynamodb.example.com', 'http://127.0.0.1:8000/']],
      ['sqliteUrl', ['sqlite::memory:', 'sqlite:./cache.db']],
    ];
    const bad: readonly [string, readonly unknown[]][] = [
      [
        'redisUrl',
        [
          'localhost',
          'http://localhost',
          'redis://host:port',
          'redis://host:99999',
          'redis://host/name',
          'valkey://host',
          7,
        ],
      ],
      ['valkeyUrl', ['valkey://a b', 'mongodb://host', '']],
      ['memcachedHost', ['a b', 'host:99999', 'one,', 'memcached://host', 'host:', 7]],
      ['mongodbUrl', ['http://localhost', 'mongodb://', 'mongodb:localhost', 'mongodb://ho st']],
      [
        'dynamodbUrl',
        ['localhost:8000', 'ftp://host', 'http://user@host', 'http://host/path', 'http://host?x', 'http://'],
      ],
      ['sqliteUrl', ['./cache.db', 'sqlite:', 'sqlite:./a?table=b']],
    ];
    for (const [option, values] of right) {
      for (const value of values) expect(checked({ [option]: value }), value).to.have.property(option, value);
    }
    for (const [option, values] of bad) {
      for (const value of values) expect(wrong({ [option]: value }), `${option} ${value}`).to.deep.equal([option]);
    }
  });

  it('checks regions, and names of databases, tables and collections', () => {
    for (const region of 'us-east-1 us-west-2 us-west-1 eu-west-1 eu-central-1 ap-southeast-1 ap-southeast-2 ap-northeast-1 ap-northeast-2 sa-east-1 cn-north-1 ap-south-1'.split(
      ' ',
    )) {
      expect(checked({ backend: 'dynamodb', region }).region).to.equal(region);
    }
    for (const region of ['eu-central-9', 'EU-CENTRAL-1', 'here', '']) {
      expect(wrong({ backend: 'dynamodb', region }), region).to.deep.equal(['region']);
    }
    expect(checked({ backend: 'dynamodb', dynamodbUrl: 'http://localhost:8000' }).region).to.equal(undefined);

    const named = (backend: string, tableName: unknown) => ({ backend, tableName, ...enough[backend] });
    for (const name of ['ab', 'a b', 'a/b', 'a'.repeat(256), '']) {
      expect(wrong(named('dynamodb', name)), name).to.deep.equal(['tableName']);
    }
    for (const name of ['$a', 'system.users', 'a\0', 'a'.repeat(121), null]) {
      expect(wrong(named('mongodb', name)), String(name)).to.deep.equal(['tableName']);
    }
    for (const name of ['a-b', '1a', 'a"b', 'a'.repeat(41)]) {
      expect(wrong(named('sqlite', name)), name).to.deep.equal(['tableName']);
    }
    for (const backend of ['dynamodb', 'mongodb', 'sqlite']) {
      expect(checked(named(backend, 'pages_1') as CacheConfiguration).tableName).to.equal('pages_1');
    }
    expect(checked({ tableName: 'a b' }).tableName).to.equal('a b');
    for (const databaseName of ['a/b', 'a.b', 'a b', 'a$', '', 'a'.repeat(64), 'a\\', 'a"', null]) {
      expect(wrong({ databaseName }), String(databaseName)).to.deep.equal(['databaseName']);
    }
    for (const namespace of ['a:b', '.a', '', 'a/b', 'a'.repeat(101)]) {
      expect(wrong({ namespace }), namespace).to.deep.equal(['namespace']);
    }
  });

  it('wants credentials together', () => {
    const memcached = { backend: 'memcached', memcachedHost: 'localhost' };
    expect(wrong({ ...memcached, memcachedUsername: 'ann' })).to.deep.equal(['memcachedPassword']);
    expect(wrong({ ...memcached, memcachedPassword: 'secret' })).to.deep.equal(['memcachedUsername']);
    expect(wrong({ ...memcached, memcachedUsername: 'a b', memcachedPassword: 'x' })).to.deep.equal([
      'memcachedUsername',
    ]);
    const dynamodb = { backend: 'dynamodb', region: 'eu-west-1' };
    const id = 'AKIAIOSFODNN7EXAMPLE';
    expect(wrong({ ...dynamodb, awsAccessKeyId: id })).to.deep.equal(['awsSecretAccessKey']);
    expect(wrong({ ...dynamodb, awsSecretAccessKey: 'secret' })).to.deep.equal(['awsAccessKeyId']);
    expect(wrong({ ...dynamodb, awsSessionToken: 'token' })).to.deep.equal(['awsSessionToken']);
    expect(wrong({ ...dynamodb, awsAccessKeyId: 'short', awsSecretAccessKey: 's' })).to.deep.equal(['awsAccessKeyId']);
  });

  it('reports all mistakes together, with the way out of each', () => {
    const error = mistakesOf({
      backend: 'redis',
      codec: 'yaml',
      ttl: 0,
      mongodbUrl: 'http://host',
      region: 'here',
      tabel_name: 'pages',
    });
    expect(error.code).to.equal('KEEPSAKE_CONFIGURATION');
    expect(error.mistakes.map(({ option }) => option).sort()).to.deep.equal(
      ['codec', 'mongodbUrl', 'redisUrl', 'region', 'tabel_name', 'ttl'].sort(),
    );
    for (const { option, rule } of error.mistakes) expect(error.message).to.include(`- ${option} ${rule}`);
    expect(error.message).to.match(/tabel_name is no option; there are backend, codec, ttl/);
  });

  it('shows no secrets', () => {
    const secret = 'hunter2';
    const { message, mistakes } = mistakesOf({
      redisUrl: `redis://ann:${secret}@host:port`,
      valkeyUrl: `ann:${secret}@host`,
      mongodbUrl: `http://ann:${secret}@host/?key=${secret}`,
      dynamodbUrl: `http://ann:${secret}@host`,
      memcachedPassword: `${secret} ${secret}`,
      awsAccessKeyId: secret,
      awsSecretAccessKey: `${secret} `,
      awsSessionToken: ` ${secret}`,
      [secret.length]: secret,
    });
    expect(mistakes).to.have.length(9);
    expect(message + JSON.stringify(mistakes)).not.to.include(secret);
    expect(message).to.include('got "redis://…@host:port"');
    // Where a URL stands in a wrong place.
    const url = `redis://ann:${secret}@host`;
    for (const option of ['backend', 'codec', 'ttl', 'namespace', 'memcachedHost', 'databaseName', 'region']) {
      const wrongly = mistakesOf({ [option]: url });
      expect(wrongly.message + JSON.stringify(wrongly.mistakes), option).not.to.include(secret);
    }
    expect(mistakesOf({ backend: 'sqlite', sqliteUrl: 'sqlite:./a.db', tableName: url }).message).not.to.include(
      secret,
    );
    expect(() => configure(url as never)).to.throw(/got "redis:\/\/…@host"/);
  });

  it('takes pairs, whose names may be written otherwise, and of which the last counts', () => {
    expect(
      checked([
        ['BACKEND', 'redis'],
        ['redis_url', 'redis://one'],
        ['ttl', 5],
        ['redisUrl', 'redis://two'],
      ]),
    ).to.include({ backend: 'redis', redisUrl: 'redis://two', ttl: 5 });
    expect(checked(new Map([['ttl', 7]])).ttl).to.equal(7);
  });

  it('takes a function, that may answer later', async () => {
    expect(checked(() => [['ttl', 9]]).ttl).to.equal(9);
    expect((await configure(async () => ({ ttl: 10 }))).ttl).to.equal(10);
    // biome-ignore lint/suspicious/noThenProperty: a promise of another library
    const foreign = { then: (resolve: (options: object) => void) => resolve({ ttl: 11 }) };
    expect((await configure(() => foreign as never)).ttl).to.equal(11);
    const failure = await Promise.resolve(configure(async () => ({ ttl: 0 }))).catch((error) => error);
    expect(failure).to.be.instanceOf(ConfigurationError);
  });

  it('refuses what is neither options nor pairs', () => {
    for (const source of [7, 'redis', null, [1], [['a']], () => 5, memory()]) {
      expect(() => configure(source as never), String(source))
        .to.throw(/must be an object of options or a list of pairs/)
        .with.property('code', 'KEEPSAKE_INVALID_ARGUMENT');
    }
  });

  it('reads environment variables', () => {
    const environment = {
      KEEPSAKE_CACHE_BACKEND: 'Redis',
      KEEPSAKE_CACHE_REDIS_URL: 'redis://localhost',
      KEEPSAKE_CACHE_TTL: '120',
      KEEPSAKE_CACHE_CODEC: '',
      KEEPSAKE_CACHE_HONOUR_CACHE_CONTROL: 'false',
      KEEPSAKE_REDIS_URL: 'redis://other',
      PATH: '/bin',
    };
    expect(checked(fromEnvironment(environment))).to.include({
      backend: 'redis',
      redisUrl: 'redis://localhost',
      ttl: 120,
      codec: 'text',
      honourCacheControl: false,
    });
    expect(checked(fromEnvironment({ KEEPSAKE_CACHE_TTL: '5m' })).ttl).to.equal(300);
    expect(wrong(fromEnvironment({ KEEPSAKE_CACHE_TTL: '1e3', KEEPSAKE_CACHE_REDIS: 'x' }))).to.deep.equal([
      'REDIS',
      'ttl',
    ]);
    expect(checked(fromEnvironment({})).backend).to.equal('inmemory');
  });

  it('takes a backend of its own, with a codec only where that holds bytes', async () => {
    const objects = memory();
    expect(checked({ backend: objects })).to.include({ backend: objects, codec: undefined });
    expect(wrong({ backend: objects, codec: 'json' })).to.deep.equal(['codec']);
    const bytes = await openEngine({ driver: 'memory' });
    expect(checked({ backend: bytes })).to.include({ backend: bytes, codec: 'text' });
  });

  it('names the engine', () => {
    const engine = (configuration: CacheConfiguration) => engineOf(checked(configuration));
    expect(engine({})).to.deep.equal({ driver: 'memory' });
    expect(engine({ backend: 'redis', redisUrl: 'redis://h' })).to.deep.equal({ driver: 'place', place: 'redis://h' });
    expect(engine({ backend: 'valkey', valkeyUrl: 'valkey://h' })).to.deep.equal({
      driver: 'place',
      place: 'valkey://h',
    });
    expect(
      engine({
        backend: 'memcached',
        memcachedHost: 'one,two:11212',
        memcachedUsername: 'a@b',
        memcachedPassword: 'c:d/',
      }),
    ).to.deep.equal({ driver: 'place', place: 'memcached://a%40b:c%3Ad%2F@one,two:11212' });
    expect(engine({ backend: 'memcached', memcachedHost: '/run/m.sock' })).to.deep.equal({
      driver: 'place',
      place: 'memcached://%2Frun%2Fm.sock',
    });
    expect(engine({ backend: 'sqlite', sqliteUrl: 'sqlite:./a.db' })).to.deep.equal({
      driver: 'place',
      place: 'sqlite:./a.db?table=cachette',
    });
    expect(engine({ backend: 'files', folder: './a' })).to.deep.equal({ driver: 'files', folder: './a' });
    expect(engine({ backend: 'mongodb', mongodbUrl: 'mongodb://h', tableName: 'pages' })).to.deep.equal({
      driver: 'mongodb',
      url: 'mongodb://h',
      options: { database: 'cachette-db', collection: 'pages' },
    });
    expect(
      engine({
        backend: 'dynamodb',
        dynamodbUrl: 'http://localhost:8000',
        awsAccessKeyId: 'AKIAIOSFODNN7EXAMPLE',
        awsSecretAccessKey: 'secret',
        awsSessionToken: 'token',
      }),
    ).to.deep.equal({
      driver: 'dynamodb',
      options: {
        table: 'cachette',
        region: 'us-east-1',
        endpoint: 'http://localhost:8000',
        credentials: { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'secret', sessionToken: 'token' },
      },
    });
  });
});
