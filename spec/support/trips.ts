import { expect } from 'chai';
import type { FaultProxy } from './fault-proxy.js';

/** How often something asks its server, for each piece of work by its title. */
export type Trips = Readonly<Record<string, readonly [count: number, work: () => Promise<unknown>]>>;

/** Declares a spec for each. */
export function countTrips(proxy: () => FaultProxy, trips: Trips): void {
  for (const [title, [count, work]] of Object.entries(trips)) {
    it(`makes ${count} for ${title}`, async () => {
      const before = proxy().roundTrips;
      await work();
      expect(proxy().roundTrips - before).to.equal(count);
    });
  }
}
