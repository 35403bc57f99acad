import { expect } from 'chai';
import { openBackend } from 'keepsake';
import { failure } from '../support/failure.js';

describe('openBackend', () => {
  for (const scheme of ['redis', 'memcached', 'postgres', 'mysql', 's3', 'mongodb', 'dynamodb']) {
    it(`shows no part of a password that should have been percent-encoded, of ${scheme}:`, async () => {
      for (const rest of ['/', '', '?nonsense=1', '/x/y/z?nonsense=1']) {
        const url = `${scheme}://ann:a/secret@127.0.0.1${rest}`;
        const error = await failure(() => openBackend(url));
        expect(error, url).to.include({ code: 'KEEPSAKE_INVALID_ARGUMENT' });
        expect((error as Error).message, url)
          .to.not.include('secret')
          .and.not.include('ann');
      }
    });
  }

  it('refuses a path with a stray percent sign', async () => {
    for (const url of [
      'file:./100%',
      'sqlite:./100%',
      's3://bucket/100%',
      'mongodb://host/100%',
      'dynamodb://region/100%',
    ]) {
      expect(await failure(() => openBackend(url)), url).to.include({ code: 'KEEPSAKE_INVALID_ARGUMENT' });
    }
  });
});
