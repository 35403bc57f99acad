import { fileURLToPath } from 'node:url';
import { freePorts, inFolder, type Server, ServerProcess } from './server.js';

/** A keepsake server of ours, over memory, in a process of its own. */
export interface StoreServer extends Server {
  readonly host: string;
  readonly port: number;
  /** What lets in. */
  readonly token: string;
}

/** Starts a keepsake server that asks for a token. */
export async function startStore(): Promise<StoreServer> {
  const token = 'open-sesame';
  const script = fileURLToPath(new URL('../store-process.js', import.meta.url));
  const { started, folder } = await inFolder(async (cwd) => {
    const [port] = (await freePorts(1)) as [number];
    const url = `http://127.0.0.1:${port}`;
    const ready = async () => {
      const { status } = await fetch(`${url}/-/health`, {
        headers: { authorization: `Bearer ${token}`, connection: 'close' },
      });
      return status === 200;
    };
    const parameters = [script, String(port), token];
    return { process: await ServerProcess.start({ program: process.execPath, parameters, cwd, ready }), url, port };
  });
  return {
    ...started,
    host: '127.0.0.1',
    token,
    version: 'a keepsake server',
    stop: async () => {
      await started.process.kill();
      await folder.remove();
    },
  };
}
