import { expect } from 'chai';
import { UnsupportedError } from 'keepsake';
import { load, loadModule } from '#lib/codecs/load.js';
import { failure } from '../support/failure.js';

describe('load', () => {
  const absent = 'keepsake-has-no-such-package';

  it('gives a module of a package that is installed', async () => {
    expect(load<{ Packr: unknown }>('msgpackr', 'msgpack()').Packr).to.be.a('function');
    expect((await loadModule(() => import('msgpackr'), 'msgpackr', 'msgpack()')).Packr).to.be.a('function');
  });

  it('names the package to install', async () => {
    const why = `csv() needs the package ${absent}, which is not installed: npm install ${absent}`;
    expect(() => load(`${absent}/sync`, 'csv()')).to.throw(UnsupportedError, why);
    const error = (await failure(() => loadModule(() => import(absent), absent, 'csv()'))) as UnsupportedError;
    expect(error).to.be.instanceOf(UnsupportedError);
    expect(error.message).to.equal(why);
  });

  it('passes on every other failure', async () => {
    const broken = new Error('broken');
    expect(await failure(() => loadModule(() => Promise.reject(broken), absent, 'csv()'))).to.equal(broken);
  });
});
