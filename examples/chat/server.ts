// One generation of the server.
import { joinSupervisor } from 'keepsake/supervisor';
import * as chat from './chat.js';
import { converse } from './conversation.js';
import { service } from './service.js';

const generation = await joinSupervisor(service, { handOver: process.env.CHAT_HAND_OVER ?? 'data/chat.hand-over' });
await chat.prepare();
generation.serve((connection) => converse(connection, () => chat));
// By itself, without a supervisor, it serves as well.
await generation.listen({ port: Number(process.env.CHAT_PORT ?? 4000), host: '127.0.0.1' });
await generation.ready();
