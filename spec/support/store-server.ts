import type { Backend } from 'keepsake';
import { createServer, type RestServer, type ServerOptions } from 'keepsake/server';

/** A server over a backend, for the time of the surrounding `describe`. */
export function useStore<V>(
  make: () => Backend<V> | Promise<Backend<V>>,
  options: ServerOptions | (() => ServerOptions) = {},
): { readonly url: string; readonly port: number; readonly backend: Backend<V>; readonly server: RestServer } {
  let started: { readonly backend: Backend<V>; readonly server: RestServer; readonly url: string } | undefined;

  before('starts a store', async () => {
    const backend = await make();
    const server = createServer(backend, typeof options === 'function' ? options() : options);
    started = { backend, server, url: await server.listen() };
  });

  after('stops the store', async () => {
    await started?.server.close();
    await started?.backend.close();
    started = undefined;
  });

  const running = () => {
    if (started === undefined) throw new Error('the store is there only while specs run');
    return started;
  };
  return {
    get url() {
      return running().url;
    },
    get port() {
      return Number(new URL(running().url).port);
    },
    get backend() {
      return running().backend;
    },
    get server() {
      return running().server;
    },
  };
}
