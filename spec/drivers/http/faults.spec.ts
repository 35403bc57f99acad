import { http } from 'keepsake/http';
import { faults } from '../../support/faults.js';
import { startStore } from '../../support/servers/store.js';

describe('http', () => {
  faults({
    start: startStore,
    target: ({ host, port }) => ({ host, port }),
    // Reads that are sent again would not show what is to be seen here.
    open: ({ host, port }, timeout, { token }) => http(`http://${host}:${port}`, { timeout, token, retries: 0 }),
    openWithWrongPassword: ({ url }) => http(url, { token: 'wrong' }),
  });
});
