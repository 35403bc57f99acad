import { expect } from 'chai';
import { InvalidArgumentError, OutOfRangeError } from 'keepsake';
import { toMilliseconds } from '#lib/backend/duration.js';

describe('toMilliseconds', () => {
  it('takes milliseconds and text', () => {
    const read: [number | string, number][] = [
      [1, 1],
      [0.5, 0.5],
      ['1', 1],
      ['500ms', 500],
      ['30s', 30_000],
      ['10m', 600_000],
      ['2 hours', 7_200_000],
      ['7d', 604_800_000],
      ['1.5h', 5_400_000],
      ['1y', 31_557_600_000],
    ];
    for (const [duration, milliseconds] of read)
      expect(toMilliseconds(duration, 'ttl'), `${duration}`).to.equal(milliseconds);
  });

  it('refuses what is not positive and finite', () => {
    for (const wrong of [
      0,
      -0,
      -1,
      Number.NaN,
      Infinity,
      -Infinity,
      2 ** 53,
      '',
      ' ',
      '0',
      '0s',
      '-1s',
      'soon',
      '1s 2s',
      '1month',
      'x'.repeat(101),
    ]) {
      expect(() => toMilliseconds(wrong, 'ttl'), `${wrong}`).to.throw(
        OutOfRangeError,
        /^ttl must be positive and finite/,
      );
    }
  });

  it('refuses what is neither a number nor text', () => {
    for (const wrong of [undefined, null, true, 1n, {}, [], new Date()]) {
      expect(() => toMilliseconds(wrong as never, 'ttl'), String(wrong)).to.throw(InvalidArgumentError);
    }
  });
});
