import { encoded, json } from 'keepsake';
import { memcached } from 'keepsake/memcached';

// Counts, and adds to a document, as often as asked, beside others.
const [url = '', namespace = '', steps = '0'] = process.argv.slice(2);
const backend = memcached(url, { namespace });
const documents = encoded(backend, json<{ sum: number; steps: number }>());
await Promise.all(
  Array.from({ length: Number(steps) }, async (_, index) => {
    await backend.increment('counter', (index % 3) + 1);
    await documents.update('document', (current = { sum: 0, steps: 0 }) => ({
      sum: current.sum + (index % 3) + 1,
      steps: current.steps + 1,
    }));
  }),
);
await backend.close();
