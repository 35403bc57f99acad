import { s3 } from 'keepsake/s3';
import { faults } from '../../support/faults.js';
import { startS3 } from '../../support/servers/s3.js';

describe('s3', () => {
  faults({
    start: startS3,
    target: ({ host, port }) => ({ host, port }),
    open: ({ host, port }, timeout, { url, access }) =>
      s3(url, { ...access, endpoint: `http://${host}:${port}`, timeout }),
    openWithWrongPassword: ({ url, access }) =>
      s3(url, { ...access, credentials: { accessKeyId: 'keepsake', secretAccessKey: 'wrong' } }),
  });
});
