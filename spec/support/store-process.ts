import { memory } from 'keepsake';
import { bearer, createServer } from 'keepsake/server';

// Serves what is in memory on the port that the first argument names, to those who have the token that the second is.
const [, , port, token = ''] = process.argv;
const server = createServer(memory(), { authorize: bearer(token) });
console.log(await server.listen({ port: Number(port) }));
