import { expect } from 'chai';
import fc from 'fast-check';
import { compareKeys } from '#lib/backend/order.js';

describe('order of keys', () => {
  it('is that of their UTF-8 bytes, beyond U+FFFF too', () => {
    const key = fc.string({
      unit: fc.oneof(
        fc.constantFrom('a', '\ue000', '\uffff', '\u{10000}', '\u{1f600}'),
        fc.string({ unit: 'binary', maxLength: 1 }),
      ),
    });
    fc.assert(
      fc.property(key, key, (a, b) => {
        expect(Math.sign(compareKeys(a, b))).to.equal(Buffer.compare(Buffer.from(a), Buffer.from(b)));
      }),
      { numRuns: 2000 },
    );
  });
});
