import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { MongoClient } from 'mongodb';
import { findProgram, freePorts, inFolder, NotInstalledError, type Server, ServerProcess } from './server.js';

/** The environment variable that names a server to use instead of one of ours. */
const VARIABLE = 'KEEPSAKE_MONGODB_URL';

/** A server that speaks MongoDB's protocol. */
export interface MongodbServer extends Server {
  readonly host: string;
  readonly port: number;
  /** Whether it is an emulator, which lacks some of what MongoDB has. */
  readonly emulated: boolean;
}

/** The server that `KEEPSAKE_MONGODB_URL` names, a `mongod` of ours, or else an emulator in Java. */
export async function startMongodb(): Promise<MongodbServer> {
  const named = process.env[VARIABLE];
  if (named !== undefined) return namedMongodb(named);
  const real = programOf('mongod');
  const program = real ?? findProgram('java', VARIABLE);
  const jars = join(process.cwd(), 'build', 'servers', 'mongodb');
  if (real === undefined && !existsSync(join(jars, 'complete'))) {
    throw new NotInstalledError(`no MongoDB is installed: npm run servers:install, or name a server in ${VARIABLE}`);
  }
  const { started, folder } = await inFolder(async (path) => {
    const [port] = (await freePorts(1)) as [number];
    const process = await ServerProcess.start({
      program,
      parameters: real === undefined ? emulator(jars, port) : mongod(path, port),
      cwd: path,
      asOtherUser: real !== undefined,
      ready: async () => {
        const socket = connect(port, '127.0.0.1');
        try {
          await once(socket, 'connect');
          return true;
        } finally {
          socket.destroy();
        }
      },
    });
    return { process, port };
  });
  const url = `mongodb://127.0.0.1:${started.port}`;
  return {
    ...started,
    url,
    host: '127.0.0.1',
    emulated: real === undefined,
    version: real === undefined ? 'mongo-java-server 1.47.0, an emulator of MongoDB' : await versionOf(url),
    stop: async () => {
      await started.process.kill();
      await folder.remove();
    },
  };
}

function programOf(name: string): string | undefined {
  try {
    return findProgram(name, VARIABLE);
  } catch (error) {
    if (error instanceof NotInstalledError) return undefined;
    throw error;
  }
}

function mongod(path: string, port: number): string[] {
  return [
    '--dbpath',
    path,
    '--port',
    String(port),
    '--bind_ip',
    '127.0.0.1',
    '--quiet',
    '--wiredTigerCacheSizeGB',
    '0.25',
  ];
}

/**
 * The emulator's own main class listens on one port alone; and what it says of itself is too old for the package `mongodb`, though it does
 * all that is asked of it.
 */
function emulator(jars: string, port: number): string[] {
  const script = `
    var mongo = Packages.de.bwaldvogel.mongo;
    var numbers = new java.util.ArrayList();
    [4, 4, 0].forEach(function (number) { numbers.add(java.lang.Integer.valueOf(number)); });
    var version = new JavaAdapter(mongo.MongoVersion, {
      getVersionArray: function () { return numbers; },
      getWireVersion: function () { return 9; },
    });
    new mongo.MongoServer(new mongo.backend.memory.MemoryBackend().version(version)).bind('127.0.0.1', ${port});
  `;
  const machine = ['-Xmx512m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-cp', join(jars, '*')];
  return [...machine, 'org.mozilla.javascript.tools.shell.Main', '-e', script];
}

async function versionOf(url: string): Promise<string> {
  const client = new MongoClient(url);
  try {
    const { version } = await client.db('admin').command({ buildInfo: 1 });
    return `MongoDB ${version}`;
  } finally {
    await client.close();
  }
}

async function namedMongodb(url: string): Promise<MongodbServer> {
  const { hostname, port } = new URL(url);
  return {
    url,
    host: hostname,
    port: Number(port || 27017),
    emulated: false,
    version: `${await versionOf(url)}, at ${VARIABLE}`,
    stop: async () => undefined,
  };
}
