import { randomUUID } from 'node:crypto';
import { encoded, json } from 'keepsake';
import { dynamodb } from 'keepsake/dynamodb';
import { contract } from 'keepsake/testing';
import { TestClock } from '../../support/clock.js';
import { startDynamodb } from '../../support/servers/dynamodb.js';
import { useServer } from '../../support/servers/server.js';

/** An item of DynamoDB holds 400 KB, see dynamodb.spec.ts. */
const exceptions = ['holds a value of a megabyte'];

function except(title: string, body: () => Promise<void>): void {
  if (!exceptions.some((part) => title.includes(part))) it(title, body);
}

describe('dynamodb', function () {
  this.timeout(60_000);

  describe('on a server', () => {
    const using = useServer(startDynamodb);
    const clock = new TestClock();
    let table: string;
    const reopen = () => dynamodb({ ...using.server.access, table, clock: clock.now });
    const open = () => {
      table = randomUUID();
      return reopen();
    };
    contract({ describe, it: except, open, reopen, clock, many: 600 });
  });

  describe('through encoded', () => {
    const using = useServer(startDynamodb);
    const clock = new TestClock();
    let table: string;
    const reopen = () =>
      encoded(dynamodb(`${using.server.url}/${table}`, { ...using.server.access, clock: clock.now }), json());
    const open = () => {
      table = randomUUID();
      return reopen();
    };
    contract({ describe, it: except, open, reopen, clock, many: 100 });
  });
});
