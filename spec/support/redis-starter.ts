import { dirname } from 'node:path';
import { startRedis } from './servers/redis.js';

// Starts a Redis, says where, and stays until it is killed.
const { process: server, socket } = await startRedis({ parameters: ['--databases', '1'] });
process.send?.({ pid: server?.pid, folder: dirname(socket) });
setInterval(() => undefined, 1000);
