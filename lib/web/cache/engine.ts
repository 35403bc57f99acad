import type { Backend } from '../../backend/backend.js';
import type { DynamodbOptions } from '../../drivers/dynamodb/dynamodb.js';
import { files } from '../../drivers/files/files.js';
import { memory } from '../../drivers/memory.js';
import type { MongodbOptions } from '../../drivers/mongodb/mongodb.js';
import { openBackend } from '../../registry/open.js';
import { delegate, over } from '../../wrappers/delegate.js';
import type { CheckedConfiguration } from './configuration.js';

/** What opens the backend of a configuration: a place for `openBackend`, or a driver of its own with its options. */
export type Engine =
  | { readonly driver: 'memory' }
  | { readonly driver: 'place'; readonly place: string }
  | { readonly driver: 'files'; readonly folder: string }
  | { readonly driver: 'mongodb'; readonly url: string; readonly options: MongodbOptions }
  | { readonly driver: 'dynamodb'; readonly options: DynamodbOptions };

/** The engine that a configuration names. */
export function engineOf(configuration: CheckedConfiguration): Engine {
  const { backend, tableName, databaseName } = configuration;
  switch (backend) {
    case 'redis':
      return { driver: 'place', place: String(configuration.redisUrl) };
    case 'valkey':
      return { driver: 'place', place: String(configuration.valkeyUrl) };
    case 'memcached':
      return { driver: 'place', place: memcachedPlace(configuration) };
    case 'sqlite':
      return { driver: 'place', place: `${configuration.sqliteUrl}?table=${tableName}` };
    case 'files':
      return { driver: 'files', folder: String(configuration.folder) };
    case 'mongodb': {
      const options = { database: databaseName, collection: tableName };
      return { driver: 'mongodb', url: String(configuration.mongodbUrl), options };
    }
    case 'dynamodb':
      return { driver: 'dynamodb', options: dynamodbOptions(configuration) };
    default:
      return { driver: 'memory' };
  }
}

function memcachedPlace({ memcachedHost, memcachedUsername, memcachedPassword }: CheckedConfiguration): string {
  const user = memcachedUsername === undefined ? '' : `${encodeURIComponent(memcachedUsername)}:`;
  const credentials = user === '' ? '' : `${user}${encodeURIComponent(String(memcachedPassword))}@`;
  const hosts = String(memcachedHost).split(',').map(encodeServer).join(',');
  return `memcached://${credentials}${hosts}`;
}

/** The path of a socket stands percent-encoded in a URL; hosts and ports as they are. */
function encodeServer(server: string): string {
  return server.startsWith('/') ? encodeURIComponent(server) : server;
}

function dynamodbOptions(configuration: CheckedConfiguration): DynamodbOptions {
  const { tableName, region, dynamodbUrl, awsAccessKeyId, awsSecretAccessKey, awsSessionToken } = configuration;
  const credentials =
    awsAccessKeyId === undefined
      ? undefined
      : {
          accessKeyId: awsAccessKeyId,
          secretAccessKey: String(awsSecretAccessKey),
          ...(awsSessionToken !== undefined && { sessionToken: awsSessionToken }),
        };
  return {
    table: tableName,
    // A server of one's own takes any, but the SDK asks for one.
    region: region ?? 'us-east-1',
    ...(dynamodbUrl !== undefined && { endpoint: dynamodbUrl }),
    ...(credentials !== undefined && { credentials }),
  };
}

/** Opens an engine. Values are bytes in all of them, so that the codec decides what comes back. */
export async function openEngine(engine: Engine): Promise<Backend> {
  switch (engine.driver) {
    case 'memory':
      return bytesInMemory();
    case 'place':
      return openBackend(engine.place);
    case 'files':
      return files(engine.folder);
    case 'mongodb': {
      const { mongodb } = await import('../../drivers/mongodb/mongodb.js');
      return mongodb(engine.url, engine.options);
    }
    case 'dynamodb': {
      const { dynamodb } = await import('../../drivers/dynamodb/dynamodb.js');
      return dynamodb(engine.options);
    }
  }
}

/** A `memory()` of bytes. */
function bytesInMemory(): Backend {
  const held = memory<Uint8Array>();
  const { driver } = held;
  const bytes = Object.freeze({ ...driver.capabilities, values: 'bytes' as const });
  const write = driver.write.bind(driver);
  // Counters become text, as in every backend of bytes.
  return over(held, delegate(driver, { name: 'memory', capabilities: bytes, write }, ['write']));
}
