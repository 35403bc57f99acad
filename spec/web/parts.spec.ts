import { expect } from 'chai';
import fc from 'fast-check';
import { encoded, files, json, memory } from 'keepsake';
import { parseCacheControl, requestDirectives, secondsOf } from '#lib/web/cache-control.js';
import { entityTag, isNotModified, storedHeaders } from '#lib/web/responses/headers.js';
import { keyOf } from '#lib/web/responses/keys.js';
import { Records, type StoredResponse } from '#lib/web/responses/record.js';
import { Folders, rejection } from '../support/folders.js';

describe('the directives of Cache-Control', () => {
  it('are read without regard to case and spaces, quoted or not', () => {
    const directives = parseCacheControl(' No-Store ,max-age="60", S-MaxAge = 5,private="a, b\\"", , community=x;y');
    expect([...directives]).to.deep.equal([
      ['no-store', ''],
      ['max-age', '60'],
      ['s-maxage', '5'],
      ['private', 'a, b\\"'],
      ['community', 'x'],
      ['y', ''],
    ]);
    expect(parseCacheControl(undefined).size).to.equal(0);
    expect(parseCacheControl('max-age=1, max-age=2').get('max-age')).to.equal('1');
  });

  it('give whole seconds, and none where they are no number', () => {
    for (const [text, seconds] of [
      ['max-age=60', 60],
      ['max-age=0', 0],
      ['max-age', 0],
      ['max-age=-5', 0],
      ['max-age=1.5', 0],
      ['max-age=1e3', 0],
      ['max-age="', 0],
      ['no-store', undefined],
    ] as const) {
      expect(secondsOf(parseCacheControl(text), 'max-age'), text).to.equal(seconds);
    }
  });

  it('count Pragma only where there is no Cache-Control', () => {
    expect(requestDirectives(undefined, 'x, No-Cache').has('no-cache')).to.equal(true);
    expect(requestDirectives('max-age=5', 'no-cache').has('no-cache')).to.equal(false);
    expect(requestDirectives(undefined, 'no-cached').size).to.equal(0);
  });

  it('are read from whatever a client sends', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 200 }), (text) => {
        for (const [name] of parseCacheControl(text)) expect(name).to.match(/^[^\s,;="]+$/);
      }),
    );
  });
});

describe('the key of a response', () => {
  it('is the same for parameters in another order, and another for other URLs', () => {
    expect(keyOf('/a?c=3&a=1&b=2')).to.equal('GET /a?a=1&b=2&c=3');
    expect(keyOf('/a?')).to.equal('GET /a');
    expect(keyOf('/a?a=2&a=1')).to.equal('GET /a?a=2&a=1');
    expect(keyOf('/a?a')).not.to.equal(keyOf('/a?a='));
    expect(keyOf('/a?ab=1')).not.to.equal(keyOf('/a?a=b1'));
    expect(keyOf(`/${'a'.repeat(1000)}`)).to.match(/^GET-SHA256 [0-9a-f]{64}$/);
  });

  it('tells all URLs apart that are not the same but for the order of their parameters', () => {
    const parameter = fc.stringMatching(/^[a-c=%]{1,4}$/);
    fc.assert(
      fc.property(fc.array(parameter, { maxLength: 4 }), fc.array(parameter, { maxLength: 4 }), (one, other) => {
        const same = JSON.stringify([...one].sort()) === JSON.stringify([...other].sort());
        if (keyOf(`/p?${one.join('&')}`) === keyOf(`/p?${other.join('&')}`)) expect(same).to.equal(true);
      }),
    );
  });
});

describe('the headers of a response', () => {
  it('are stored without those of the connection', () => {
    const headers = [
      ['connection', 'close, X-Hop'],
      ['x-hop', '1'],
      ['keep-alive', 'timeout=5'],
      ['transfer-encoding', 'chunked'],
      ['set-cookie', 'a=b'],
      ['content-type', 'text/plain'],
      ['x-own', 'a'],
      ['x-own', 'b'],
    ] as const;
    expect(storedHeaders(headers)).to.deep.equal([
      ['content-type', 'text/plain'],
      ['x-own', 'a'],
      ['x-own', 'b'],
    ]);
  });

  it('tell whether a client has the response, by its tag before its date', () => {
    const dated = [
      ['etag', 'W/"a"'],
      ['last-modified', 'Tue, 01 Jan 2030 00:00:00 GMT'],
    ] as const;
    const has = (headers: Record<string, string>) => isNotModified((name) => headers[name], dated);
    expect(has({})).to.equal(false);
    expect(has({ 'if-none-match': '"a"' })).to.equal(true);
    expect(has({ 'if-none-match': '"b", "a,b" , W/"a"' })).to.equal(true);
    expect(has({ 'if-none-match': 'a' })).to.equal(false);
    expect(has({ 'if-none-match': '"b"', 'if-modified-since': 'Wed, 02 Jan 2030 00:00:00 GMT' })).to.equal(false);
    expect(has({ 'if-modified-since': 'Wed, 02 Jan 2030 00:00:00 GMT' })).to.equal(true);
    expect(has({ 'if-modified-since': 'yesterday' })).to.equal(false);
    expect(entityTag(Buffer.from('a'))).not.to.equal(entityTag(Buffer.from('b')));
  });
});

describe('stored responses', () => {
  const folders = new Folders();
  afterEach(() => folders.clearAway());
  const response: StoredResponse = {
    status: 200,
    headers: [
      ['content-type', 'image/png'],
      ['x-name', 'ü'],
    ],
    storedAt: 1,
    age: 2,
    lifetime: null,
    staleFor: 3,
    mustRevalidate: false,
    shared: true,
    body: Buffer.from(Array.from({ length: 256 }, (_, at) => at)),
  };

  it('come back as they were from backends of bytes, of objects, and of JSON', async () => {
    const onFiles = folders.open(folders.make());
    for (const backend of [memory(), onFiles, encoded(files(folders.make(), { durability: 'none' }), json())]) {
      const records = new Records(() => backend);
      for (const body of [response.body, Buffer.alloc(0)]) {
        await records.write('key', { ...response, body }, null);
        const found = (await records.read('key'))?.stored as StoredResponse;
        expect({ ...found, body: Buffer.from(found.body) }).to.deep.equal({ ...response, body });
      }
      await records.write('key', { vary: ['a'], generation: 'b' }, 60_000);
      const entry = await records.readEntry('key');
      expect(entry?.stored).to.deep.equal({ vary: ['a'], generation: 'b' });
      expect(entry?.expiresAt).to.be.a('number');
      await records.remove('key');
      expect(await records.read('key')).to.equal(undefined);
      await backend.close();
    }
  });

  it('are refused where they are none', async () => {
    const backend = memory();
    const records = new Records(() => backend);
    await records.write('key', response, null);
    const whole = Buffer.from((await backend.get('key')) as Uint8Array);
    for (const stored of [
      Buffer.alloc(0),
      Buffer.from('nonsense that is long enough'),
      whole.subarray(0, 20),
      Buffer.from(whole).fill(9, 2, 3),
      'text',
      7,
      { status: 200 },
    ]) {
      await backend.set('key', stored);
      expect((await rejection(records.read('key'))).code).to.equal('KEEPSAKE_CORRUPT_DATA');
    }
  });
});
