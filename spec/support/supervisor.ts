// A supervisor in a process of its own. Called with: program, folder, port of 0, options as JSON. Tells what happens, one JSON line each.
import { Supervisor } from 'keepsake/supervisor';

const [program = '', folder = '', options = '{}'] = process.argv.slice(2);
const tell = (what: object): void => void process.stdout.write(`${JSON.stringify(what)}\n`);
const supervisor = new Supervisor({ program, cwd: folder, output: 'ignore', ...JSON.parse(options) });
supervisor.on('generation', ({ pid }) => tell({ started: pid }));
supervisor.on('ready', ({ generation, pid }) => tell({ ready: generation, pid }));
supervisor.on('failed', ({ message }) => tell({ failed: message }));
supervisor.on('crashed', ({ generation, delay }) => tell({ crashed: generation, delay }));
supervisor.on('stopped', () => tell({ stopped: true }));
tell({ listening: await supervisor.listen({ port: 0, host: '127.0.0.1' }) });
await supervisor.start();
