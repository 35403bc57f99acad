import { expect } from 'chai';
import { encoded, InvalidArgumentError, memory, type TextOptions, text } from 'keepsake';
import { comesBack, refuses, there, unreadable } from '../support/round-trip.js';

describe('text', () => {
  it('gives back any well-formed text', async () => {
    for (const value of ['', ' ', 'null', '0', 'é 😀 \0', '\ufeffmarked', '\ufeff', '\r\n', 'x'.repeat(2 ** 20)]) {
      await comesBack(text(), value);
      await comesBack(text({ coerce: true }), value);
    }
  });

  it('writes UTF-8 and nothing else', () => {
    expect([...text().encode('é\ufeff')]).to.deep.equal([0xc3, 0xa9, 0xef, 0xbb, 0xbf]);
  });

  it('refuses what is no text, and a lone surrogate', async () => {
    for (const value of [1, true, null, undefined, 1n, {}, ['a'], new String('a'), Buffer.from('a')]) {
      await refuses(text(), value, /^the value: .* is no text/, '');
    }
    await refuses(text(), 'a\ud800', /lone surrogate/, '');
    await refuses(text({ coerce: true }), '\udfff', /lone surrogate/, '');
  });

  it('writes the text of anything on request', async () => {
    const codec = text<unknown>({ coerce: true });
    for (const value of [1, -0, true, null, 10n, [1, [2]], { a: 1 }, Symbol('s'), new Date(0)]) {
      expect(await there(codec, value)).to.equal(String(value));
    }
  });

  it('refuses to read what is no UTF-8', async () => {
    for (const bytes of [Uint8Array.of(0xff), Uint8Array.of(0xc3), Uint8Array.of(0xed, 0xa0, 0x80)]) {
      expect(await unreadable(text(), bytes)).to.be.instanceOf(TypeError);
    }
  });

  it('counts in decimal text, over objects too', async () => {
    const backend = encoded(memory<Uint8Array>(), text());
    expect(await backend.increment('visits', 5)).to.deep.include({ value: 5 });
    expect(await backend.increment('visits')).to.deep.include({ value: 6 });
    expect(await backend.get('visits')).to.equal('6');
  });

  it('names an option that nobody knows', () => {
    expect(() => text({ coarce: true } as TextOptions)).to.throw(InvalidArgumentError, 'there is no option "coarce"');
  });
});
