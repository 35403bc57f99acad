// Starts the server under a supervisor, which holds the connections, and builds it anew whenever a source has changed.
import { readdirSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import { Supervisor } from 'keepsake/supervisor';

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '4000' },
    host: { type: 'string', default: '127.0.0.1' },
    sources: { type: 'string', default: 'examples/chat' },
    built: { type: 'string', default: 'build/chat' },
  },
});

const supervisor = new Supervisor({
  program: join(values.built, 'server.js'),
  execArgv: ['--enable-source-maps'],
  watch: [values.sources],
  // A mistake in a source fails here, with file and line, and nothing is written.
  prepare: () =>
    build({
      entryPoints: readdirSync(values.sources)
        .filter((name) => name.endsWith('.ts'))
        .map((name) => join(values.sources, name)),
      outdir: values.built,
      format: 'esm',
      platform: 'node',
      target: 'es2022',
      sourcemap: true,
      logLevel: 'warning',
    }),
});
supervisor.on('ready', ({ generation, paused }) =>
  console.log(
    `generation ${generation} serves ${supervisor.connections} connections (paused ${Math.round(paused)} ms)`,
  ),
);
supervisor.on('failed', ({ message }) => console.error(`the generation before goes on: ${message.split('\n')[0]}`));
supervisor.on('crashed', ({ generation, delay }) =>
  console.error(`generation ${generation} has crashed; the next starts in ${delay} ms`),
);

const { address, port } = (await supervisor.listen({
  port: Number(values.port),
  host: values.host,
})) as AddressInfo;
console.log(`listening: nc ${address} ${port}`);
await supervisor.start();
