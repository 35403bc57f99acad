import { randomUUID } from 'node:crypto';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type Backend, memory } from 'keepsake';
import { redis } from 'keepsake/redis';
import { sqlite } from 'keepsake/sql';
import { Folders } from './folders.js';
import { startRedis } from './servers/redis.js';
import { useServer } from './servers/server.js';

/** A web application that listens on a random port of loopback. */
export interface Site {
  readonly url: string;
  close(): Promise<void>;
}

/** Serves what handles requests as Node's own server calls it. */
export async function serve(listener: RequestListener): Promise<Site> {
  return listening(createServer(listener));
}

/** Has a server listen on a random port of loopback. */
export async function listening(server: Server): Promise<Site> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** What a page answered. */
export interface Answer {
  readonly status: number;
  readonly text: string;
  readonly headers: Headers;
}

/** A client with cookies. It sends those that are over, too: that they are is for the server to see. */
export class Browser {
  readonly #site: () => Site;
  readonly cookies = new Map<string, string>();

  constructor(site: () => Site) {
    this.#site = site;
  }

  async get(path: string): Promise<Answer> {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const response = await fetch(`${this.#site().url}${path}`, { headers: cookie === '' ? {} : { cookie } });
    for (const line of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (value === '') this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
    return { status: response.status, text: await response.text(), headers: response.headers };
  }

  /** Another client with the same cookies. */
  clone(): Browser {
    const other = new Browser(this.#site);
    for (const [name, value] of this.cookies) other.cookies.set(name, value);
    return other;
  }
}

/** Describes something over memory, files, SQLite and Redis, with an empty backend for each spec. */
export function onEveryEngine(describeIt: (backend: () => Backend<unknown>) => void): void {
  const on = (engine: string, open: (folders: Folders) => Backend<unknown>, setUp?: () => void): void => {
    describe(engine, () => {
      setUp?.();
      const folders = new Folders();
      let backend: Backend<unknown> | undefined;
      beforeEach(() => {
        backend = open(folders);
      });
      afterEach(async () => {
        await backend?.close();
        await folders.clearAway();
      });
      describeIt(() => backend as Backend<unknown>);
    });
  };
  on('in memory', () => memory());
  on('in files', (folders) => folders.open(folders.make()) as Backend<unknown>);
  on(
    'in SQLite',
    (folders) => sqlite(join(folders.make(), 'web.db'), { pragmas: { synchronous: 'off' } }) as Backend<unknown>,
  );
  let server: { readonly server: { readonly url: string } };
  on(
    'in Redis',
    () => redis(server.server.url, { namespace: randomUUID() }) as Backend<unknown>,
    () => {
      server = useServer(startRedis);
    },
  );
}

/** A promise that others resolve. */
export class Signal {
  #resolve!: () => void;
  readonly given = new Promise<void>((resolve) => {
    this.#resolve = resolve;
  });

  give(): void {
    this.#resolve();
  }
}

/** Waits until something holds. The spec's own timeout is the bound. */
export async function until(holds: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 2));
}
