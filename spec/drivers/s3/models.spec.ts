import { randomUUID } from 'node:crypto';
import { s3 } from 'keepsake/s3';
import { modelsOn } from '../../support/models-on.js';
import { startS3 } from '../../support/servers/s3.js';
import { useServer } from '../../support/servers/server.js';

describe('s3', function () {
  this.timeout(60_000);
  const using = useServer(startS3);
  let namespace: string;
  const reopen = () => s3(using.server.url, { ...using.server.access, namespace });
  modelsOn({
    open: () => {
      namespace = randomUUID();
      return reopen();
    },
    reopen,
  });
});
