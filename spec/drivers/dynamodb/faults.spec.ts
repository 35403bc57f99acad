import { dynamodb } from 'keepsake/dynamodb';
import { faults } from '../../support/faults.js';
import { startDynamodb } from '../../support/servers/dynamodb.js';

describe('dynamodb', () => {
  faults({
    readsAgain: true,
    start: startDynamodb,
    target: ({ host, port }) => ({ host, port }),
    open: ({ host, port }, timeout, { access }) => dynamodb({ ...access, endpoint: `http://${host}:${port}`, timeout }),
  });
});
