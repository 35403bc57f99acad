import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { expect } from 'chai';
import {
  type Backend,
  circuitBreaker,
  encoded,
  fallback,
  json,
  memory,
  type OperationMessage,
  observed,
  retry,
  type SpanLike,
  Statistics,
  timeout,
} from 'keepsake';
import { TestClock } from '../support/clock.js';
import { all, rejection } from '../support/folders.js';
import { Trouble } from '../support/trouble.js';

describe('retry', () => {
  let trouble: Trouble;
  let inner: Backend<number>;
  beforeEach(() => {
    trouble = new Trouble();
    inner = memory<number>();
  });
  const make = (options = {}) => retry(trouble.around(inner), { delay: 1, ...options });

  it('tries again what failed, opening included', async () => {
    const backend = make();
    trouble.fail(2);
    expect(await backend.set('a', 1)).to.equal(true);
    trouble.fail(2);
    expect(await backend.get('a')).to.equal(1);
    trouble.fail(2);
    expect(await all(backend.entries())).to.deep.equal([['a', 1]]);
    trouble.fail(2);
    expect(await backend.touch('a', '1h')).to.equal(true);
    trouble.fail(2);
    expect(await backend.count()).to.equal(1);
    trouble.fail(2);
    expect(await backend.deleteMany(['a'])).to.equal(1);
  });

  it('gives up after its attempts, with the last error', async () => {
    const backend = make({ attempts: 3 });
    await backend.open();
    trouble.calls.length = 0;
    trouble.fail();
    expect((await rejection(backend.get('a'))).message).to.include('down');
    expect(trouble.calls).to.deep.equal(['read', 'read', 'read']);
  });

  it('does not repeat what must happen once', async () => {
    const backend = make();
    await backend.open();
    for (const once of [
      () => backend.increment('n'),
      () => backend.update('n', () => 1),
      () => backend.set('a', 1, { if: 'absent' }),
      () => backend.delete('a', { if: { version: '1' } }),
    ]) {
      trouble.calls.length = 0;
      trouble.only = ['write', 'remove', 'increment', 'update'];
      trouble.fail();
      await rejection(once());
      const changes = trouble.calls.filter((call) => trouble.only.includes(call));
      expect(changes.length, trouble.calls.join()).to.equal(1);
    }
  });

  it('does not repeat what would fail again', async () => {
    const backend = make();
    await backend.open();
    trouble.calls.length = 0;
    trouble.fail(Number.POSITIVE_INFINITY, false);
    await rejection(backend.get('a'));
    expect(trouble.calls).to.deep.equal(['read']);
    trouble.calls.length = 0;
    await rejection(make({ when: () => true }).get('a'));
    expect(trouble.calls.length).to.equal(3);
  });

  it('waits twice as long each time, up to its longest', async () => {
    const waits: number[] = [];
    const backend = make({
      attempts: 6,
      delay: 8,
      maxDelay: 20,
      random: () => {
        waits.push(performance.now());
        return 0;
      },
    });
    await backend.open();
    trouble.fail();
    await rejection(backend.get('a'));
    const between = waits.slice(1).map((time, at) => time - (waits[at] as number));
    // Half of 8, 16, 20, 20; timers may be late, and a millisecond early.
    for (const [at, least] of [4, 8, 10, 10].entries()) expect(between[at]).to.be.at.least(least - 1);
  });

  it('knows its options', () => {
    for (const attempts of [0, 1.5, '3' as never]) expect(() => make({ attempts })).to.throw(RangeError, /attempts/);
    expect(() => make({ delay: 0 })).to.throw(RangeError, /delay/);
    expect(() => make({ tries: 3 })).to.throw(TypeError, /no option "tries"/);
  });
});

describe('timeout', () => {
  it('rejects what takes too long, opening included, and leaves the rest', async () => {
    const trouble = new Trouble();
    const backend = timeout(trouble.around(memory<number>()), 20);
    trouble.hangs = true;
    for (const call of [
      () => backend.get('a'),
      () => backend.set('a', 1),
      () => backend.count(),
      () => all(backend.keys()),
    ]) {
      const error = await rejection(call());
      expect(error).to.include({ code: 'KEEPSAKE_TIMEOUT', retryable: true });
    }
    trouble.end();
    expect(() => timeout(memory(), 0)).to.throw(RangeError, /limit/);
    expect(() => timeout(memory(), '1s', { timeout: 5 } as never)).to.throw(TypeError, /no option "timeout"/);
  });

  it('lets fallback go on without a member that hangs', async () => {
    const trouble = new Trouble();
    trouble.hangs = true;
    const backend = fallback([timeout(trouble.around(memory<number>()), 20), memory<number>()]);
    await backend.set('a', 1);
    expect(await backend.get('a')).to.equal(1);
  });
});

