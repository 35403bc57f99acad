import { randomUUID } from 'node:crypto';
import { encoded, json } from 'keepsake';
import { s3 } from 'keepsake/s3';
import { contract } from 'keepsake/testing';
import { TestClock } from '../../support/clock.js';
import { startS3 } from '../../support/servers/s3.js';
import { useServer } from '../../support/servers/server.js';

/** What is not promised of S3, or not by the server that is tested with. */
const exceptions = [
  // NUL takes two bytes of a name, see s3.spec.ts.
  'takes keys up to its limit of bytes',
  // Ceph 16 acknowledges a write without a condition that it did not store, where one with a condition came at the same moment.
  'touches without undoing a write of the same moment',
];

function except(title: string, body: () => Promise<void>): void {
  if (!exceptions.some((part) => title.includes(part))) it(title, body);
}

describe('s3', function () {
  this.timeout(60_000);

  describe('on a server', () => {
    const using = useServer(startS3);
    const clock = new TestClock();
    let prefix: string;
    const reopen = () => s3(using.server.url, { ...using.server.access, prefix, clock: clock.now });
    const open = () => {
      prefix = `${randomUUID()}/`;
      return reopen();
    };
    contract({ describe, it: except, open, reopen, clock, many: 300 });
  });

  describe('through encoded', () => {
    const using = useServer(startS3);
    const clock = new TestClock();
    let namespace: string;
    const reopen = () => encoded(s3(using.server.url, { ...using.server.access, namespace, clock: clock.now }), json());
    const open = () => {
      namespace = randomUUID();
      return reopen();
    };
    contract({ describe, it: except, open, reopen, clock, many: 60 });
  });
});
