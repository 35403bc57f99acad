import type { Connection } from 'keepsake/supervisor';
import { Client } from './client.js';

/** What of `chat.ts` is used here: of its newest version, each time. */
export type Chat = Pick<typeof import('./chat.js'), 'answer' | 'leave'>;

/** Deals with a connection until somebody leaves. */
export async function converse(connection: Connection, chat: () => Chat): Promise<void> {
  const client = Client.of(connection);
  if (!connection.inherited) client.send('Hello! register <name> <password>, or login <name> <password>.');
  try {
    for await (const line of connection.lines({ maximum: 2000 })) {
      if (!(await answer(client, line, chat()))) break;
      await connection.drained();
    }
  } finally {
    chat().leave(client);
  }
}

async function answer(client: Client, line: string, chat: Chat): Promise<boolean> {
  try {
    return await chat.answer(client, line);
  } catch (error) {
    // A mistake in one command is no reason to throw anybody out.
    console.error(error);
    client.send('Something went wrong.');
    return true;
  }
}
