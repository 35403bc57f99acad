import type * as Mongo from 'mongodb';
import { Requests } from '../../backend/requests.js';
import { loadModule } from '../../codecs/load.js';
import { InvalidArgumentError } from '../../errors.js';
import type { Stored } from './documents.js';
import { explain } from './failures.js';

/** How a client is had. */
export interface Connecting {
  readonly make: (library: typeof Mongo) => Mongo.MongoClient;
  /** Whether it is ours, and ends with us. */
  readonly own: boolean;
  readonly database: string;
  readonly collection: string;
}

/** A collection, of which everything is asked within a deadline. */
export class Collection {
  readonly #connecting: Connecting;
  readonly #where: string;
  readonly #requests: Requests;
  #library: typeof Mongo | undefined;
  #client: Mongo.MongoClient | undefined;
  #collection: Mongo.Collection<Stored> | undefined;

  /**
   * @param where what is asked, for messages
   * @param timeout how long each request may take, in milliseconds
   */
  constructor(connecting: Connecting, where: string, timeout: number) {
    this.#connecting = connecting;
    this.#where = where;
    this.#requests = new Requests(where, timeout, explain);
  }

  /** The package `mongodb`, once this is open. */
  get library(): typeof Mongo {
    return this.#library as typeof Mongo;
  }

  /** Connects, and makes the index by which MongoDB removes what has expired. */
  async open(): Promise<void> {
    const library = await loadModule(() => import('mongodb'), 'mongodb', 'mongodb()');
    this.#library = library;
    const { database, collection, own } = this.#connecting;
    this.#client ??= this.#make(library);
    const client = this.#client;
    try {
      await this.#requests.run(async () => {
        if (own) await client.connect();
        this.#collection = client.db(database).collection<Stored>(collection, { promoteBuffers: true });
        await this.#collection.createIndex({ expiresAt: 1 }, { expireAfterSeconds: 0, name: 'keepsake-expiry' });
      });
    } catch (error) {
      // Otherwise what watches the servers goes on for ever where nobody opens it again.
      if (own) {
        this.#client = undefined;
        await client.close().catch(() => undefined);
      }
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#requests.close();
    if (this.#connecting.own) await this.#client?.close();
  }

  #make(library: typeof Mongo): Mongo.MongoClient {
    try {
      return this.#connecting.make(library);
    } catch (error) {
      // What the package makes of the URL and the options is known only once it is loaded.
      throw new InvalidArgumentError(`${this.#where}: ${error instanceof Error ? error.message : error}`, {
        cause: error,
      });
    }
  }

  /** Asks something of the collection, within the deadline. */
  run<T>(work: (collection: Mongo.Collection<Stored>) => Promise<T>): Promise<T> {
    return this.#requests.run(() => work(this.#collection as Mongo.Collection<Stored>));
  }
}
