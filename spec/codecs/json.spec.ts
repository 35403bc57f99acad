import { expect } from 'chai';
import { json } from 'keepsake';

describe('json', () => {
  it('gives back what it was given', () => {
    const codec = json({ types: true });
    const value = {
      a: [1, 'two', null, true],
      when: new Date(0),
      set: new Set([1n]),
      $date: 'mine',
      map: new Map([['k', { $set: 1 }]]),
    };
    expect(codec.decode(codec.encode(value))).to.deep.equal(value);
  });
});
