import { randomUUID } from 'node:crypto';
import { mongodb } from 'keepsake/mongodb';
import { modelsOn } from '../../support/models-on.js';
import { startMongodb } from '../../support/servers/mongodb.js';
import { useServer } from '../../support/servers/server.js';

describe('mongodb', function () {
  this.timeout(60_000);
  const using = useServer(startMongodb);
  let collection: string;
  const reopen = () => mongodb(using.server.url, { collection });
  modelsOn({
    open: () => {
      collection = randomUUID();
      return reopen();
    },
    reopen,
  });
});
