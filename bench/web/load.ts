import autocannon from 'autocannon';

/** What the load is. */
export interface Load {
  readonly port: number;
  readonly method: 'GET' | 'PUT';
  /** How many requests, over all connections. */
  readonly amount: number;
  readonly connections: number;
}

/** What came of it. */
export interface Loaded {
  /** Milliseconds from the first request to the last answer. */
  readonly duration: number;
  /** How many were answered with success. */
  readonly answered: number;
}

const KEYS = 100;
const BODY = Buffer.alloc(1024, 'x');
const TYPE = 'application/octet-stream';

process.on('message', (load) => {
  void run(load as Load).then((loaded) => process.send?.(loaded));
});
process.on('disconnect', () => process.exit());

async function run({ port, method, amount, connections }: Load): Promise<Loaded> {
  const started = performance.now();
  const result = await autocannon({
    url: `http://127.0.0.1:${port}`,
    amount,
    connections,
    // It looks that often whether the last answer has come.
    sampleInt: 5,
    requests: Array.from({ length: KEYS }, (_, index) => ({
      method,
      path: `/user-${index}`,
      ...(method === 'PUT' ? { headers: { 'content-type': TYPE }, body: BODY } : { headers: { accept: TYPE } }),
    })),
  });
  return { duration: performance.now() - started, answered: result['2xx'] };
}
