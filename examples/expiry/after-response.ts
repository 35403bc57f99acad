// A web server that removes what has expired after a response, at most every 30 seconds.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { memory } from 'keepsake';

let now = Date.now(); // a clock that this example can turn
const visits = memory<number>({ clock: () => now, sweepEvery: null });

let lastCleared = now;
async function afterResponse(): Promise<void> {
  if (now - lastCleared <= 30_000) return;
  lastCleared = now;
  console.log(`${await visits.deleteExpired()} expired entries deleted`);
}

const server = createServer(async (request, response) => {
  const { value } = await visits.increment(request.url ?? '/', 1, { ttl: '20s' });
  response.on('close', () => void afterResponse());
  response.end(`visit ${value} of ${request.url}\n`);
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const { port } = server.address() as AddressInfo;

for (const [path, seconds] of [
  ['/a', 0],
  ['/a', 10],
  ['/b', 15],
  ['/c', 10],
  ['/c', 10],
] as const) {
  now += seconds * 1000;
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { connection: 'close' } });
  process.stdout.write(await response.text());
}
server.close();
await once(server, 'close');
await visits.close();
