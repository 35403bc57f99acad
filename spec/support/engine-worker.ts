import { encoded, json, openBackend } from 'keepsake';

// Counts, and adds to a document, as often as asked, beside others; some at a time, as a busy server does.
const [place = '', steps = '0', together = '8'] = process.argv.slice(2);
const backend = await openBackend(place);
const documents = encoded(backend, json<{ sum: number; steps: number }>());
let next = 0;
await Promise.all(
  Array.from({ length: Number(together) }, async () => {
    while (next < Number(steps)) {
      const by = (next++ % 3) + 1;
      await backend.increment('counter', by);
      await documents.update('document', (current = { sum: 0, steps: 0 }) => ({
        sum: current.sum + by,
        steps: current.steps + 1,
      }));
    }
  }),
);
await backend.close();
