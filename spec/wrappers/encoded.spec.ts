import { expect } from 'chai';
import {
  Backend,
  type Codec,
  CorruptDataError,
  EncodeError,
  encoded,
  json,
  type KeepsakeError,
  memory,
  UnsupportedError,
} from 'keepsake';
import { MinimalDriver } from '../support/drivers.js';
import { failure } from '../support/failure.js';

const bytes = () => new Backend(new MinimalDriver());

describe('encoded', () => {
  it('isolates what is stored from what was given and what was read', async () => {
    const backend = encoded<{ list: number[] }>(memory(), json());
    const value = { list: [1] };
    await backend.set('key', value);
    value.list.push(2);
    (await backend.get('key'))?.list.push(3);
    expect(await backend.get('key')).to.deep.equal({ list: [1] });
  });

  it('refuses what the codec cannot carry, and leaves the entry as it was', async () => {
    const backend = encoded(bytes(), json());
    await backend.set('key', 1);
    for (const call of [
      () => backend.set('key', { at: Number.NaN }),
      () =>
        backend.setMany([
          ['other', 1],
          ['key', { at: Number.NaN }],
        ]),
      () => backend.update('key', () => ({ at: Number.NaN })),
    ]) {
      const error = (await failure(call)) as EncodeError;
      expect(error).to.be.instanceOf(EncodeError);
      expect({ ...error }).to.include({ key: 'key', path: 'at' });
    }
    expect(await backend.get('key')).to.equal(1);
    expect(await backend.has('other')).to.equal(false);
  });

  it('makes an EncodeError of whatever a codec throws', async () => {
    const codec: Codec<unknown> = {
      name: 'broken',
      encode: () => {
        throw new Error('out of ink');
      },
      decode: () => undefined,
    };
    const error = (await failure(() => encoded(bytes(), codec).set('key', 1))) as EncodeError;
    expect(error).to.be.instanceOf(EncodeError);
    expect(error.message).to.equal('"key" cannot be written as broken: out of ink');
    expect((error.cause as Error).message).to.equal('out of ink');
  });

  it("gives the codec the entry's key, as it knows it, wherever it is written and read", async () => {
    const met = new Set<string>();
    const codec: Codec<string> = {
      name: 'keyed',
      encode: (value, key) => {
        met.add(`write ${key}`);
        return Buffer.from(`${key}=${value}`);
      },
      decode: async (stored, key) => {
        met.add(`read ${key}`);
        const [written, value] = Buffer.from(stored).toString().split('=') as [string, string];
        if (written !== key) throw new Error(`written for ${written}`);
        return value;
      },
    };
    const inner = bytes();
    const backend = encoded(inner, codec).namespace('inner');
    await backend.set('a', '1');
    await backend.setMany([['b', '2']]);
    await backend.update('a', (value) => `${value}!`);
    expect(await backend.getMany(['b', 'a'])).to.deep.equal(['2', '1!']);
    expect((await backend.getEntry('a'))?.value).to.equal('1!');
    const listed: unknown[] = [];
    for await (const entry of backend) listed.push(entry);
    expect(listed).to.deep.equal([
      ['a', '1!'],
      ['b', '2'],
    ]);
    expect([...met].sort()).to.deep.equal(['read inner:a', 'read inner:b', 'write inner:a', 'write inner:b']);
    await inner.set('inner:a', Buffer.from('other=1'));
    const error = (await failure(() => backend.get('a'))) as CorruptDataError;
    expect(error).to.be.instanceOf(CorruptDataError);
    expect(error.message).to.include('written for other');
  });

  it('makes an EncodeError of what a promise of the codec rejects with', async () => {
    const codec: Codec<unknown> = {
      name: 'slow',
      encode: async () => {
        throw new Error('out of ink');
      },
      decode: () => undefined,
    };
    const backend = encoded(bytes(), codec);
    for (const call of [() => backend.set('key', 1), () => backend.setMany([['key', 1]])]) {
      const error = (await failure(call)) as EncodeError;
      expect(error).to.be.instanceOf(EncodeError);
      expect(error.message).to.equal('"key" cannot be written as slow: out of ink');
    }
  });

  it('does not call bytes corrupt that a codec does not support, and fails a listing of them', async () => {
    const codec: Codec<unknown> = {
      ...json(),
      decode: () => {
        throw new UnsupportedError('the package is not installed');
      },
    };
    const backend = encoded(bytes(), codec);
    await backend.set('key', 1);
    const list = async () => {
      for await (const entry of backend) expect.fail(`yields ${String(entry)}`);
    };
    for (const call of [() => backend.get('key'), () => backend.getMany(['key']), list]) {
      expect(((await failure(call)) as KeepsakeError).code).to.equal('KEEPSAKE_UNSUPPORTED');
    }
  });

  describe('over bytes that the codec cannot decode', () => {
    const damaged = async (options = {}) => {
      const inner = bytes();
      await inner.setMany([
        ['a', '1'],
        ['bad', '{"cut'],
        ['c', '3'],
      ]);
      return { inner, backend: encoded(inner, json(), options) };
    };

    it('rejects every way to read the key, and never changes the bytes', async () => {
      const { inner, backend } = await damaged();
      for (const call of [
        () => backend.get('bad'),
        () => backend.getEntry('bad'),
        () => backend.has('bad'),
        () => backend.getMany(['a', 'bad']),
        () => backend.update('bad', () => 1),
      ]) {
        const error = (await failure(call)) as CorruptDataError;
        expect(error).to.be.instanceOf(CorruptDataError);
        expect(error.key).to.equal('bad');
        expect(error.message).to.include('cannot be read as json');
      }
      expect(((await failure(() => backend.increment('bad'))) as KeepsakeError).code).to.equal(
        'KEEPSAKE_NOT_AN_INTEGER',
      );
      expect(Buffer.from((await inner.get('bad')) ?? []).toString()).to.equal('{"cut');
    });

    it('leaves the entry out of listings, and reports it', async () => {
      const reported: KeepsakeError[] = [];
      const { backend } = await damaged({ report: (error: KeepsakeError) => reported.push(error) });
      const met: unknown[] = [];
      for await (const entry of backend) met.push(entry);
      expect(met).to.deep.equal([
        ['a', 1],
        ['c', 3],
      ]);
      expect(reported.map(({ code, key }) => [code, key])).to.deep.equal([['KEEPSAKE_CORRUPT_DATA', 'bad']]);
      expect(await backend.count()).to.equal(3);
    });

    it('lets it be replaced and deleted when asked', async () => {
      const { backend } = await damaged();
      await backend.set('bad', 2);
      expect(await backend.get('bad')).to.equal(2);
      const again = (await damaged()).backend;
      expect(await again.delete('bad')).to.equal(true);
    });
  });

  describe('counters', () => {
    it('are decimal text underneath, where that holds bytes', async () => {
      const inner = bytes();
      const backend = encoded(inner, json());
      await backend.increment('key', 5);
      expect(Buffer.from((await inner.get('key')) ?? []).toString()).to.equal('5');
      expect(await backend.get('key')).to.equal(5);
    });

    it('are encoded where the backend underneath holds objects', async () => {
      const backend = encoded(memory<Uint8Array>(), json());
      await backend.increment('key', 5);
      expect(await backend.get('key')).to.equal(5);
      await backend.set('key', 7);
      expect((await backend.increment('key')).value).to.equal(8);
    });

    it('are encoded where the codec writes integers otherwise', async () => {
      const backend = encoded(bytes(), json({ indent: 2 }));
      await backend.increment('key', 5, { ttl: '1h' });
      expect(await backend.get('key')).to.equal(5);
      expect((await backend.increment('key', 1)).expiresAt).to.be.a('number');
    });

    it('do not begin at null', async () => {
      for (const backend of [memory(), encoded(bytes(), json()), encoded(bytes(), json({ indent: 2 }))]) {
        await backend.set('key', null);
        expect(((await failure(() => backend.increment('key'))) as KeepsakeError).code).to.equal(
          'KEEPSAKE_NOT_AN_INTEGER',
        );
        expect(await backend.get('key')).to.equal(null);
      }
    });
  });

  it('claims what the backend underneath claims, and holds objects', () => {
    const inner = bytes();
    expect(encoded(inner, json()).capabilities).to.deep.equal({ ...inner.capabilities, values: 'objects' });
  });

  it('closes the backend underneath, and is closed with it', async () => {
    const inner = bytes();
    const backend = encoded(inner, json());
    await backend.set('key', 1);
    await backend.close();
    expect(((await failure(() => inner.get('key'))) as KeepsakeError).code).to.equal('KEEPSAKE_CLOSED');
    const other = bytes();
    const over = encoded(other, json());
    await over.set('key', 1);
    await other.close();
    expect(((await failure(() => over.get('key'))) as KeepsakeError).code).to.equal('KEEPSAKE_CLOSED');
  });
});
