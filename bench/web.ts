import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { interleave, type Measurement, median, of } from './support/measure.js';
import { parseOptions } from './support/options.js';
import { printTable, short } from './support/table.js';
import { report } from './support/targets.js';
import type { Load, Loaded } from './web/load.js';

const { quick } = parseOptions(process.argv.slice(2));
const AMOUNT = quick ? 500 : 10_000;
const GROWTH = quick ? 2_000 : 200_000;
const CONNECTIONS = 32;
const settings = { rounds: quick ? 2 : 11, warmUps: quick ? 1 : 3 };

const OWN = 'keepsake over memory';
const BARE = 'a bare Fastify route over a Map';
const PEER = 'unstorage';

/** A process of its own, that answers each message with one. */
async function start(script: string, ...parameters: string[]): Promise<ChildProcess> {
  return fork(new URL(`./web/${script}.js`, import.meta.url), parameters, { execArgv: ['--expose-gc'] });
}

async function answerOf<T>(child: ChildProcess): Promise<T> {
  const [message] = await once(child, 'message');
  return message as T;
}

const names: Readonly<Record<string, string>> = { [OWN]: 'keepsake', [BARE]: 'fastify', [PEER]: 'unstorage' };
const servers = new Map<string, { readonly child: ChildProcess; readonly port: number }>();
for (const [name, which] of Object.entries(names)) {
  const child = await start('server', which);
  servers.set(name, { child, port: (await answerOf<{ port: number }>(child)).port });
}
const generator = await start('load');

/** What a server has used so far. */
interface Used {
  /** Microseconds of processor time. */
  readonly computed: number;
  /** Bytes on the heap, garbage collected. */
  readonly held: number;
  /** Bytes of memory. */
  readonly resident: number;
}

async function usedBy(name: string): Promise<Used> {
  const { child } = servers.get(name) as { child: ChildProcess };
  const answer = answerOf<Used>(child);
  child.send('used');
  return answer;
}

async function load(name: string, method: Load['method'], amount: number): Promise<void> {
  const { port } = servers.get(name) as { port: number };
  const answer = answerOf<Loaded>(generator);
  generator.send({ port, method, amount, connections: CONNECTIONS } satisfies Load);
  const { answered } = await answer;
  if (answered < amount) throw new Error(`${name}: ${answered} of ${amount} were answered with success`);
}

/** Measures all by turns: the time, and what of it each server computed. */
async function measure(method: Load['method']): Promise<Measured> {
  const computed = new Map<string, number[]>(Object.keys(names).map((name) => [name, []]));
  let started = 0;
  const times = await interleave(
    Object.keys(names).map((name) => ({
      name,
      operations: AMOUNT,
      prepare: async () => {
        started = (await usedBy(name)).computed;
      },
      run: () => load(name, method, AMOUNT),
      cleanUp: async (round) => {
        const time = (await usedBy(name)).computed - started;
        if (round >= 0) computed.get(name)?.push(time / AMOUNT);
      },
    })),
    settings,
  );
  return { times, computed };
}

interface Measured {
  readonly times: ReadonlyMap<string, Measurement>;
  /** Microseconds that the server computed for a request, by round. */
  readonly computed: ReadonlyMap<string, readonly number[]>;
}

const puts = await measure('PUT');
const gets = await measure('GET');

const before = await usedBy(OWN);
await load(OWN, 'PUT', GROWTH / 2);
await load(OWN, 'GET', GROWTH / 2);
const after = await usedBy(OWN);

const speed = ({ times }: Measured, other: string): number => of(times, OWN).speedOver(of(times, other));
/** How much a server does in the time that the processor is its own: what is left of the time is that of the load. */
const thrift = ({ computed }: Measured, other: string): number => {
  const [own, others] = [OWN, other].map((name) => computed.get(name) ?? []) as [number[], number[]];
  return median(own.map((time, round) => (others[round] as number) / time));
};

printTable(
  `Web: 1 KiB values, ${CONNECTIONS} connections, ${AMOUNT.toLocaleString('en-GB')} requests a round; requests a second, and processor time of the server in µs a request`,
  ['', 'PUT', 'GET', 'µs PUT', 'GET', 'keepsake to it: PUT', 'GET', 'by processor time: PUT', 'GET'],
  Object.keys(names).map((name) => [
    name,
    ...[puts, gets].map(({ times }) => short(of(times, name).rate)),
    ...[puts, gets].map(({ computed }) => short(median(computed.get(name) ?? []))),
    ...[puts, gets].map((measured) => short(speed(measured, name))),
    ...[puts, gets].map((measured) => short(thrift(measured, name))),
  ]),
);
const growth = (after.held - before.held) / 2 ** 20;
console.log(
  `\n${GROWTH.toLocaleString('en-GB')} requests more: the heap has grown by ${growth.toFixed(2)} MiB to ${(after.held / 2 ** 20).toFixed(1)}; ` +
    `resident were ${(before.resident / 2 ** 20).toFixed(0)} MiB, and are ${(after.resident / 2 ** 20).toFixed(0)}`,
);

await report([
  { what: 'web PUT, to a bare Fastify route', bound: 'at least', target: 0.8, measured: speed(puts, BARE) },
  { what: 'web GET, to a bare Fastify route', bound: 'at least', target: 0.8, measured: speed(gets, BARE) },
  { what: 'web PUT, to it by processor time', bound: 'at least', target: 0.8, measured: thrift(puts, BARE) },
  { what: 'web GET, to it by processor time', bound: 'at least', target: 0.8, measured: thrift(gets, BARE) },
  { what: 'web: MiB that the heap grows by in 200,000 requests', bound: 'at most', target: 2, measured: growth },
]);
for (const { child } of servers.values()) child.disconnect();
generator.disconnect();
process.exit(0);
