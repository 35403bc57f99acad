import { expect } from 'chai';
import fc from 'fast-check';
import { readHeader, toFile } from '#lib/drivers/files/header.js';

describe('files: header', () => {
  it('is not there for a plain value', () => {
    const value = Buffer.from('{"a":1}');
    expect(toFile(value, undefined, undefined)).to.equal(value);
  });

  it('gives back deadline, key and value, also of values that look like a header', () => {
    const value = fc.oneof(
      fc.uint8Array({ maxLength: 20 }),
      fc.uint8Array({ maxLength: 12 }).map((rest) => Uint8Array.of(0, 0x6b, 0x73, 0x70, 0x31, ...rest)),
      fc.integer({ min: 0, max: 5 }).map((length) => Uint8Array.of(0, 0x6b, 0x73, 0x70, 0x31).slice(0, length)),
    );
    const key = fc.option(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 50 }), { nil: undefined });
    fc.assert(
      fc.property(value, fc.option(fc.maxSafeInteger(), { nil: undefined }), key, (one, expiresAt, name) => {
        const bytes = toFile(one, expiresAt, name);
        const header = readHeader(bytes, bytes.length);
        expect(header).to.include({ expiresAt, key: name });
        expect([...bytes.subarray(header.start)]).to.deep.equal([...one]);
      }),
    );
  });

  it('is an error wherever it is cut', () => {
    const bytes = toFile(Buffer.from('value'), 1234, 'a key');
    const { start } = readHeader(bytes, bytes.length);
    for (let length = 1; length < start; length++) {
      expect(() => readHeader(bytes, length), String(length)).to.throw('header is cut off');
    }
  });

  it('is an error with flags of a later version', () => {
    const bytes = toFile(Buffer.from('value'), 1234, undefined);
    bytes[5] = 0x81;
    expect(() => readHeader(bytes, bytes.length)).to.throw('unknown flags 129');
  });
});
