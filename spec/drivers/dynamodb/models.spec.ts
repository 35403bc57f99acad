import { randomUUID } from 'node:crypto';
import { dynamodb } from 'keepsake/dynamodb';
import { modelsOn } from '../../support/models-on.js';
import { startDynamodb } from '../../support/servers/dynamodb.js';
import { useServer } from '../../support/servers/server.js';

describe('dynamodb', function () {
  this.timeout(60_000);
  const using = useServer(startDynamodb);
  let table: string;
  const reopen = () => dynamodb(using.server.url, { ...using.server.access, table });
  modelsOn({
    open: () => {
      table = randomUUID();
      return reopen();
    },
    reopen,
  });
});