describe('circuitBreaker', () => {
  let trouble: Trouble;
  let clock: TestClock;
  let states: string[];
  let backend: Backend<number>;
  beforeEach(() => {
    trouble = new Trouble();
    clock = new TestClock();
    states = [];
    backend = circuitBreaker(trouble.around(memory<number>({ clock: clock.now })), {
      failures: 3,
      resetAfter: '10s',
      onChange: (state) => states.push(state),
    });
  });

  async function open(): Promise<void> {
    await backend.open();
    trouble.fail();
    for (let time = 0; time < 3; time++) await rejection(backend.get('a'));
    trouble.calls.length = 0;
  }

  it('leaves a backend alone that failed several times in a row', async () => {
    await open();
    const error = await rejection(backend.get('a'));
    expect(error).to.include({ code: 'KEEPSAKE_CIRCUIT_OPEN', retryable: true });
    expect(error.message).to.include('memory failed 3 times in a row, and is left alone for 10000 ms more');
    expect((error.cause as Error).message).to.equal('the engine is down');
    expect(trouble.calls).to.deep.equal([]);
    expect(states).to.deep.equal(['open']);
  });

  it('counts failures in a row, not in all', async () => {
    for (let time = 0; time < 10; time++) {
      trouble.fail();
      await rejection(backend.get('a'));
      await rejection(backend.get('a'));
      trouble.end();
      await backend.get('a');
    }
    expect(states).to.deep.equal([]);
  });

  it('lets one operation try when the time is over', async () => {
    await open();
    clock.advance(10_000);
    trouble.hangs = true;
    const probe = backend.get('a');
    probe.catch(() => undefined);
    expect((await rejection(backend.get('b'))).message).to.include('until the operation that tries it has ended');
    expect(states).to.deep.equal(['open', 'half-open']);
  });

  it('closes when the one succeeds, and opens again when it fails', async () => {
    await open();
    clock.advance(10_000);
    await rejection(backend.get('a'));
    expect(trouble.calls).to.deep.equal(['read']);
    expect((await rejection(backend.get('a'))).code).to.equal('KEEPSAKE_CIRCUIT_OPEN');
    clock.advance(10_000);
    trouble.end();
    expect(await backend.get('a')).to.equal(undefined);
    expect(await backend.set('a', 1)).to.equal(true);
    expect(states).to.deep.equal(['open', 'half-open', 'open', 'half-open', 'closed']);
  });

  it('does not count what the caller did wrong', async () => {
    const codec = circuitBreaker(encoded(memory<Uint8Array>(), json()), { failures: 1 });
    await rejection(codec.set('a', Number.NaN));
    expect(await codec.set('a', 1)).to.equal(true);
  });

  it('knows its options', () => {
    expect(() => circuitBreaker(memory(), { failures: 0 })).to.throw(RangeError, /failures/);
    expect(() => circuitBreaker(memory(), { onChange: 5 as never })).to.throw(TypeError, /onChange/);
  });
});

describe('observed', () => {
  it('counts hits, misses, calls and failures', async () => {
    const trouble = new Trouble();
    const statistics = new Statistics();
    const backend = observed(trouble.around(memory<number>()), { statistics });
    await backend.set('a', 1);
    await backend.get('a');
    await backend.get('b');
    await backend.getMany(['a', 'b', 'c']);
    await all(backend.keys());
    trouble.fail();
    await rejection(backend.get('a'));
    expect(statistics).to.include({ hits: 2, misses: 3 });
    expect(statistics.operations.get('write')).to.include({ calls: 1, failures: 0 });
    // Memory has no better way to read many than one by one.
    expect(statistics.operations.get('read')).to.include({ calls: 6, failures: 1 });
    expect(statistics.operations.get('read')?.milliseconds).to.be.greaterThan(0);
    expect(JSON.parse(JSON.stringify(statistics))).to.have.nested.property('operations.write.calls', 1);
    statistics.reset();
    expect(statistics).to.include({ hits: 0, misses: 0 });
    expect(statistics.operations.size).to.equal(0);
  });

  it('publishes on a tracing channel while somebody listens', async () => {
    const backend = observed(memory<number>(), { name: 'pages' });
    const messages: OperationMessage[] = [];
    const listener = (message: unknown) => void messages.push(message as OperationMessage);
    await backend.get('before');
    subscribe('tracing:keepsake:operation:start', listener);
    try {
      await backend.set('a', 1);
      await backend.getMany(['a']);
    } finally {
      unsubscribe('tracing:keepsake:operation:start', listener);
    }
    await backend.get('after');
    const told = messages.map(({ backend: name, operation, key }) => ({ name, operation, key }));
    expect(told[0]).to.deep.equal({ name: 'pages', operation: 'write', key: 'a' });
    expect(told.every(({ key }) => key === 'a' || key === undefined)).to.equal(true);
    expect(told.some(({ key }) => key === 'before' || key === 'after')).to.equal(false);
  });

  it('gives spans to a tracer', async () => {
    const trouble = new Trouble();
    const spans: string[] = [];
    const tracer = {
      startSpan: (name: string, { attributes }: { attributes: { readonly [name: string]: string } }): SpanLike => ({
        recordException: (error) => void spans.push(`exception ${error.message}`),
        setStatus: ({ code }) => void spans.push(`status ${code}`),
        end: () => void spans.push(`end ${name} ${attributes['db.operation.name']}`),
      }),
    };
    const backend = observed(trouble.around(memory<number>()), { name: 'pages', tracer });
    await backend.set('a', 1);
    trouble.fail();
    await rejection(backend.get('a'));
    expect(spans).to.deep.equal([
      'end write pages write',
      'exception the engine is down',
      'status 2',
      'end read pages read',
    ]);
  });

  it('knows its options', () => {
    expect(() => observed(memory(), { statistics: {} as never })).to.throw(TypeError, /must be a Statistics/);
    expect(() => observed(memory(), { tracer: {} as never })).to.throw(TypeError, /startSpan/);
  });
});
