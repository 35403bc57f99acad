import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { freePorts, inFolder, type Server, ServerProcess } from './server.js';

/** The environment variable that names a server to use instead of one of ours. */
const VARIABLE = 'KEEPSAKE_DYNAMODB_URL';

/** A server that speaks DynamoDB's protocol. */
export interface DynamodbServer extends Server {
  readonly host: string;
  readonly port: number;
  /** What the backend needs to be let in. */
  readonly access: {
    readonly endpoint: string;
    readonly region: string;
    readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string };
  };
}

/** The server that `KEEPSAKE_DYNAMODB_URL` names, or a dynalite of ours, which is an emulator. */
export async function startDynamodb(): Promise<DynamodbServer> {
  const named = process.env[VARIABLE];
  if (named !== undefined) {
    const { hostname, port } = new URL(named);
    return {
      url: `dynamodb://us-east-1`,
      host: hostname,
      port: Number(port),
      access: { endpoint: named, region: 'us-east-1' },
      version: `DynamoDB, at ${VARIABLE}`,
      stop: async () => undefined,
    };
  }
  const packageFile = createRequire(import.meta.url).resolve('dynalite/package.json');
  const { version } = JSON.parse(readFileSync(packageFile, 'utf8')) as { version: string };
  const program = fileURLToPath(new URL('../dynalite.js', import.meta.url));
  const { started, folder } = await inFolder(async (path) => {
    const [port] = (await freePorts(1)) as [number];
    const started = await ServerProcess.start({
      program: process.execPath,
      // Its tables are in its folder, so that they are still there after it was killed.
      parameters: [program, String(port), path],
      cwd: path,
      ready: async () => (await fetch(`http://127.0.0.1:${port}`)).status > 0,
    });
    return { process: started, port };
  });
  return {
    ...started,
    host: '127.0.0.1',
    url: 'dynamodb://us-east-1',
    access: {
      endpoint: `http://127.0.0.1:${started.port}`,
      region: 'us-east-1',
      credentials: { accessKeyId: 'keepsake', secretAccessKey: 'secret' },
    },
    version: `dynalite ${version}, an emulator of DynamoDB`,
    stop: async () => {
      await started.process.kill();
      await folder.remove();
    },
  };
}
