// The parts of an application ask a registry for their backends by name; the application decides what those are.
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Backend, BackendRegistry, encoded, files, json, memory } from 'keepsake';

type Stores = BackendRegistry<unknown>;

/** Keeps sessions, in the backend of the name that it is told. */
class Sessions {
  readonly #store: Backend<unknown>;
  constructor(backends: Stores, store = 'sessions') {
    this.#store = backends.get(store);
  }
  begin(id: string, user: string) {
    return this.#store.set(id, { user }, { ttl: '30m' });
  }
}

/** Counts requests, likewise. */
class RateLimit {
  readonly #store: Backend<unknown>;
  constructor(backends: Stores, store = 'rate_limit') {
    this.#store = backends.get(store);
  }
  async hit(client: string) {
    const { value } = await this.#store.increment(client, 1, { ttl: '10s' });
    return value;
  }
}

const folder = await mkdtemp(join(tmpdir(), 'keepsake-registry-'));

// A namespace for each name: one folder holds them all, and none sees another's entries.
const root = encoded(files(folder, { extension: '.json' }), json());
const namespaced: Stores = new BackendRegistry({ defaultFactory: (name) => root.namespace(name) });
await new Sessions(namespaced).begin('5f2a', 'ann');
await new RateLimit(namespaced).hit('127.0.0.1');
console.log(
  `one folder for each part: ${(await readdir(folder))
    .filter((name) => !name.startsWith('.'))
    .sort()
    .join(', ')}`,
);
await namespaced.get('rate_limit').clear();
console.log(`cleared the counters; sessions left: ${await namespaced.get('sessions').count()}`);

// Stores chosen by name: sessions on files, counters in memory.
const chosen: Stores = new BackendRegistry({ backends: { fast: memory(), file: root.namespace('chosen') } });
await new Sessions(chosen, 'file').begin('77ab', 'bob');
const limit = new RateLimit(chosen, 'fast');
await limit.hit('127.0.0.1');
console.log(
  `second request: ${await limit.hit('127.0.0.1')}; in memory ${await chosen.get('fast').count()}, on files ${await chosen.get('file').count()}`,
);

await namespaced.close();
await chosen.close();
await root.close();
await rm(folder, { recursive: true });
