import assert from 'node:assert/strict';
import type { Promises } from './promises.js';
import type { Subject } from './subject.js';

/** What holds beyond one backend: between several over the same storage, one after the other or at once. */
export function storage(promise: Promises): void {
  promise('finds what another backend stored and closed', ['persistent'], async (subject) => {
    const { backend } = subject;
    const deadline = subject.now() + 3_600_000;
    await backend.set('key', subject.value(1), { expiresAt: deadline });
    await backend.set('forever', subject.value(2));
    await backend.set('gone', subject.value(3));
    await backend.delete('gone');
    await subject.close();
    await withAnother(subject, async (later) => {
      await later.holds('key', subject.value(1));
      await later.holds('forever', subject.value(2));
      await later.misses('gone');
      assert.equal((await later.backend.getEntry('key'))?.expiresAt, deadline);
      if (later.capabilities.enumerable) assert.equal(await later.backend.count(), 2);
    });
  });

  promise('lets one of several backends create an entry', ['conditionalSet'], async (subject) => {
    if (subject.capabilities.conditionalSet !== 'storage') return;
    await withAnother(subject, async (other) => {
      for (let round = 0; round < 10; round++) {
        const applied = await Promise.all(
          [subject, other, subject, other].map(({ backend }, index) =>
            backend.set(`key ${round}`, subject.value(index), { if: 'absent' }),
          ),
        );
        assert.equal(applied.filter(Boolean).length, 1);
        await subject.holds(`key ${round}`, subject.value(applied.indexOf(true)));
        await other.holds(`key ${round}`, subject.value(applied.indexOf(true)));
      }
    });
  });

  promise('loses no step of several backends', ['increment'], async (subject) => {
    if (subject.capabilities.increment !== 'storage') return;
    await withAnother(subject, async (other) => {
      await Promise.all(
        Array.from({ length: 30 }, (_, index) => (index % 2 === 0 ? subject : other).backend.increment('key')),
      );
      await subject.holds('key', subject.counter(30));
      await other.holds('key', subject.counter(30));
    });
  });

  promise('loses no update of several backends', ['update'], async (subject) => {
    if (subject.capabilities.update !== 'storage') return;
    await withAnother(subject, async (other) => {
      await subject.backend.set('key', subject.value(0));
      await Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          (index % 2 === 0 ? subject : other).backend.update('key', (current) => subject.next(current)),
        ),
      );
      await other.holds('key', subject.value(20));
    });
  });
}

async function withAnother(subject: Subject, body: (other: Subject) => Promise<void>): Promise<void> {
  const another = await subject.reopen();
  assert.ok(another, 'give the contract `reopen`, since capabilities claim what only another backend can tell');
  try {
    await body(subject.on(another.backend));
  } finally {
    await another.close();
  }
}
