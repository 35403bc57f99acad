import { setTimeout } from 'node:timers/promises';
import type { KeysAndAttributes, WriteRequest } from '@aws-sdk/client-dynamodb';
import { atomicAt, type Capabilities, capabilities } from '../../backend/capabilities.js';
import { MAXIMUM_KEY_BYTES } from '../../backend/checks.js';
import type { Condition, Counter, Driver, Entry, ListedEntry, Page, ScanRequest } from '../../backend/driver.js';
import type { Clock } from '../../backend/duration.js';
import { addToCounter, eachOf } from '../../backend/operations.js';
import { ConflictError, CorruptDataError, InvalidArgumentError, StorageError } from '../../errors.js';
import { show } from '../../show.js';
import { both, conditionOf, type Expression, expired, live, startsWith } from './conditions.js';
import { deadlineOf, type Item, KEY, newVersion, toDeadline, toEntry, toItem } from './items.js';
import type { Table } from './table.js';

const abilities: Capabilities = capabilities({
  ...atomicAt('storage'),
  persistent: true,
  enumerable: true,
});

/** The most items that a request reads. */
const READ_TOGETHER = 100;
/** The most items that a request writes. */
const WRITTEN_TOGETHER = 25;
/** How often what DynamoDB left undone is asked for again, ever more slowly: some 20 seconds in all. */
const ROUNDS = 16;
/** How often a counter is tried again that others create and remove. */
const ATTEMPTS = 20;
const MAXIMUM = Number.MAX_SAFE_INTEGER;

/** Entries as items of DynamoDB; every condition is decided by DynamoDB, on one item. */
export class DynamodbDriver implements Driver {
  readonly capabilities = abilities;
  readonly name: string;
  readonly clock: Clock;
  readonly #table: Table;

  constructor(table: Table, clock: Clock, name: string) {
    this.#table = table;
    this.clock = clock;
    this.name = name;
  }

  open(): Promise<void> {
    return this.#table.open();
  }

  close(): Promise<void> {
    return this.#table.close();
  }

