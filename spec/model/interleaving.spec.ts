import { setImmediate } from 'node:timers/promises';
import { expect } from 'chai';
import fc from 'fast-check';
import { Backend, Field, isKeepsakeError, Service, Store, StoredIn } from 'keepsake';
import { BytesDriver } from '../support/models.js';

function open() {
  const driver = new BytesDriver();
  const service = new Service({ backend: new Backend(driver) });
  @StoredIn(service)
  class User extends Store {
    @Field() level = 0;
  }
  return { driver, service, User };
}

type Opened = ReturnType<typeof open>;
type User = InstanceType<Opened['User']>;

const steps = ['create', 'change and save', 'save', 'load', 'read again', 'remove', 'delete', 'fail', 'pause'] as const;

/** Begins a step without waiting for it. */
function begin(step: (typeof steps)[number], { driver, User }: Opened, known: User[], level: number): Promise<unknown> {
  const user = User.get('ann') ?? known.at(-1);
  switch (step) {
    case 'create':
      return User.loadOrCreate('ann').then((created) => known.push(created));
    case 'change and save':
      if (user !== undefined) user.level = level;
      return user?.save() ?? Promise.resolve();
    case 'save':
      return user?.save() ?? Promise.resolve();
    case 'load':
      return User.load('ann');
    case 'read again':
      return user?.load() ?? Promise.resolve();
    case 'remove':
      if (user !== undefined) User.manager.removeActive(user);
      return Promise.resolve();
    case 'delete':
      return User.manager.delete('ann');
    case 'fail':
      driver.failWith(new Error('disk full'));
      return Promise.resolve();
    case 'pause':
      return Promise.resolve();
  }
}

describe('operations on one key that run side by side', () => {
  it('all end, with errors of keepsake alone, one object a key, and object and file in agreement', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom(...steps), { minLength: 2, maxLength: 14 }), async (script) => {
        const opened = open();
        const { driver, service, User } = opened;
        const known: User[] = [];
        const results: Promise<unknown>[] = [];
        for (const [index, step] of script.entries()) {
          results.push(begin(step, opened, known, index + 1));
          if (step === 'pause') await setImmediate();
        }
        for (const result of await Promise.allSettled(results)) {
          if (result.status === 'rejected')
            expect(isKeepsakeError(result.reason), String(result.reason)).to.equal(true);
        }
        await service.flush();
        expect(User.active().size).to.be.at.most(1);
        const active = User.get('ann');
        driver.failWith(undefined);
        if (active === undefined) return;
        active.level = 100;
        await active.save().catch((error: unknown) => {
          if (!isKeepsakeError(error, 'KEEPSAKE_DUPLICATE_KEY')) throw error;
        });
        await active.save({ overwrite: true });
        expect(driver.text('user:ann')).to.equal('{\n  "level": 100\n}\n');
        await active.delete();
        expect(driver.stored.size).to.equal(0);
        expect(await User.load('ann')).to.equal(undefined);
      }),
      { numRuns: 400 },
    );
  });
});
