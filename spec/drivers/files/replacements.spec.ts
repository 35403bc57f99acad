import { expect } from 'chai';
import { Replacements } from '#lib/drivers/files/replacements.js';

describe('Replacements', () => {
  it('tell who reads a folder what is put in place meanwhile, and what was being put in place when they began', async () => {
    const replacements = new Replacements();
    let finish!: () => void;
    const begun = replacements.during('/a', 'begun', () => new Promise<void>((resolve) => (finish = resolve)));
    await replacements.during('/a', 'before', async () => undefined);
    const { names, stop } = replacements.watch('/a');
    await replacements.during('/a', 'during', async () => undefined);
    await replacements.during('/b', 'elsewhere', async () => undefined);
    finish();
    await begun;
    expect([...names].sort()).to.deep.equal(['begun', 'during']);
    stop();
    await replacements.during('/a', 'after', async () => undefined);
    expect(names.size).to.equal(0);
  });

  it('forget what has failed to be put in place', async () => {
    const replacements = new Replacements();
    const failed = await replacements
      .during('/a', 'x', () => Promise.reject(new Error('full')))
      .catch((error: Error) => error.message);
    expect(failed).to.equal('full');
    expect(replacements.watch('/a').names.size).to.equal(0);
  });
});
