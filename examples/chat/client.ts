import { FieldType, type Purpose, type Store } from 'keepsake';
import { type Connection, connections } from 'keepsake/supervisor';
import type { User } from './chat.js';

/** Who is at the other end of a connection. It lives as long as the connection, through every reload in this process. */
export class Client {
  static readonly #clients = new Map<string, Client>();

  readonly connection: Connection;
  user: User | undefined;

  private constructor(connection: Connection) {
    this.connection = connection;
  }

  /** The client of a connection; always the same. */
  static of(connection: Connection): Client {
    let client = Client.#clients.get(connection.id);
    if (client === undefined) {
      client = new Client(connection);
      Client.#clients.set(connection.id, client);
      connection.closed.then(() => Client.#clients.delete(connection.id));
    }
    return client;
  }

  send(line: string): void {
    this.connection.write(`${line}\r\n`);
  }
}

/**
 * Holds a user's client, and sees to it that the client knows its user. In this process the client goes over to the user's new object as it is; to the next process goes the
 * id of its connection, by which that one finds it.
 */
export class ClientField extends FieldType<Client | undefined> {
  override encode(client: Client | undefined): unknown {
    return client?.connection.id;
  }

  override decode(id: unknown): Client | undefined {
    const connection = connections.get(String(id));
    return connection && Client.of(connection);
  }

  override serialise(store: Store, name: string, purpose: Purpose = 'save'): unknown {
    const { client } = store as User;
    // To another process, this object stays as it is: it goes on if that one fails.
    if (purpose !== 'reload' || client === undefined) return super.serialise(store, name, purpose);
    client.user = undefined;
    return client;
  }

  override deserialise(store: Store, _name: string, form: unknown, purpose: Purpose = 'save'): void {
    const user = store as User;
    const client = purpose === 'reload' ? (form as Client) : this.decode(form);
    if (client === undefined) return;
    user.client = client;
    client.user = user;
  }
}
