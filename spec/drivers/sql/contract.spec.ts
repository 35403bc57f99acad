import { encoded, json } from 'keepsake';
import { sqlite } from 'keepsake/sql';
import { contract } from 'keepsake/testing';
import { TestClock } from '../../support/clock.js';
import { DATABASES, newTable } from '../../support/sql.js';

for (const [engine, use] of Object.entries(DATABASES)) {
  describe(engine, function () {
    this.timeout(60_000);

    describe('in a database', () => {
      const clock = new TestClock();
      const database = use();
      let table: string;
      const reopen = () => database.open({ table, clock: clock.now });
      const open = () => {
        table = newTable();
        return reopen();
      };
      contract({ describe, it, clock, open, reopen });
    });

    describe('through encoded', () => {
      const clock = new TestClock();
      const database = use();
      let table: string;
      const reopen = () => encoded(database.open({ table, clock: clock.now }), json());
      const open = () => {
        table = newTable();
        return reopen();
      };
      contract({ describe, it, clock, open, reopen, many: 300 });
    });
  });
}

describe('sqlite in memory', () => {
  const clock = new TestClock();
  contract({ describe, it, clock, open: () => sqlite(':memory:', { clock: clock.now }) });
});
