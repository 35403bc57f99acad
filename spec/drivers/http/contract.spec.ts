import { type Backend, encoded, files, json, memory } from 'keepsake';
import { http } from 'keepsake/http';
import { redis } from 'keepsake/redis';
import { contract } from 'keepsake/testing';
import { Folders } from '../../support/folders.js';
import { startRedis } from '../../support/servers/redis.js';
import { useServer } from '../../support/servers/server.js';
import { useStore } from '../../support/store-server.js';

/** Holds what a server gives to the contract; each promise starts with an empty store. */
function contractOver<V>(
  make: () => Backend<V>,
  options: { readonly many?: number; readonly it?: typeof withoutLimits } = {},
): void {
  const using = useStore(make);
  contract({ describe, it, ...options, ...clients(() => http(using.url)) });
}

function clients<V>(reopen: () => Backend<V>): { open: () => Promise<Backend<V>>; reopen: () => Backend<V> } {
  const open = async () => {
    const backend = reopen();
    await backend.clear();
    return backend;
  };
  return { open, reopen };
}

/** A client does not know how much of a key the namespace of its server takes; the server refuses what is too long. */
function withoutLimits(title: string, body: () => Promise<void>): void {
  if (!title.includes('limit of bytes') && !title.includes('limit of a key')) it(title, body);
}

describe('http', function () {
  this.timeout(60_000);

  describe('over memory', () => contractOver(() => memory()));

  describe('over a namespace of memory', () =>
    contractOver(() => memory().namespace('inner'), { many: 300, it: withoutLimits }));

  describe('over files', () => {
    const folders = new Folders();
    after(() => folders.clearAway());
    contractOver(() => files(folders.make(), { durability: 'none' }), { many: 600 });
  });

  describe('over Redis', () => {
    const using = useServer(startRedis);
    contractOver(() => redis(using.server.url, { namespace: 'served' }), { many: 600 });
  });

  describe('through encoded', () => {
    const using = useStore(() => memory());
    contract({ describe, it, many: 300, ...clients(() => encoded(http(using.url), json())) });
  });
});
