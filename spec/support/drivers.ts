import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import {
  type Capabilities,
  type Clock,
  type Condition,
  capabilities,
  type Driver,
  type Entry,
  type ListedEntry,
  type Page,
  type ScanRequest,
} from 'keepsake';

interface Stored {
  readonly bytes: Uint8Array;
  readonly expiresAt: number | undefined;
}

/** A driver of bytes with nothing but what a driver must have, and conditional writes; everything else is the defaults. */
export class MinimalDriver implements Driver {
  readonly capabilities: Capabilities = capabilities({
    conditionalSet: 'process',
    conditionalDelete: 'process',
    update: 'process',
    increment: 'process',
    touch: 'process',
    enumerable: true,
    ordered: true,
  });
  readonly name: string = 'minimal';
  readonly clock: Clock;
  protected readonly stored = new Map<string, Stored>();

  constructor(clock: Clock = Date.now) {
    this.clock = clock;
  }

  read(key: string): Entry<Uint8Array> | undefined | Promise<Entry<Uint8Array> | undefined> {
    const found = this.find(key);
    return found && { value: Buffer.from(found.bytes), expiresAt: found.expiresAt, version: digest(found.bytes) };
  }

  write(
    key: string,
    value: Uint8Array,
    expiresAt: number | undefined,
    condition: Condition | undefined,
  ): boolean | Promise<boolean> {
    if (!this.meets(key, condition)) return false;
    this.stored.set(key, { bytes: Uint8Array.from(value), expiresAt });
    return true;
  }

  remove(key: string, condition: Condition | undefined): boolean | Promise<boolean> {
    if (this.find(key) === undefined || !this.meets(key, condition)) return false;
    return this.stored.delete(key);
  }

  scan({ prefix, limit, cursor, after, values }: ScanRequest): Page<Uint8Array> | Promise<Page<Uint8Array>> {
    const start = cursor ?? after;
    const keys = [...this.stored.keys()]
      .filter((key) => key.startsWith(prefix) && this.find(key) !== undefined)
      .filter((key) => start === undefined || compare(key, start) > 0)
      .sort(compare);
    const page = keys.slice(0, limit);
    return {
      entries: page.map((key) => this.list(key, values)),
      cursor: keys.length > limit ? page.at(-1) : undefined,
    };
  }

  protected list(key: string, values: boolean): ListedEntry<Uint8Array> {
    const found = this.stored.get(key);
    return values && found !== undefined ? { key, value: Uint8Array.from(found.bytes) } : { key };
  }

  protected find(key: string): Stored | undefined {
    const found = this.stored.get(key);
    if (found?.expiresAt === undefined || this.clock() < found.expiresAt) return found;
    this.stored.delete(key);
    return undefined;
  }

  protected meets(key: string, condition: Condition | undefined): boolean {
    const found = this.find(key);
    if (condition === undefined) return true;
    if (condition === 'absent') return found === undefined;
    return found !== undefined && (condition === 'present' || digest(found.bytes) === condition.version);
  }
}

/** A driver that claims nothing. */
export class BareDriver extends MinimalDriver {
  override readonly capabilities = capabilities({});
  override readonly name = 'bare';
}

/** A driver that answers late, lists in no order, repeats keys, and gives empty pages, as SCAN of Redis does. */
export class ScatteredDriver extends MinimalDriver {
  override readonly capabilities = capabilities({
    conditionalSet: 'process',
    conditionalDelete: 'process',
    update: 'process',
    increment: 'process',
    touch: 'process',
    enumerable: true,
  });
  override readonly name = 'scattered';

  override async read(key: string): Promise<Entry<Uint8Array> | undefined> {
    await setImmediate();
    return super.read(key);
  }

  override async write(
    key: string,
    value: Uint8Array,
    expiresAt: number | undefined,
    condition: Condition | undefined,
  ): Promise<boolean> {
    const bytes = Uint8Array.from(value);
    await setImmediate();
    return super.write(key, bytes, expiresAt, condition);
  }

  override async remove(key: string, condition: Condition | undefined): Promise<boolean> {
    await setImmediate();
    return super.remove(key, condition);
  }

  /** Keys fall into buckets; each is listed over two pages, of which the second begins where the first has ended, or before. */
  override async scan({ prefix, limit, cursor, values }: ScanRequest): Promise<Page<Uint8Array>> {
    await setImmediate();
    const [bucket = 0, from = 0] = (cursor ?? '').split('-').map(Number);
    const keys = [...this.stored.keys()].filter((key) => bucketOf(key) === bucket).sort();
    const next = keys.length > from + limit ? `${bucket}-${Math.max(from + 1, from + limit - 2)}` : `${bucket + 1}-0`;
    const page = keys.slice(from, from + limit).filter((key) => key.startsWith(prefix) && this.find(key) !== undefined);
    return { entries: page.map((key) => this.list(key, values)), cursor: next === `${BUCKETS}-0` ? undefined : next };
  }
}

const BUCKETS = 64;

function bucketOf(key: string): number {
  return createHash('sha256').update(key).digest().readUInt8() % BUCKETS;
}

function digest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function compare(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
