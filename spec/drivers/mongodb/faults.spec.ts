import { mongodb } from 'keepsake/mongodb';
import { faults } from '../../support/faults.js';
import { startMongodb } from '../../support/servers/mongodb.js';

describe('mongodb', () => {
  faults({
    readsAgain: true,
    waitsForRest: true,
    start: startMongodb,
    target: ({ host, port }) => ({ host, port }),
    open: ({ host, port }, timeout) => mongodb(`mongodb://${host}:${port}`, { timeout }),
  });
});
