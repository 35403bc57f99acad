import { setTimeout } from 'node:timers/promises';
import type * as Sdk from '@aws-sdk/client-dynamodb';
import { Requests } from '../../backend/requests.js';
import { loadModule } from '../../codecs/load.js';
import { StorageError, TimeoutError } from '../../errors.js';
import type { Clients } from '../aws/clients.js';
import { decide, explain, isNamed } from './failures.js';
import { KEY, NATIVE_TTL } from './items.js';

/** How long a table may take to be made, in milliseconds. */
const MAKING = 120_000;

/** A table, of which everything is asked within a deadline. */
export class Table {
  readonly name: string;
  readonly #where: string;
  readonly #create: boolean;
  readonly #connect: (sdk: typeof Sdk) => Clients<Sdk.DynamoDBClient>;
  readonly #requests: Requests;
  #sdk: typeof Sdk | undefined;
  #clients: Clients<Sdk.DynamoDBClient> | undefined;

  /**
   * @param create whether the table is made where it is missing
   * @param where what is asked, for messages
   * @param timeout how long a request may take, tries and all, in milliseconds
   */
  constructor(
    name: string,
    create: boolean,
    connect: (sdk: typeof Sdk) => Clients<Sdk.DynamoDBClient>,
    where: string,
    timeout: number,
  ) {
    this.name = name;
    this.#create = create;
    this.#connect = connect;
    this.#where = where;
    this.#requests = new Requests(where, timeout, explain);
  }

  /** The package, once this is open. */
  get sdk(): typeof Sdk {
    return this.#sdk as typeof Sdk;
  }

  /** Sees whether the table is there and fits, and makes it where it is missing. */
  async open(): Promise<void> {
    this.#sdk = await loadModule(() => import('@aws-sdk/client-dynamodb'), '@aws-sdk/client-dynamodb', 'dynamodb()');
    this.#clients ??= this.#connect(this.#sdk);
    let table = await this.#describe();
    if (table === undefined && !this.#create) {
      throw new StorageError(`${this.#where}: the table is not there; make it, or say { create: true }`);
    }
    const made = table === undefined && (await this.#make());
    const end = Date.now() + MAKING;
    for (
      let delay = 20;
      table?.TableStatus !== 'ACTIVE' && table?.TableStatus !== 'UPDATING';
      delay = Math.min(1000, delay * 2)
    ) {
      if (Date.now() > end) throw new TimeoutError(`${this.#where}: the table is not active after ${MAKING} ms`);
      await setTimeout(delay);
      table = await this.#describe();
    }
    this.#check(table);
    if (made) await this.#expire();
  }

  async close(): Promise<void> {
    await this.#requests.close();
    if (this.#clients?.own !== true) return;
    this.#clients.patient.destroy();
    this.#clients.once.destroy();
  }

  /** Asks what may be asked again. */
  ask<T>(work: (client: Sdk.DynamoDBClient, options: { readonly abortSignal: AbortSignal }) => Promise<T>): Promise<T> {
    const { patient } = this.#clients as Clients<Sdk.DynamoDBClient>;
    return this.#requests.run((abortSignal) => work(patient, { abortSignal }));
  }

  /** Asks once for something on a condition; `undefined` where it was not met. */
  askIf<T>(
    work: (client: Sdk.DynamoDBClient, options: { readonly abortSignal: AbortSignal }) => Promise<T>,
  ): Promise<T | undefined> {
    const { once } = this.#clients as Clients<Sdk.DynamoDBClient>;
    return decide(
      this.#requests.run((abortSignal) => work(once, { abortSignal })),
      this.#where,
    );
  }

  async #describe(): Promise<Sdk.TableDescription | undefined> {
    try {
      const command = new this.sdk.DescribeTableCommand({ TableName: this.name });
      return (await this.ask((client, options) => client.send(command, options))).Table;
    } catch (error) {
      if (isNamed(error, 'ResourceNotFoundException')) return undefined;
      throw error;
    }
  }

  /** Whether it was us who made it. */
  async #make(): Promise<boolean> {
    const command = new this.sdk.CreateTableCommand({
      TableName: this.name,
      BillingMode: 'PAY_PER_REQUEST',
      AttributeDefinitions: [{ AttributeName: KEY, AttributeType: 'S' }],
      KeySchema: [{ AttributeName: KEY, KeyType: 'HASH' }],
    });
    try {
      await this.ask((client, options) => client.send(command, options));
      return true;
    } catch (error) {
      // Somebody else makes it at the same moment.
      if (isNamed(error, 'ResourceInUseException')) return false;
      throw error;
    }
  }

  #check(table: Sdk.TableDescription): void {
    const schema = (table.KeySchema ?? [])
      .map(({ AttributeName, KeyType }) => `${AttributeName} ${KeyType}`)
      .join(', ');
    const type = table.AttributeDefinitions?.find(({ AttributeName }) => AttributeName === KEY)?.AttributeType;
    if (schema === `${KEY} HASH` && type === 'S') return;
    throw new StorageError(
      `${this.#where}: the key of the table must be the text ${KEY} alone; it is ${schema}: name another table`,
    );
  }

  /** Lets DynamoDB remove what has expired. */
  async #expire(): Promise<void> {
    const command = new this.sdk.UpdateTimeToLiveCommand({
      TableName: this.name,
      TimeToLiveSpecification: { AttributeName: NATIVE_TTL, Enabled: true },
    });
    try {
      await this.ask((client, options) => client.send(command, options));
    } catch (error) {
      // Emulators need not know how; expired entries are left out when they are read anyway.
      if (!isNamed(error, 'UnknownOperationException')) throw error;
    }
  }
}