  async read(key: string): Promise<Entry<Uint8Array> | undefined> {
    const command = new this.#table.sdk.GetItemCommand({
      TableName: this.#table.name,
      Key: keyOf(key),
      ConsistentRead: true,
    });
    const { Item: item } = await this.#table.ask((client, options) => client.send(command, options));
    return item === undefined ? undefined : this.#toEntry(item);
  }

  async write(
    key: string,
    value: Uint8Array,
    expiresAt: number | undefined,
    condition: Condition | undefined,
  ): Promise<boolean> {
    const item = toItem(key, value, expiresAt);
    const { sdk, name: TableName } = this.#table;
    if (condition === undefined) {
      const command = new sdk.PutItemCommand({ TableName, Item: item });
      await this.#table.ask((client, options) => client.send(command, options));
      return true;
    }
    if (typeof condition === 'object' && condition.version === '') return false;
    return this.#put(item, conditionOf(condition, this.clock()));
  }

  async remove(key: string, condition: Condition | undefined): Promise<boolean> {
    if (typeof condition === 'object' && condition.version === '') return false;
    return this.#deleteIf(key, conditionOf(condition ?? 'present', this.clock()));
  }

  async touch(key: string, expiresAt: number | undefined): Promise<boolean> {
    return (await this.#move(key, expiresAt, live(this.clock()))) !== undefined;
  }

  async renew(key: string, expiresAt: number): Promise<Entry<Uint8Array> | undefined> {
    const ends = { text: '#expiresAt > :now', names: { '#expiresAt': 'expiresAt' }, values: live(this.clock()).values };
    const moved = await this.#move(key, expiresAt, ends);
    return moved === undefined ? this.read(key) : this.#toEntry(moved);
  }

  async increment(key: string, by: number, expiresAt: number | undefined): Promise<Counter> {
    for (let tried = 0; tried < ATTEMPTS; tried++) {
      const added = await this.#add(key, by);
      if (added !== undefined) return { value: Number(added.number?.N), expiresAt: deadlineOf(added) };
      const item = toItem(key, Buffer.from(String(by)), expiresAt);
      // The number of a negative zero is the text of one without.
      if (await this.#put(item, conditionOf('absent', this.clock()))) return { value: by + 0, expiresAt };
      const current = await this.read(key);
      if (current !== undefined) addToCounter(current.value, by, key);
    }
    throw new ConflictError(`${show(key)} was changed by others ${ATTEMPTS} times in a row; try again later`, { key });
  }

  async readMany(keys: readonly string[]): Promise<(Entry<Uint8Array> | undefined)[]> {
    const found = new Map<string, Entry<Uint8Array>>();
    await this.#getMany([...new Set(keys)], {}, (item) => {
      const entry = this.#toEntry(item);
      if (entry !== undefined) found.set(String(item[KEY]?.S), entry);
    });
    return keys.map((key) => found.get(key));
  }

  async writeMany(entries: readonly (readonly [string, Uint8Array])[], expiresAt: number | undefined): Promise<void> {
    await this.#writeAll(entries.map(([key, value]) => ({ PutRequest: { Item: toItem(key, value, expiresAt) } })));
  }

  async removeMany(keys: readonly string[]): Promise<number> {
    let removed = 0;
    const projection = { ProjectionExpression: '#key, #expiresAt', ExpressionAttributeNames: NAMES };
    await this.#getMany(keys, projection, (item) => {
      if (!this.#isExpired(item)) removed++;
    });
    await this.#writeAll(keys.map((key) => ({ DeleteRequest: { Key: keyOf(key) } })));
    return removed;
  }

  async scan(request: ScanRequest): Promise<Page<Uint8Array>> {
    const { prefix, limit, cursor, values } = request;
    const { items, last } = await this.#scanOnce(this.#listed(prefix), limit, cursor, values);
    const entries: ListedEntry<Uint8Array>[] = [];
    for (const item of items) {
      const key = String(item[KEY]?.S);
      if (Buffer.byteLength(key) > MAXIMUM_KEY_BYTES) continue;
      const entry = values ? toEntry(item) : undefined;
      if (!values) entries.push({ key });
      else entries.push(entry === undefined ? { key, error: this.#foreign(key) } : { key, value: entry.value });
    }
    return { entries, cursor: last };
  }

  /** A scan meets no key twice, so that nobody has to remember those that were met. */
  async *stream(request: Omit<ScanRequest, 'cursor'>): AsyncGenerator<readonly ListedEntry<Uint8Array>[]> {
    let cursor: string | undefined;
    do {
      const page: Page<Uint8Array> = await this.scan({ ...request, cursor });
      cursor = page.cursor;
      if (page.entries.length > 0) yield page.entries;
    } while (cursor !== undefined);
  }

  async count(prefix: string): Promise<number> {
    const { sdk, name: TableName } = this.#table;
    let counted = 0;
    let last: Item | undefined;
    do {
      const filter = toFilter(this.#listed(prefix));
      const command = new sdk.ScanCommand({
        TableName,
        ConsistentRead: true,
        Select: 'COUNT',
        ...filter,
        ExclusiveStartKey: last,
      });
      const answer = await this.#table.ask((client, options) => client.send(command, options));
      counted += answer.Count ?? 0;
      last = answer.LastEvaluatedKey;
    } while (last !== undefined);
    return counted;
  }

  async clear(prefix: string): Promise<void> {
    const filter = prefix === '' ? undefined : startsWith(prefix);
    for await (const keys of this.#keys(filter)) {
      await this.#writeAll(keys.map((key) => ({ DeleteRequest: { Key: keyOf(key) } })));
    }
  }

  async sweep(): Promise<number> {
    let removed = 0;
    for await (const keys of this.#keys(expired(this.clock()))) {
      await eachOf(keys, async (key) => {
        if (await this.#deleteIf(key, expired(this.clock()))) removed++;
      });
    }
    return removed;
  }

  async #put(item: Item, condition: Expression): Promise<boolean> {
    const { sdk, name: TableName } = this.#table;
    const command = new sdk.PutItemCommand({ TableName, Item: item, ...toCondition(condition) });
    return (await this.#table.askIf((client, options) => client.send(command, options))) !== undefined;
  }

  async #deleteIf(key: string, condition: Expression): Promise<boolean> {
    const { sdk, name: TableName } = this.#table;
    const command = new sdk.DeleteItemCommand({ TableName, Key: keyOf(key), ...toCondition(condition) });
    return (await this.#table.askIf((client, options) => client.send(command, options))) !== undefined;
  }

  /** The item with its new deadline, where the condition was met. */
  async #move(key: string, expiresAt: number | undefined, condition: Expression): Promise<Item | undefined> {
    const { sdk, name: TableName } = this.#table;
    const { expiresAt: deadline, ttl } = toDeadline(expiresAt);
    const values: Item = deadline === undefined || ttl === undefined ? {} : { ':deadline': deadline, ':ttl': ttl };
    const command = new sdk.UpdateItemCommand({
      TableName,
      Key: keyOf(key),
      UpdateExpression: expiresAt === undefined ? 'REMOVE #expiresAt, #ttl' : 'SET #expiresAt = :deadline, #ttl = :ttl',
      ConditionExpression: condition.text,
      ExpressionAttributeNames: { ...condition.names, '#expiresAt': 'expiresAt', '#ttl': 'ttl' },
      ExpressionAttributeValues: { ...condition.values, ...values },
      ReturnValues: 'ALL_NEW',
    });
    return (await this.#table.askIf((client, options) => client.send(command, options)))?.Attributes;
  }

  /** The item with the sum, where there is a counter that has room for the step. */
  async #add(key: string, by: number): Promise<Item | undefined> {
    const { sdk, name: TableName } = this.#table;
    const room: Expression = {
      text: '#number BETWEEN :low AND :high',
      names: { '#number': 'number' },
      values: {
        ':low': { N: String(Math.max(-MAXIMUM, -MAXIMUM - by)) },
        ':high': { N: String(Math.min(MAXIMUM, MAXIMUM - by)) },
      },
    };
    const condition = both(live(this.clock()), room);
    const command = new sdk.UpdateItemCommand({
      TableName,
      Key: keyOf(key),
      UpdateExpression: 'SET #version = :version ADD #number :by',
      ConditionExpression: condition.text,
      ExpressionAttributeNames: { ...condition.names, '#version': 'version' },
      ExpressionAttributeValues: { ...condition.values, ':by': { N: String(by) }, ':version': { S: newVersion() } },
      ReturnValues: 'ALL_NEW',
    });
    return (await this.#table.askIf((client, options) => client.send(command, options)))?.Attributes;
  }

  async #getMany(
    keys: readonly string[],
    projection: Omit<KeysAndAttributes, 'Keys'>,
    take: (item: Item) => void,
  ): Promise<void> {
    const { sdk, name: table } = this.#table;
    for (let at = 0; at < keys.length; at += READ_TOGETHER) {
      let wanted: KeysAndAttributes | undefined = {
        ...projection,
        Keys: keys.slice(at, at + READ_TOGETHER).map(keyOf),
        ConsistentRead: true,
      };
      for (let round = 0; wanted !== undefined; round++) {
        await this.#pause(round);
        const command: InstanceType<typeof sdk.BatchGetItemCommand> = new sdk.BatchGetItemCommand({
          RequestItems: { [table]: wanted },
        });
        const answer = await this.#table.ask((client, options) => client.send(command, options));
        for (const item of answer.Responses?.[table] ?? []) take(item);
        wanted = answer.UnprocessedKeys?.[table];
      }
    }
  }

  async #writeAll(requests: readonly WriteRequest[]): Promise<void> {
    const { sdk, name: table } = this.#table;
    const groups: WriteRequest[][] = [];
    for (let at = 0; at < requests.length; at += WRITTEN_TOGETHER)
      groups.push(requests.slice(at, at + WRITTEN_TOGETHER));
    await eachOf(
      groups,
      async (group) => {
        let left: WriteRequest[] = group;
        for (let round = 0; left.length > 0; round++) {
          await this.#pause(round);
          const command = new sdk.BatchWriteItemCommand({ RequestItems: { [table]: left } });
          const answer = await this.#table.ask((client, options) => client.send(command, options));
          left = answer.UnprocessedItems?.[table] ?? [];
        }
      },
      8,
    );
  }

  /** Waits before what was left undone is asked for again. */
  async #pause(round: number): Promise<void> {
    if (round === 0) return;
    if (round > ROUNDS) {
      throw new StorageError(
        `${this.name}: DynamoDB left items undone ${ROUNDS} times in a row; it has too much to do`,
        {
          retryable: true,
        },
      );
    }
    await setTimeout(Math.random() * Math.min(3000, 25 * 2 ** round));
  }

  #listed(prefix: string): Expression {
    const alive = live(this.clock());
    return prefix === '' ? alive : both(alive, startsWith(prefix));
  }

  /** Keys in batches, also of what has expired. */
  async *#keys(filter: Expression | undefined): AsyncGenerator<string[]> {
    let cursor: string | undefined;
    do {
      const { items, last } = await this.#scanOnce(filter, 1000, cursor, false);
      if (items.length > 0) yield items.map((item) => String(item[KEY]?.S));
      cursor = last;
    } while (cursor !== undefined);
  }

  async #scanOnce(
    filter: Expression | undefined,
    limit: number,
    cursor: string | undefined,
    values: boolean,
  ): Promise<{ readonly items: readonly Item[]; readonly last: string | undefined }> {
    if (cursor !== undefined) checkCursor(cursor);
    const { sdk, name: TableName } = this.#table;
    const { ExpressionAttributeNames: names, ...rest } = filter === undefined ? {} : toFilter(filter);
    const command = new sdk.ScanCommand({
      TableName,
      ConsistentRead: true,
      Limit: limit,
      ...rest,
      ...(values
        ? names && { ExpressionAttributeNames: names }
        : { ProjectionExpression: '#key', ExpressionAttributeNames: { ...names, '#key': KEY } }),
      ExclusiveStartKey: cursor === undefined ? undefined : keyOf(cursor),
    });
    const answer = await this.#table.ask((client, options) => client.send(command, options));
    return { items: answer.Items ?? [], last: answer.LastEvaluatedKey?.[KEY]?.S };
  }

  #toEntry(item: Item): Entry<Uint8Array> | undefined {
    if (this.#isExpired(item)) return undefined;
    const entry = toEntry(item);
    if (entry === undefined) throw this.#foreign(String(item[KEY]?.S));
    return entry;
  }

  #isExpired(item: Item): boolean {
    const expiresAt = deadlineOf(item);
    return expiresAt !== undefined && this.clock() >= expiresAt;
  }

  #foreign(key: string): CorruptDataError {
    return new CorruptDataError(
      `${this.name}: the item of ${show(key)} holds no value of keepsake; somebody else has stored it, and it is left as it is`,
      { key },
    );
  }
}

const NAMES = { '#key': KEY, '#expiresAt': 'expiresAt' };

function keyOf(key: string): Item {
  return { [KEY]: { S: key } };
}

function toCondition({ text, names, values }: Expression) {
  return { ConditionExpression: text, ExpressionAttributeNames: { ...names }, ExpressionAttributeValues: values };
}

function toFilter({ text, names, values }: Expression) {
  return { FilterExpression: text, ExpressionAttributeNames: { ...names }, ExpressionAttributeValues: values };
}

function checkCursor(cursor: string): void {
  if (cursor !== '' && cursor.isWellFormed() && Buffer.byteLength(cursor) <= 2048) return;
  throw new InvalidArgumentError(`page: ${show(cursor)} is no cursor of this backend; begin anew`);
}
