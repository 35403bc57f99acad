import { expect } from 'chai';
import { type Backend, memory, type Shards, sharded } from 'keepsake';
import { TestClock } from '../support/clock.js';
import { all, Folders, rejection } from '../support/folders.js';
import { Trouble } from '../support/trouble.js';

const NUMBERS = Array.from({ length: 10_000 }, (_, index) => index);

/** So many shards in memory, by their names. */
function shards(count: number): Record<string, Backend<number>> {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`shard ${index + 1}`, memory<number>()]));
}

/** In which shard each of many keys is stored. */
async function placesOf(members: Record<string, Backend<number>>, keyOf = (index: number) => `user:${index}`) {
  await sharded(members).setMany(NUMBERS.map((index) => [keyOf(index), index] as const));
  const places = new Map<string, string>();
  for (const [name, member] of Object.entries(members))
    for (const key of await all(member.keys())) places.set(key, name);
  return places;
}

describe('sharded', () => {
  it('spreads keys evenly, whatever they look like', async () => {
    const looks = [
      (index: number) => `user:${index}`,
      (index: number) => `${index * 1000}`,
      (index: number) => '\0'.repeat(index % 100) + index,
    ];
    for (const keyOf of looks) {
      const members = shards(4);
      await placesOf(members, keyOf);
      for (const member of Object.values(members)) expect(await member.count()).to.be.within(2350, 2650);
    }
  });

  it('moves a fifth of the keys to a fifth shard, and none between the others', async () => {
    const before = await placesOf(shards(4));
    const after = await placesOf(shards(5));
    const moved = [...before].filter(([key, place]) => after.get(key) !== place);
    expect(moved.length).to.be.within(1700, 2300);
    expect(new Set(moved.map(([key]) => after.get(key)))).to.deep.equal(new Set(['shard 5']));
  });

  it('finds keys whichever order the shards are declared in, and however', async () => {
    const members = shards(5);
    const places = await placesOf(members);
    const forms: Shards<number>[] = [
      Object.fromEntries(Object.entries(members).reverse()),
      new Map(Object.entries(members)),
      Object.entries(members).reverse(),
    ];
    for (const form of forms) {
      const backend = sharded(form);
      for (const [key, place] of [...places].slice(0, 500)) {
        expect(await backend.get(key)).to.equal(await members[place]?.get(key));
      }
      expect(await backend.count()).to.equal(10_000);
    }
  });

  it('keeps keys where they were found by earlier versions', async () => {
    const members = Object.fromEntries(['a', 'b', 'c'].map((name) => [name, memory<number>()]));
    const keys = ['user:1', 'user:2', 'user:3', 'é', '😀', 'x', 'y', 'z', '__proto__', 'a longer key: with parts'];
    await sharded(members).setMany(keys.map((key) => [key, 1] as const));
    const places = await Promise.all(
      keys.map(async (key) => {
        for (const [name, member] of Object.entries(members)) if (await member.has(key)) return name;
        return undefined;
      }),
    );
    expect(places.join('')).to.equal('cbcbbabaaa');
  });

  it('hides what lies in the wrong shard, and clears it', async () => {
    const members = shards(3);
    const backend = sharded(members);
    await backend.set('key', 1);
    for (const member of Object.values(members)) await member.set('key', 2);
    await backend.set('key', 1);
    expect(await all(backend.entries())).to.deep.equal([['key', 1]]);
    expect(await backend.count()).to.equal(1);
    expect((await backend.page()).keys.length).to.be.lessThan(2);
    await backend.clear({ prefix: 'k' });
    for (const member of Object.values(members)) expect(await member.count()).to.equal(0);
  });

  it('pages through all shards, by cursors that name them', async () => {
    const members = { 'a:b': memory<number>(), é: memory<number>(), c: memory<number>() };
    const backend = sharded(members);
    const keys = NUMBERS.slice(0, 100).map(String);
    await backend.setMany(keys.map((key) => [key, 1] as const));
    const met: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await backend.page(cursor === undefined ? { limit: 7 } : { limit: 7, cursor });
      met.push(...page.keys);
      cursor = page.cursor;
    } while (cursor !== undefined);
    expect(met.sort()).to.deep.equal(keys.sort());
    expect((await rejection(backend.page({ cursor: 'd:1' }))).message).to.include(
      'cursor must be what the page before gave',
    );
  });

  it('asks each shard once for many', async () => {
    const troubles = [new Trouble(), new Trouble()];
    const folders = new Folders();
    const [one, two] = troubles.map((trouble) => trouble.around(folders.open(folders.make()))) as [Backend, Backend];
    const backend = sharded({ one, two });
    await backend.setMany(Array.from({ length: 20 }, (_, index) => [`k${index}`, 'x'] as const));
    for (const trouble of troubles) trouble.calls.length = 0;
    const found = await backend.getMany(Array.from({ length: 20 }, (_, index) => `k${index}`));
    expect(found.every((value) => value !== undefined)).to.equal(true);
    for (const { calls } of troubles) expect(calls).to.deep.equal(['readMany']);
    await backend.close();
    await folders.clearAway();
  });

  describe('with a shard that fails', () => {
    const failing = async () => {
      const trouble = new Trouble();
      const [sound, troubled] = [memory<number>(), memory<number>()];
      const backend = sharded({ sound, troubled: trouble.around(troubled) });
      const keys = NUMBERS.slice(0, 40).map((index) => `k${index}`);
      await backend.setMany(keys.map((key) => [key, 1] as const));
      return { trouble, sound, troubled, backend, good: await all(sound.keys()), bad: await all(troubled.keys()) };
    };

    it('fails its keys and no others', async () => {
      const { trouble, backend, good, bad } = await failing();
      trouble.fail();
      for (const key of good) expect(await backend.get(key)).to.equal(1);
      for (const key of bad) expect((await rejection(backend.get(key))).message).to.include('the engine is down');
      expect(await backend.getMany(good)).to.deep.equal(good.map(() => 1));
      expect((await rejection(backend.getMany([...good, ...bad]))).message).to.include('the engine is down');
    });

    it('still stores and deletes those of the others before it rejects', async () => {
      const { trouble, sound, backend, good, bad } = await failing();
      trouble.fail();
      await rejection(backend.setMany([...bad, ...good].map((key) => [key, 2] as const)));
      expect(await sound.getMany(good)).to.deep.equal(good.map(() => 2));
      await rejection(backend.deleteMany([...bad, ...good]));
      expect(await sound.count()).to.equal(0);
    });

    it('rejects listings, counts and clear: a failure is no miss', async () => {
      const { trouble, sound, backend } = await failing();
      trouble.fail();
      for (const call of [() => all(backend.keys()), () => backend.count(), () => backend.clear()]) {
        expect((await rejection(call())).message).to.include('the engine is down');
      }
      expect(await sound.count()).to.equal(0);
    });

    it('is opened when it is needed, and again when that failed', async () => {
      const trouble = new Trouble();
      trouble.fail(1);
      trouble.only = ['open'];
      const backend = sharded({ only: trouble.around(memory<number>()) });
      expect((await rejection(backend.get('key'))).message).to.include('the engine is down');
      expect(await backend.get('key')).to.equal(undefined);
    });
  });

  it('claims what all shards do', () => {
    const folders = new Folders();
    const shared = sharded({ a: folders.open(folders.make(), { shared: true }), b: folders.open(folders.make()) });
    expect(shared.capabilities).to.include({ values: 'bytes', update: 'process', persistent: true, ordered: false });
  });

  it('has the defaults that the shards agree on', async () => {
    const clock = new TestClock();
    const hour = () => memory<number>({ ttl: '1h', clock: clock.now });
    const backend = sharded({ a: hour(), b: hour() });
    await backend.set('key', 1);
    expect((await backend.getEntry('key'))?.expiresAt).to.equal(clock.now() + 3_600_000);
    expect(() => sharded({ a: hour(), b: memory<number>() })).to.throw(
      TypeError,
      'ttl differs: "1h" in "a", undefined in "b"',
    );
    expect(sharded({ a: hour(), b: memory<number>() }, { ttl: null }).options.ttl).to.equal(null);
  });

  it('refuses what makes no sense', () => {
    const wrong = (make: () => unknown, message: string) => expect(make).to.throw(TypeError, message);
    wrong(() => sharded({}), 'at least one');
    wrong(() => sharded(undefined as never), 'must be an object, a Map or pairs');
    wrong(() => sharded([memory()] as never), 'must be a pair [name, backend]');
    wrong(() => sharded({ a: {} as never }), 'shard "a" must be a Backend');
    wrong(() => sharded([['', memory()]]), 'well-formed text');
    wrong(
      () =>
        sharded([
          ['a', memory()],
          ['a', memory()],
        ]),
      'two shards "a"',
    );
    wrong(() => sharded({ a: memory() }, { unknown: 1 } as never), 'there is no option "unknown"');
  });
});
