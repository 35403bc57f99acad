import { expect } from 'chai';
import fc from 'fast-check';
import { Service, Store, StoredIn } from 'keepsake';
import { openForModels, refuses } from '../support/models.js';

const service = new Service({ backend: openForModels() });

@StoredIn(service)
class User extends Store {}

describe('keys of models', () => {
  it('are lower-cased, so that those that differ in case are one', async () => {
    const ann = new User('Ann_L-2');
    expect(ann.key).to.equal('ann_l-2');
    expect(User.get('ANN_L-2')).to.equal(ann);
    expect(await User.load('aNN_l-2')).to.equal(ann);
    await refuses(() => new User('ann_L-2'), 'DuplicateKeyError', /"ann_l-2" is in memory already/);
  });

  it('have 1 to 128 characters', async () => {
    expect(new User('a'.repeat(128)).key).to.have.length(128);
    await refuses(() => new User('a'.repeat(129)), 'InvalidKeyError', /has 129 characters; the limit is 128/);
    await refuses(() => new User(''), 'InvalidKeyError', /must not be empty/);
  });

  for (const key of ['a b', 'a.b', '../x', 'a/b', 'é', '١', '\u212A', 'İ', 'ß', 'a\n', 'a:b', '\ud800', 'a\0']) {
    it(`refuse ${JSON.stringify(key)}`, async () => {
      await refuses(() => new User(key), 'InvalidKeyError', /User: key .* may hold only .*; got ".+" at \d/);
      await refuses(() => User.load(key), 'InvalidKeyError');
      await refuses(() => User.get(key), 'InvalidKeyError');
      await refuses(() => User.manager.delete(key), 'InvalidKeyError');
      await refuses(() => User.manager.has(key), 'InvalidKeyError');
      await refuses(() => User.ref(key), 'InvalidKeyError');
    });
  }

  for (const key of [undefined, null, 5, {}, ['a'], Symbol('a')]) {
    it(`refuse ${String(key)}, which is no text`, () =>
      refuses(() => new User(key as never), 'InvalidKeyError', /a key must be text; got/));
  }

  for (const key of ['__proto__', 'constructor', 'tostring', 'con', 'nul', 'com1', '-rf', '-', '_', '0', 'then']) {
    it(`take ${key} as any other`, async () => {
      const user = new User(key);
      await user.save();
      expect(User.active().get(key)).to.equal(user);
      User.manager.removeActive(user);
      expect(User.get(key)).to.equal(undefined);
      expect((await User.saved()).has(key)).to.equal(true);
      expect((await User.load(key))?.key).to.equal(key);
    });
  }

  it('are either taken as lower case or refused, whatever the text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 6 }), (text) => {
        let key: string | undefined;
        try {
          key = User.ref(text).key;
        } catch (error) {
          expect((error as Error).name).to.equal('InvalidKeyError');
        }
        expect(key !== undefined).to.equal(/^[A-Za-z0-9_-]{1,128}$/.test(text));
        if (key !== undefined) expect(key).to.equal(text.toLowerCase());
      }),
    );
  });
});
