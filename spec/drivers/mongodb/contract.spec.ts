import { randomUUID } from 'node:crypto';
import { encoded, json } from 'keepsake';
import { mongodb } from 'keepsake/mongodb';
import { contract } from 'keepsake/testing';
import { TestClock } from '../../support/clock.js';
import { type MongodbServer, startMongodb } from '../../support/servers/mongodb.js';
import { useServer } from '../../support/servers/server.js';

/** The emulator compares text by its UTF-16 units, MongoDB by its UTF-8 bytes. */
const exceptions = ['lists in the order of UTF-8 bytes'];

function except(using: { readonly server: MongodbServer }) {
  return (title: string, body: () => Promise<void>): void => {
    it(title, async () => {
      if (!(using.server.emulated && exceptions.some((part) => title.includes(part)))) await body();
    });
  };
}

describe('mongodb', function () {
  this.timeout(60_000);

  describe('on a server', () => {
    const using = useServer(startMongodb);
    const clock = new TestClock();
    let collection: string;
    const reopen = () => mongodb(using.server.url, { collection, clock: clock.now });
    const open = () => {
      collection = randomUUID();
      return reopen();
    };
    contract({ describe, it: except(using), open, reopen, clock });
  });

  describe('through encoded', () => {
    const using = useServer(startMongodb);
    const clock = new TestClock();
    let collection: string;
    const reopen = () =>
      encoded(mongodb(`${using.server.url}/documents?collection=${collection}`, { clock: clock.now }), json());
    const open = () => {
      collection = randomUUID();
      return reopen();
    };
    contract({ describe, it: except(using), open, reopen, clock, many: 300 });
  });
});
