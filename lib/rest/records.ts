import { InvalidArgumentError } from '../errors.js';

/** One entry among many: what is known of it, and how many bytes its value has. */
export interface RestRecord {
  readonly key?: string | undefined;
  /** The bytes of the value. */
  readonly size: number;
  readonly expiresAt?: number | undefined;
  readonly version?: string | undefined;
  /** Why there is no value. */
  readonly error?: { readonly code?: string | undefined; readonly message?: string | undefined } | undefined;
}

/** Many entries: `null` stands for one that is not there. */
export interface Records {
  readonly records: readonly (RestRecord | null)[];
  readonly cursor?: string | undefined;
}

const LINE_END = 0x0a;

/** Many entries as bytes: a line of JSON that says what comes, then the values, one right after the other. */
export function encodeRecords(head: Records, values: readonly Uint8Array[]): Buffer {
  return Buffer.concat([Buffer.from(`${JSON.stringify(head)}\n`), ...values]);
}

/**
 * The line, and the values as views on the bytes: `undefined` where a record is `null`.
 * @throws InvalidArgumentError for what is no such line, and where the sizes are not those of the bytes
 */
export function decodeRecords(bytes: Uint8Array): Records & { readonly values: (Uint8Array | undefined)[] } {
  const end = bytes.indexOf(LINE_END);
  const head = end < 0 ? undefined : parse(bytes.subarray(0, end));
  if (head === undefined || !Array.isArray(head.records)) throw malformed('a line of JSON with "records" is expected');
  const values: (Uint8Array | undefined)[] = [];
  let at = end + 1;
  for (const record of head.records as unknown[]) {
    if (record === null) {
      values.push(undefined);
      continue;
    }
    const size = typeof record === 'object' ? (record as RestRecord).size : undefined;
    if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
      throw malformed('"size" must be a whole number of bytes');
    }
    values.push(bytes.subarray(at, at + size));
    at += size;
  }
  if (at !== bytes.length) throw malformed(`the sizes say ${at - end - 1} bytes; there are ${bytes.length - end - 1}`);
  return { records: head.records, cursor: head.cursor, values };
}

function parse(line: Uint8Array): Partial<Records> | undefined {
  try {
    const head: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(line));
    return typeof head === 'object' && head !== null ? head : undefined;
  } catch {
    return undefined;
  }
}

function malformed(rule: string): InvalidArgumentError {
  return new InvalidArgumentError(`entries: ${rule}`);
}
