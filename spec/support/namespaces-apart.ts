import { expect } from 'chai';
import type { Backend } from 'keepsake';
import { all } from './folders.js';

/** How many keys where the caller does not say; with it in the environment also where it does, for engines that take minutes. */
const VARIABLE = 'KEEPSAKE_MANY_KEYS';

/**
 * Tells the keys of three namespaces apart, whose names and keys are alike, on one engine.
 * @param few how many keys together, where the engine is too slow for 100,000 in every run
 */
export async function keepApart(open: (namespace: string) => Backend, few?: number): Promise<void> {
  const total = Number(process.env[VARIABLE] ?? few ?? 100_000);
  const backends = ['apps', 'app', 'app_'].map(open);
  const counts = [total * 0.5, total * 0.3, total * 0.2];
  for (const [index, backend] of backends.entries()) {
    const keys = Array.from(
      { length: counts[index] as number },
      (_, number) => `${number % 2 ? 'odd' : 'o*d'}:${number}`,
    );
    await backend.setMany(keys.map((key) => [key, 'v']));
  }
  for (const [index, backend] of backends.entries()) {
    const half = (counts[index] as number) / 2;
    expect(await backend.count()).to.equal(half * 2);
    expect(await backend.count({ prefix: 'o*d:' })).to.equal(half);
    const odd = await all(backend.keys({ prefix: 'odd' }));
    expect(odd.length).to.equal(half);
    expect(odd.every((key) => /^odd:\d+$/.test(key))).to.equal(true);
  }
  const [apps, app, other] = backends as [Backend, Backend, Backend];
  await app.clear({ prefix: 'o*d' });
  expect(await app.count()).to.equal(total * 0.15);
  await app.clear();
  expect(await app.count()).to.equal(0);
  expect(await apps.count()).to.equal(total * 0.5);
  expect(await other.count()).to.equal(total * 0.2);
  await apps.clear();
  await other.clear();
}
