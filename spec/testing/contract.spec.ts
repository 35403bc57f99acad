import { Backend, encoded, json, memory } from 'keepsake';
import { contract } from 'keepsake/testing';
import { TestClock } from '../support/clock.js';
import { BareDriver, MinimalDriver, ScatteredDriver } from '../support/drivers.js';

describe('memory', () => {
  const clock = new TestClock();
  contract({ describe, it, clock, open: () => memory({ clock: clock.now }) });
});

describe('memory in real time', () => {
  contract({ describe, it, open: () => memory() });
});

describe('memory with max', () => {
  const clock = new TestClock();
  contract({ describe, it, clock, open: () => memory({ clock: clock.now, max: 100_000 }) });
});

describe('memory with maxBytes', () => {
  const clock = new TestClock();
  contract({ describe, it, clock, open: () => memory({ clock: clock.now, maxBytes: 100_000_000 }) });
});

describe('encoded in json', () => {
  const clock = new TestClock();
  contract({ describe, it, clock, open: () => encoded(memory<Uint8Array>({ clock: clock.now }), json()) });
});

describe('encoded in json with types', () => {
  const clock = new TestClock();
  const samples = [
    ...[null, '', 0, false, [], {}],
    ...[new Date(0), new Map(), new Set([0n, null]), Uint8Array.of(), { $date: 'mine' }, { $$map: [] }, 0n],
  ];
  contract<unknown>({
    describe,
    it,
    clock,
    samples,
    open: () => encoded(memory<Uint8Array>({ clock: clock.now }), json({ types: true })),
  });
});

describe('encoded in json, in a backend of bytes', () => {
  const clock = new TestClock();
  contract<unknown>({ describe, it, clock, open: () => encoded(new Backend(new MinimalDriver(clock.now)), json()) });
});

describe('a driver with the required methods alone', () => {
  const clock = new TestClock();
  contract({ describe, it, clock, open: () => new Backend(new MinimalDriver(clock.now)) });
});

describe('a driver with the required methods alone, and a timeout', () => {
  contract({ describe, it, open: () => new Backend(new MinimalDriver(), { timeout: '1m' }) });
});

describe('a driver that claims nothing', () => {
  const clock = new TestClock();
  contract({ describe, it, clock, open: () => new Backend(new BareDriver(clock.now)) });
});

describe('a driver that answers late, in no order, with repeats', () => {
  const clock = new TestClock();
  contract({ describe, it, clock, open: () => new Backend(new ScatteredDriver(clock.now)) });
});
