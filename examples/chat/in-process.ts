// The server in one process, which loads `chat.js` again when told to: for development without a supervisor.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { joinSupervisor } from 'keepsake/supervisor';
import { converse } from './conversation.js';
import { service } from './service.js';

let chat = await import('./chat.js');
const generation = await joinSupervisor(service, { handOver: process.env.CHAT_HAND_OVER ?? 'data/chat.hand-over' });
await chat.prepare();
generation.serve((connection) => converse(connection, () => chat));
await generation.listen({ port: Number(process.env.CHAT_PORT ?? 4000), host: '127.0.0.1' });
await generation.ready();
console.log(`port ${generation.ports[0]}; send SIGUSR2 to process ${process.pid} to reload`);

const source = new URL('./chat.js', import.meta.url);
let version = 1;
process.on('SIGUSR2', async () => {
  try {
    // What import() says of a syntax error has no file and line; what this does has.
    await promisify(execFile)(process.execPath, ['--check', fileURLToPath(source)]);
    await generation.quiet(async () => {
      // Another name for the same file, so that it is loaded anew.
      let next = chat;
      await service.reload(async () => {
        next = await import(`${source}?version=${++version}`);
      });
      chat = next;
    });
    console.log('reloaded');
  } catch (error) {
    console.error(error);
    console.log('not reloaded');
  }
});
