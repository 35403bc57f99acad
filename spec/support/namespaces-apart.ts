import { expect } from 'chai';
import type { Backend } from 'keepsake';
import { all } from './folders.js';

/** Tells 100,000 keys of three namespaces apart, whose names and keys are alike, on one engine. */
export async function keepApart(open: (namespace: string) => Backend): Promise<void> {
  const backends = ['apps', 'app', 'app_'].map(open);
  const counts = [50_000, 30_000, 20_000];
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
    expect((await all(backend.keys({ prefix: 'odd' }))).every((key) => /^odd:\d+$/.test(key))).to.equal(true);
  }
  const [apps, app, other] = backends as [Backend, Backend, Backend];
  await app.clear({ prefix: 'o*d' });
  expect(await app.count()).to.equal(15_000);
  await app.clear();
  expect(await app.count()).to.equal(0);
  expect(await apps.count()).to.equal(50_000);
  expect(await other.count()).to.equal(20_000);
  await apps.clear();
  await other.clear();
}
