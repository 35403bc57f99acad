import { expect } from 'chai';
import { Backend, type Condition, capabilities, type Entry, type KeyChange, type WatchRequest } from 'keepsake';
import { TestClock } from '../support/clock.js';
import { hold } from '../support/collect.js';
import { MinimalDriver } from '../support/drivers.js';

const clock = new TestClock();
type Found = Entry<Uint8Array> | undefined;

/** Minimal drivers over one storage that tell each other of what they do. */
class Shared extends MinimalDriver {
  override readonly capabilities = capabilities({ ...new MinimalDriver().capabilities, watch: true });
  readonly #others: Set<Shared>;
  readonly #requests = new Set<WatchRequest>();
  readonly #whole: MinimalDriver;

  constructor(others: Set<Shared>, whole: MinimalDriver) {
    super(clock.now);
    this.#others = others;
    this.#whole = whole;
    others.add(this);
  }

  override read(key: string): Found {
    return this.#whole.read(key) as Found;
  }

  override write(key: string, value: Uint8Array, expiresAt: number | undefined, condition: Condition | undefined) {
    return this.#tell('set', key, this.#whole.write(key, value, expiresAt, condition) as boolean);
  }

  override remove(key: string, condition: Condition | undefined) {
    return this.#tell('delete', key, this.#whole.remove(key, condition) as boolean);
  }

  watch(request: WatchRequest): void {
    this.#requests.add(request);
    request.signal.addEventListener('abort', () => this.#requests.delete(request));
  }

  close(): void {
    for (const { ended } of this.#requests) ended();
    this.#others.delete(this);
  }

  protected wants({ prefix }: WatchRequest, { key }: KeyChange): boolean {
    return key.startsWith(prefix);
  }

  #tell(type: KeyChange['type'], key: string, done: boolean): boolean {
    for (const other of done ? this.#others : []) {
      if (other === this) continue;
      for (const request of other.#requests) if (other.wants(request, { type, key })) request.changed({ type, key });
    }
    return done;
  }
}

function opening(make: (others: Set<Shared>, whole: MinimalDriver) => Shared) {
  let others = new Set<Shared>();
  let whole = new MinimalDriver(clock.now);
  const reopen = () => new Backend(make(others, whole));
  const open = () => {
    others = new Set();
    whole = new MinimalDriver(clock.now);
    return reopen();
  };
  return { clock, many: 100, open, reopen };
}

describe('the contract of what is watched', () => {
  const titles = [
    'tells what others set and delete',
    'tells of a change after another of the same key',
    'tells the latest of many changes that nobody has taken yet',
    'tells only of keys with the prefix',
    'tells a namespace its own keys, and the whole the full ones',
    'starts with the first change that is asked for',
    'ends a watch whose loop is left, and others go on',
    'ends a watch when the backend, or what it is a view on, is closed',
    'rejects with the reason of the signal',
    'refuses a prefix that is none',
  ];

  for (const title of titles) {
    it(`finds nothing wrong with a driver that keeps it: ${title}`, async () => {
      const { run, broken } = await hold(
        opening((...parts) => new Shared(...parts)),
        title,
      );
      expect(run).to.equal(2);
      expect([...broken]).to.deep.equal([]);
    });
  }

  it('reports a driver that tells of keys without the prefix', async () => {
    class Wrong extends Shared {
      protected override wants(): boolean {
        return true;
      }
    }
    const { broken } = await hold(
      opening((...parts) => new Wrong(...parts)),
      'tells only of keys with the prefix',
    );
    expect(broken.size).to.equal(2);
  });

  it('reports a driver that claims to be watched, and cannot be opened twice', async () => {
    const { open } = opening((...parts) => new Shared(...parts));
    const { broken } = await hold({ clock, open }, 'tells what others set and delete');
    expect(String([...broken.values()][0])).to.match(/give the contract `reopen`/);
  });
});
