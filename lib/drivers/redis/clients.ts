import type { ConnectionOptions } from 'node:tls';
import { loadModule } from '../../codecs/load.js';
import { isKeepsakeError, TimeoutError } from '../../errors.js';
import { ClusterLink } from './cluster.js';
import type { EventClient } from './events.js';
import { explain } from './failures.js';
import type { ClusterClient, Link, SingleClient } from './link.js';
import type { Place } from './place.js';
import { SingleLink } from './single.js';

/** What is used of the package `redis`. */
interface Library {
  createClient(options: object): unknown;
  createCluster(options: object): unknown;
}

/** How to connect. */
export interface ClientOptions {
  readonly place: Place;
  readonly cluster: boolean;
  readonly tls: ConnectionOptions | undefined;
  /** How long connecting may take, in milliseconds. */
  readonly timeout: number;
  /** What the package's own client takes beside. */
  readonly more: Readonly<Record<string, unknown>>;
  /** What is connected, for messages. */
  readonly where: string;
}

function load(): Promise<Library> {
  return loadModule(() => import('redis') as Promise<unknown> as Promise<Library>, 'redis', 'redis()');
}

/** Makes a client and connects it. */
export async function connect(options: ClientOptions): Promise<Link> {
  const library = await load();
  return connected(options.cluster ? cluster(library, options) : single(library, options), options);
}

/** The way through a client that the caller made, who also closes it. It is connected if it is not yet. */
export async function through(client: SingleClient | ClusterClient, timeout: number): Promise<Link> {
  if (!client.isOpen) await client.connect();
  return 'masters' in client ? new ClusterLink(client, false, timeout) : new SingleLink(client, false);
}

interface Made {
  readonly client: SingleClient | ClusterClient;
  readonly link: Link;
}

/** Makes a client that only listens, and connects it. It asks now and then whether the server is still there. */
export async function connectForEvents(options: ClientOptions): Promise<EventClient> {
  const more = { ...options.more, pingInterval: options.timeout };
  const made = single(await load(), { ...options, more }, { socketTimeout: options.timeout * 3 });
  await connected(made, options);
  return made.client as unknown as EventClient;
}

function single(library: Library, options: ClientOptions, patience: { readonly socketTimeout?: number } = {}): Made {
  const { place, timeout, more } = options;
  const client = library.createClient({
    ...common(options),
    ...more,
    database: place.database ?? 0,
    disableOfflineQueue: true,
    commandOptions: { timeout: undefined },
    socket: {
      ...(place.socket === undefined ? place.hosts[0] : { path: place.socket }),
      ...socket(options),
      ...patience,
      // Another client is made when it is needed.
      reconnectStrategy: false,
      connectTimeout: timeout,
    },
  }) as SingleClient;
  return { client, link: new SingleLink(client, true) };
}

function cluster(library: Library, options: ClientOptions): Made {
  const { place, timeout, more } = options;
  const defaults = { ...common(options), socket: { ...socket(options), connectTimeout: timeout } };
  const client = library.createCluster({
    rootNodes: place.hosts.map((host) => ({ socket: { ...host, ...socket(options) } })),
    defaults,
    RESP: 2,
    minimizeConnections: true,
    ...more,
  }) as ClusterClient;
  return { client, link: new ClusterLink(client, true, timeout) };
}

/** The older form of the protocol is enough, and every server and proxy speaks it. */
function common({ place }: ClientOptions): object {
  const { username, password } = place;
  return { username, password, RESP: 2, maintNotifications: 'disabled' };
}

function socket({ place, tls }: ClientOptions): object {
  return place.tls ? { tls: true, ...tls } : {};
}

async function connected({ client, link }: Made, { timeout, where }: ClientOptions): Promise<Link> {
  const started = performance.now();
  let timer: NodeJS.Timeout | undefined;
  let broken: (() => void) | undefined;
  // The client waits for ever for a handshake that is not answered, also after it met what is not Redis' protocol.
  const given = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new TimeoutError(`${where} did not answer within ${timeout} ms: it may be down, or not be Redis`));
    }, timeout);
    broken = () => reject(link.failureSince(started));
  });
  // A cluster's client asks its other servers then.
  if (!link.slotted) (client as SingleClient).on('error', () => broken?.());
  const connecting = (async () => {
    await client.connect();
    // Only an answer tells that it is Redis, and that we may use it.
    for (const node of (await link.nodes()).slice(0, 1)) await node.send(['PING']).catch(unlessForbidden);
  })();
  connecting.catch(() => undefined);
  try {
    await Promise.race([connecting, given]);
    return link;
  } catch (error) {
    link.close();
    const cause = isKeepsakeError(error) ? error : (link.failureSince(started) ?? error);
    throw explain(cause, where);
  } finally {
    clearTimeout(timer);
    broken = undefined;
    given.catch(() => undefined);
  }
}

/** A user who may not send PING may still do all else. */
function unlessForbidden(error: unknown): void {
  if (!(error instanceof Error && error.message.startsWith('NOPERM'))) throw error;
}
