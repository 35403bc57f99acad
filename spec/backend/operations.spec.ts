import { setImmediate } from 'node:timers/promises';
import { expect } from 'chai';
import { Backend, type Condition, ConflictError, NotAnIntegerError, OutOfRangeError } from 'keepsake';
import { addToCounter, eachOf } from '#lib/backend/operations.js';
import { MinimalDriver, ScatteredDriver } from '../support/drivers.js';
import { failure } from '../support/failure.js';

describe('update', () => {
  it('loses nothing under heavy contention, and does not wear its callers down', async () => {
    const backend = new Backend(new ScatteredDriver());
    let calls = 0;
    await Promise.all(
      Array.from({ length: 300 }, () =>
        backend.update('key', (current) => {
          calls++;
          return String(Number(Buffer.from(current ?? '0')) + 1);
        }),
      ),
    );
    expect(Buffer.from((await backend.get('key')) ?? []).toString()).to.equal('300');
    expect(calls, 'each caller tries about twice').to.be.lessThan(900);
  });

  it('takes turns by key, in namespaces too', async () => {
    const backend = new Backend(new ScatteredDriver());
    const [view, same] = [backend.namespace('view'), backend.namespace('view')];
    const add = (current: Uint8Array | undefined) => String(Number(Buffer.from(current ?? '0')) + 1);
    await Promise.all(Array.from({ length: 60 }, (_, index) => (index % 2 === 0 ? view : same).update('key', add)));
    await Promise.all(Array.from({ length: 20 }, () => backend.update('view:key', add)));
    expect(Buffer.from((await view.get('key')) ?? []).toString()).to.equal('80');
  });

  it('rejects with a ConflictError when others are always faster', async function () {
    this.timeout(30_000);
    class Contested extends MinimalDriver {
      override write(key: string, value: Uint8Array, expiresAt: number | undefined, condition?: Condition) {
        return condition === undefined && super.write(key, value, expiresAt, condition);
      }
    }
    const backend = new Backend(new Contested());
    const error = (await failure(() => backend.update('key', () => 'value'))) as ConflictError;
    expect(error).to.be.instanceOf(ConflictError);
    expect({ ...error }).to.include({ operation: 'update', key: 'key', retryable: true });
  });

  it('goes on for others after a change that failed', async () => {
    const backend = new Backend(new ScatteredDriver());
    const results = await Promise.allSettled(
      Array.from({ length: 30 }, (_, index) =>
        backend.update('key', (current) => {
          if (index % 3 === 0) throw new Error('mine');
          return String(Number(Buffer.from(current ?? '0')) + 1);
        }),
      ),
    );
    expect(results.filter(({ status }) => status === 'rejected')).to.have.length(10);
    expect(Buffer.from((await backend.get('key')) ?? []).toString()).to.equal('20');
  });
});

describe('eachOf', () => {
  it('works on a bounded number at a time, on each once', async () => {
    let at = 0;
    let most = 0;
    const met: number[] = [];
    const items = Array.from({ length: 50 }, (_, index) => index);
    await eachOf(
      items,
      async (item, index) => {
        expect(index).to.equal(item);
        most = Math.max(most, ++at);
        await setImmediate();
        met.push(item);
        at--;
      },
      4,
    );
    expect(most).to.equal(4);
    expect(met.sort((a, b) => a - b)).to.deep.equal(items);
  });

  it('stops at the first failure, once what is under way has ended', async () => {
    let at = 0;
    let begun = 0;
    const error = await failure(() =>
      eachOf(
        Array.from({ length: 50 }, (_, index) => index),
        async (item) => {
          begun++;
          at++;
          await setImmediate();
          at--;
          if (item === 5) throw new Error('five');
        },
        4,
      ),
    );
    expect((error as Error).message).to.equal('five');
    expect(at).to.equal(0);
    expect(begun).to.be.lessThan(15);
  });
});

describe('addToCounter', () => {
  it('adds to numbers and to decimal text in bytes', () => {
    expect(addToCounter(1, 2, 'key')).to.equal(3);
    expect(addToCounter(Buffer.from('-9007199254740991'), 1, 'key')).to.equal(-9007199254740990);
    expect(addToCounter(Buffer.from('0'), -1, 'key')).to.equal(-1);
  });

  it('refuses everything else', () => {
    for (const wrong of [
      null,
      undefined,
      '1',
      true,
      1n,
      1.5,
      Number.NaN,
      2 ** 53,
      {},
      [],
      [1],
      Buffer.from(''),
      Buffer.from('01'),
      Buffer.from('1\n'),
    ]) {
      expect(() => addToCounter(wrong, 1, 'key'), String(wrong)).to.throw(NotAnIntegerError, /"key" holds no integer/);
    }
    expect(() => addToCounter(Number.MAX_SAFE_INTEGER, 1, 'key')).to.throw(OutOfRangeError);
  });
});
