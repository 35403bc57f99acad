import { createDecipheriv, createSecretKey, randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import {
  type Codec,
  DecryptError,
  deriveKey,
  type EncryptedOptions,
  encoded,
  encrypted,
  gzip,
  InvalidArgumentError,
  json,
  type KeepsakeError,
  memory,
  msgpack,
  OutOfRangeError,
  Service,
  Store,
} from 'keepsake';
import { failure } from '../support/failure.js';
import { Folders } from '../support/folders.js';
import { comesBack, damaged, refuses, unreadable } from '../support/round-trip.js';

const old = { id: '2025', key: Uint8Array.from({ length: 32 }, (_, index) => index) };
const current = { id: '2026', key: Uint8Array.from({ length: 32 }, (_, index) => 255 - index) };
const codec = encrypted(json<unknown>(), { keys: [current, old] });
const written = (value: unknown, key: string, by: Codec<unknown> = codec) => by.encode(value, key) as Uint8Array;

describe('encrypted', () => {
  const folders = new Folders();
  after(() => folders.clearAway());

  it('gives back what its inner codec carries, and bytes without one', async () => {
    await comesBack(codec, { a: ['é', null, 1.5] });
    await comesBack(encrypted({ keys: [current] }), Uint8Array.of(1, 2, 3));
    await comesBack(encrypted({ keys: [current] }), new Uint8Array(0));
    await comesBack(encrypted({ keys: [current] }), new Uint8Array(2 ** 20));
    await comesBack(encrypted(gzip(msgpack()), { keys: [current] }), { a: 1n });
    await refuses(codec, { a: [-0] }, /would come back as 0/, 'a[0]');
    await refuses(encrypted({ keys: [current] }), 'text', /no Uint8Array/);
  });

  it('writes the format that it states, with another nonce each time', () => {
    const context = 'notes/é';
    const record = Buffer.from(written('secret', 'ann', encrypted(json<unknown>(), { keys: [current], context })));
    expect(record.subarray(0, 7).toString('latin1')).to.equal(`K\x01\x04${current.id}`);
    expect(record.includes('secret')).to.equal(false);
    const decipher = createDecipheriv('aes-256-gcm', current.key, record.subarray(7, 19));
    const length = Buffer.alloc(4);
    length.writeUInt32BE(Buffer.byteLength(context));
    decipher.setAAD(Buffer.concat([record.subarray(0, 7), length, Buffer.from(context), Buffer.from('ann')]));
    decipher.setAuthTag(record.subarray(-16));
    const text = Buffer.concat([decipher.update(record.subarray(19, -16)), decipher.final()]).toString();
    expect(text).to.equal('"secret"');
    const records = Array.from({ length: 100 }, () => Buffer.from(written('secret', 'ann')).toString('hex'));
    expect(new Set(records).size).to.equal(100);
  });

  it('reads records of older keys, and writes with the first', async () => {
    const before = written('x', 'ann', encrypted(json<unknown>(), { keys: [old] }));
    expect(await codec.decode(before, 'ann')).to.equal('x');
    const now = written('x', 'ann');
    expect(await encrypted(json(), { keys: [current] }).decode(now, 'ann')).to.equal('x');
    const error = await unreadable(encrypted(json(), { keys: [old] }), now, 'ann');
    expect(error).to.be.instanceOf(DecryptError);
    expect(error.message).to.equal('it is encrypted with the key "2026", which is not among keys');
  });

  it('refuses a wrong key, another entry, another context, and every changed, cut or added byte', async () => {
    const record = written({ a: 1 }, 'ann');
    const context = (text: string) => encrypted(json<unknown>(), { keys: [current], context: text });
    const wrong: [string, Codec<unknown>, Uint8Array, string][] = [
      ['a wrong key', encrypted(json<unknown>(), { keys: [{ ...current, key: old.key }] }), record, 'ann'],
      ['another entry', codec, record, 'bob'],
      ['a context', context('notes'), record, 'ann'],
      ['a context that runs into the key', context('an'), written(1, 'n:x', context('a')), ':x'],
      ['another context', context('b'), written(1, 'ann', context('a')), 'ann'],
      ['another id', encrypted(json<unknown>(), { keys: [{ id: '2027', key: current.key }] }), record, 'ann'],
      ['nothing', codec, new Uint8Array(0), 'ann'],
      ['something else', codec, Buffer.from('{"a":1}'), 'ann'],
      ['more', codec, Buffer.concat([record, Buffer.of(0)]), 'ann'],
    ];
    for (const [what, by, bytes, key] of wrong) {
      expect(await unreadable(by, bytes, key), what).to.be.instanceOf(DecryptError);
    }
    for (let at = 0; at < record.length; at++) {
      for (const bit of [1, 128]) {
        const changed = Uint8Array.from(record);
        changed[at] = (changed[at] as number) ^ bit;
        expect(await unreadable(codec, changed, 'ann'), `byte ${at}`).to.be.instanceOf(DecryptError);
      }
      expect(await unreadable(codec, record.subarray(0, at), 'ann'), `cut at ${at}`).to.be.instanceOf(DecryptError);
    }
    for (let seed = 0; seed < 1000; seed++) {
      const bytes = damaged(record, seed);
      if (Buffer.compare(bytes, record) === 0) continue;
      expect(await unreadable(codec, bytes, 'ann'), `seed ${seed}`).to.be.instanceOf(DecryptError);
    }
  });

  it('does not tell the id and the start of the nonce of one record from those of another', async () => {
    const keys = [
      { id: 'ab', key: old.key },
      { id: 'a', key: old.key },
    ] as const;
    const record = written(1, 'ann', encrypted(json<unknown>(), { keys }));
    const shifted = Uint8Array.from(record);
    shifted[2] = 1;
    expect(await unreadable(encrypted(json(), { keys }), shifted, 'ann')).to.be.instanceOf(DecryptError);
  });

  it('keeps keys to itself: the bytes given may be wiped, and a KeyObject will do', async () => {
    const key = randomBytes(32);
    const given = encrypted(json<unknown>(), { keys: [{ id: 'a', key }] });
    const object = encrypted(json<unknown>(), { keys: [{ id: 'a', key: createSecretKey(Buffer.from(key)) }] });
    key.fill(0);
    expect(await object.decode(written('x', 'ann', given), 'ann')).to.equal('x');
    expect(JSON.stringify(given)).to.equal('{"name":"encrypted of json"}');
  });

  it('refuses keys that are none', () => {
    const wrong: [unknown, RegExp][] = [
      [{ keys: [] }, /keys must be an array of at least one/],
      [{ keys: 'secret' }, /keys must be an array/],
      [{ keys: [{ id: '', key: current.key }] }, /id must be text of 1 to 255 bytes/],
      [{ keys: [{ id: 'é'.repeat(128), key: current.key }] }, /id must be text/],
      [{ keys: [current, { ...old, id: '2026' }] }, /two keys with the id "2026"/],
      [{ keys: [{ id: 'a', key: new Uint8Array(16) }] }, /the key "a" must be 32 bytes; got 16 bytes/],
      [{ keys: [{ id: 'a', key: 'x'.repeat(32) }] }, /must be 32 bytes/],
      [{ keys: [current], context: '\ud800' }, /context must be well-formed/],
      [{ keys: [current], kontext: 'a' }, /no option "kontext"/],
    ];
    for (const [options, why] of wrong) {
      expect(() => encrypted(json(), options as EncryptedOptions)).to.throw(InvalidArgumentError, why);
      expect(() => encrypted(options as EncryptedOptions)).to.throw(InvalidArgumentError, why);
    }
    expect(() => encrypted(json(), undefined as never)).to.throw(InvalidArgumentError, /give \{ keys/);
  });

  describe('in a backend', () => {
    const swapped = async (options = {}) => {
      const inner = memory<Uint8Array>();
      const reported: KeepsakeError[] = [];
      const backend = encoded(inner, codec, { report: (error) => reported.push(error), ...options });
      await backend.set('a', 1);
      await backend.set('b', 2);
      const stored = (await inner.get('a')) as Uint8Array;
      await inner.set('b', stored);
      return { inner, backend, reported, stored };
    };

    it('rejects a record that was swapped, with key and code, and leaves it as it is', async () => {
      const { inner, backend, stored } = await swapped();
      for (const call of [
        () => backend.get('b'),
        () => backend.getMany(['a', 'b']),
        () => backend.update('b', () => 3),
      ]) {
        const error = (await failure(call)) as DecryptError;
        expect(error).to.be.instanceOf(DecryptError);
        expect({ ...error }).to.include({ code: 'KEEPSAKE_DECRYPT' });
        expect(error.message).to.match(/^"b" cannot be decrypted: .*belongs to another entry.* left as it is$/);
      }
      expect(((await failure(() => backend.get('b'))) as DecryptError).key).to.equal('b');
      expect(await inner.get('b')).to.equal(stored);
    });

    it('leaves it out of listings, and reports it', async () => {
      const { backend, reported } = await swapped();
      const met: unknown[] = [];
      for await (const entry of backend) met.push(entry);
      expect(met).to.deep.equal([['a', 1]]);
      expect(reported.map(({ code, key }) => [code, key])).to.deep.equal([['KEEPSAKE_DECRYPT', 'b']]);
    });

    it('says where the record is, and never moves it aside: perhaps only the key is missing', async () => {
      const folder = folders.make();
      const writer = encoded(folders.open(folder), codec);
      await writer.set('ann', 1);
      await writer.close();
      const reported: KeepsakeError[] = [];
      const reader = encoded(folders.open(folder), encrypted(json(), { keys: [old] }), {
        onCorrupt: 'quarantine',
        report: (error) => reported.push(error),
      });
      const names = readdirSync(folder);
      for await (const entry of reader) expect.fail(`yields ${String(entry)}`);
      expect(reported.map(({ code }) => code)).to.deep.equal(['KEEPSAKE_DECRYPT']);
      expect(readdirSync(folder)).to.deep.equal(names);
      const error = (await failure(() => reader.get('ann'))) as DecryptError;
      expect(error.path).to.match(/ann/);
      expect(error.path?.startsWith(join(folder))).to.equal(true);
      await reader.close();
    });

    it('holds models, whose listings leave out what has no key', async () => {
      const inner = memory<Uint8Array>();
      const open = (keys: EncryptedOptions['keys']) => {
        const service = new Service({ backend: encoded(inner, encrypted(json(), { keys })), onCorrupt: 'report' });
        const reported: KeepsakeError[] = [];
        service.on('corrupt', (error: KeepsakeError) => reported.push(error));
        class Note extends Store {
          declare text: string;
        }
        service.register(Note, { name: 'note', fields: {} } as never);
        return { service, Note, reported };
      };
      const first = open([old]);
      await first.Note.create('a', {}).save();
      const second = open([current, old]);
      await second.Note.create('b', {}).save();
      expect([...(await second.Note.all()).keys()]).to.have.members(['a', 'b']);
      const third = open([current]);
      expect([...(await third.Note.all()).keys()]).to.deep.equal(['b']);
      expect(third.reported.map(({ code }) => code)).to.deep.equal(['KEEPSAKE_DECRYPT']);
      await first.service.close();
    });
  });
});

describe('deriveKey', () => {
  const salt = Uint8Array.from({ length: 16 }, (_, index) => index);

  it('gives the same 32 bytes for the same password, salt and cost', async () => {
    const key = await deriveKey('correct horse', salt, { cost: 2 ** 14 });
    expect(key).to.have.length(32);
    expect(key.constructor).to.equal(Uint8Array);
    expect(await deriveKey('correct horse', Buffer.from(salt), { cost: 2 ** 14 })).to.deep.equal(key);
    for (const other of [
      deriveKey('correct horsf', salt, { cost: 2 ** 14 }),
      deriveKey('correct horse', Uint8Array.from(salt).reverse(), { cost: 2 ** 14 }),
      deriveKey('correct horse', salt, { cost: 2 ** 15 }),
    ]) {
      expect(await other).to.not.deep.equal(key);
    }
    await comesBack(encrypted(json(), { keys: [{ id: 'password', key }] }), 'x');
  });

  it('takes two ways to write a letter for one', async () => {
    const [one, other] = await Promise.all(
      ['caf\u00e9', 'cafe\u0301'].map((password) => deriveKey(password, salt, { cost: 2 ** 14 })),
    );
    expect(one).to.deep.equal(other);
  });

  it('works at its default cost', async () => {
    expect(await deriveKey('correct horse', salt)).to.have.length(32);
  });

  it('refuses no password, a short salt, and a cost outside its range', async () => {
    expect(await failure(() => deriveKey('', salt))).to.be.instanceOf(InvalidArgumentError);
    expect(await failure(() => deriveKey('a', 'salt' as never))).to.be.instanceOf(InvalidArgumentError);
    expect(await failure(() => deriveKey('a', salt.subarray(1)))).to.be.instanceOf(OutOfRangeError);
    for (const cost of [2 ** 13, 2 ** 21, 2 ** 14 + 1, Number.NaN, -1]) {
      expect(await failure(() => deriveKey('a', salt, { cost }))).to.be.instanceOf(OutOfRangeError);
    }
  });
});
