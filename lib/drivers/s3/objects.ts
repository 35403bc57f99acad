import { once } from 'node:events';
import type { Readable } from 'node:stream';
import type * as Sdk from '@aws-sdk/client-s3';
import type * as Storage from '@aws-sdk/lib-storage';
import { Requests } from '../../backend/requests.js';
import { loadModule } from '../../codecs/load.js';
import { ConnectionError, StorageError } from '../../errors.js';
import type { Clients } from '../aws/clients.js';
import { statusOf, wasRepeated } from '../aws/failures.js';
import { explain, isLost, isMissing, isMissingHead } from './failures.js';

/** What an object has beside its bytes, under names in lower case. */
export type Metadata = Readonly<Record<string, string>>;

/** What is known of an object without its bytes. */
export interface ObjectHead {
  /** Without its quotes: Ceph takes a tag in quotes for another one in a condition; the others take both. */
  readonly etag: string;
  readonly metadata: Metadata;
}

/** An object. */
export interface StoredObject extends ObjectHead {
  readonly bytes: Uint8Array;
}

/** A request that is refused unless it is met. */
export type Match = 'absent' | { readonly etag: string };

/** Values from so many bytes are sent in several parts, unless a condition has to be checked. */
export const PART = 16 * 1024 * 1024;

/** The most names that a request to delete takes. */
const DELETED_TOGETHER = 1000;

/** The requests to a bucket, each within a deadline. */
export class Objects {
  readonly #bucket: string;
  readonly #where: string;
  readonly #requests: Requests;
  readonly #connect: (sdk: typeof Sdk) => Clients<Sdk.S3Client>;
  #sdk: typeof Sdk | undefined;
  #clients: Clients<Sdk.S3Client> | undefined;

  /**
   * @param where what is asked, for messages
   * @param timeout how long a request may take, tries and all, in milliseconds
   */
  constructor(bucket: string, connect: (sdk: typeof Sdk) => Clients<Sdk.S3Client>, where: string, timeout: number) {
    this.#bucket = bucket;
    this.#connect = connect;
    this.#where = where;
    this.#requests = new Requests(where, timeout, explain);
  }

  /** Loads the SDK, and sees whether the bucket is there: of an object, "not found" says nothing about the bucket. */
  async open(): Promise<void> {
    const sdk = await loadModule(() => import('@aws-sdk/client-s3'), '@aws-sdk/client-s3', 's3()');
    this.#sdk = sdk;
    this.#clients ??= this.#connect(sdk);
    const { patient } = this.#clients;
    await this.#requests.run(async (abortSignal) => {
      try {
        await patient.send(new sdk.HeadBucketCommand({ Bucket: this.#bucket }), { abortSignal });
      } catch (error) {
        // Those who may not see the bucket may still read and write its objects; a wrong password shows then.
        if (statusOf(error) === 403) return;
        if (statusOf(error) !== 404) throw error;
        throw new StorageError(`${this.#where}: there is no such bucket; create it first, keepsake does not`, {
          cause: error,
        });
      }
    });
  }

  async close(): Promise<void> {
    await this.#requests.close();
    if (this.#clients?.own !== true) return;
    this.#clients.patient.destroy();
    this.#clients.once.destroy();
  }

  async get(name: string): Promise<StoredObject | undefined> {
    const { sdk, patient } = this.#ready();
    return this.#requests.run(async (abortSignal) => {
      try {
        const command = new sdk.GetObjectCommand({ Bucket: this.#bucket, Key: name });
        const answer = await patient.send(command, { abortSignal });
        const bytes = await read(answer.Body as Readable, answer.ContentLength, abortSignal);
        return { ...this.#toHead(answer), bytes };
      } catch (error) {
        if (isMissing(error)) return undefined;
        throw error;
      }
    });
  }

  async head(name: string): Promise<ObjectHead | undefined> {
    const { sdk, patient } = this.#ready();
    return this.#requests.run(async (abortSignal) => {
      try {
        return this.#toHead(
          await patient.send(new sdk.HeadObjectCommand({ Bucket: this.#bucket, Key: name }), { abortSignal }),
        );
      } catch (error) {
        if (isMissingHead(error)) return undefined;
        throw error;
      }
    });
  }

  /** Stores an object whatever is there; a large one in parts. */
  async put(name: string, bytes: Uint8Array, metadata: Metadata): Promise<void> {
    const { sdk, patient, once: client } = this.#ready();
    const input = { Bucket: this.#bucket, Key: name, Body: bytes, Metadata: { ...metadata } };
    if (bytes.length < PART) {
      await this.#requests.run((abortSignal) => patient.send(new sdk.PutObjectCommand(input), { abortSignal }));
      return;
    }
    const { Upload } = await loadModule<typeof Storage>(
      () => import('@aws-sdk/lib-storage'),
      '@aws-sdk/lib-storage',
      's3() with values of 16 MiB and more',
    );
    await this.#requests.run(async (abortSignal) => {
      let removing = abortSignal;
      // The helper hands no signal on to its requests, which would go on after the deadline, and after `close`.
      const bounded = Object.create(patient) as Sdk.S3Client;
      bounded.send = ((command: Sdk.PutObjectCommand) => {
        const removes = (command as object) instanceof sdk.AbortMultipartUploadCommand;
        if (!removes) return patient.send(command, { abortSignal });
        // What came of the upload is told in any case.
        return client.send(command, { abortSignal: removing }).catch(() => undefined);
      }) as typeof patient.send;
      const uploading = new Upload({ client: bounded, params: input, partSize: PART / 2 }).done();
      abortSignal.addEventListener('abort', () => {
        // What was stored of it is removed within a deadline of its own, for which `close` waits.
        const removal = this.#requests.run((signal) => {
          removing = signal;
          return uploading;
        });
        removal.catch(() => undefined);
      });
      await uploading;
    });
  }

  /** Stores an object if the condition is met; whether it was. Always in one part: not every server checks conditions of several. */
  async putIf(name: string, bytes: Uint8Array, metadata: Metadata, match: Match): Promise<boolean> {
    const { sdk, once: client } = this.#ready();
    const condition = match === 'absent' ? { IfNoneMatch: '*' } : { IfMatch: match.etag };
    const input = { Bucket: this.#bucket, Key: name, Body: bytes, Metadata: { ...metadata }, ...condition };
    return this.#requests.run((abortSignal) =>
      this.#decide(() => client.send(new sdk.PutObjectCommand(input), { abortSignal })),
    );
  }

  /** Removes an object, if it is there. */
  async delete(name: string): Promise<void> {
    const { sdk, patient } = this.#ready();
    const command = new sdk.DeleteObjectCommand({ Bucket: this.#bucket, Key: name });
    await this.#requests.run((abortSignal) => patient.send(command, { abortSignal }));
  }

  /** Removes an object if it is the one that the tag names; whether it was. Only on servers that check it. */
  async deleteIf(name: string, etag: string): Promise<boolean> {
    const { sdk, once: client } = this.#ready();
    const command = new sdk.DeleteObjectCommand({ Bucket: this.#bucket, Key: name, IfMatch: etag });
    return this.#requests.run((abortSignal) => this.#decide(() => client.send(command, { abortSignal })));
  }

  /** Removes objects whose names XML can carry, 1,000 a request. */
  async deleteMany(names: readonly string[]): Promise<void> {
    const { sdk, patient } = this.#ready();
    for (let at = 0; at < names.length; at += DELETED_TOGETHER) {
      const objects = names.slice(at, at + DELETED_TOGETHER).map((name) => ({ Key: name }));
      const command = new sdk.DeleteObjectsCommand({ Bucket: this.#bucket, Delete: { Objects: objects, Quiet: true } });
      const answer = await this.#requests.run((abortSignal) => patient.send(command, { abortSignal }));
      const [failed] = answer.Errors ?? [];
      if (failed !== undefined) throw this.#explainDeletion(failed, answer.$metadata.requestId);
    }
  }

  /** At most 1,000 names that start with `prefix`, after `after`, in the order of their bytes, with the sizes of the objects; and whether there are more. */
  async list(
    prefix: string,
    after: string | undefined,
    limit: number,
  ): Promise<{ readonly names: string[]; readonly sizes: number[]; readonly more: boolean }> {
    const { sdk, patient } = this.#ready();
    const command = new sdk.ListObjectsV2Command({
      Bucket: this.#bucket,
      Prefix: prefix,
      StartAfter: after,
      MaxKeys: limit,
      // XML cannot carry every name.
      EncodingType: 'url',
    });
    const answer = await this.#requests.run((abortSignal) => patient.send(command, { abortSignal }));
    if (answer.IsTruncated === undefined && answer.Name === undefined) throw this.#notS3();
    const names = (answer.Contents ?? []).map(({ Key = '' }) => (answer.EncodingType === 'url' ? decode(Key) : Key));
    const sizes = (answer.Contents ?? []).map(({ Size = 0 }) => Size);
    return { names, sizes, more: answer.IsTruncated === true };
  }

  #explainDeletion({ Key, Code = '', Message = Code }: Sdk._Error, requestId: string | undefined): unknown {
    const httpStatusCode = /^(InternalError|ServiceUnavailable)$/.test(Code) ? 503 : 200;
    const failure = new Error(`${Key} was not deleted: ${Message}`);
    return explain(Object.assign(failure, { name: Code, $metadata: { httpStatusCode, requestId } }), this.#where);
  }

  #toHead(answer: { readonly ETag?: string | undefined; readonly Metadata?: Metadata | undefined }): ObjectHead {
    if (answer.ETag === undefined) throw this.#notS3();
    return { etag: answer.ETag.replace(/^"|"$/g, ''), metadata: answer.Metadata ?? {} };
  }

  #notS3(): ConnectionError {
    return new ConnectionError(`${this.#where}: what answers there does not speak S3: check the endpoint`, {
      // Something between here and there may answer for a server that is down.
      retryable: true,
    });
  }

  async #decide(send: () => Promise<unknown>): Promise<boolean> {
    try {
      await send();
      return true;
    } catch (error) {
      if (!isLost(error)) throw error;
      if (!wasRepeated(error)) return false;
      throw new ConnectionError(
        `${this.#where}: the client that was given tried a conditional request again, so that nobody knows whether the first try took effect; give it maxAttempts: 1`,
        { retryable: true, cause: error },
      );
    }
  }

  #ready(): { readonly sdk: typeof Sdk } & Clients<Sdk.S3Client> {
    return { sdk: this.#sdk as typeof Sdk, ...(this.#clients as Clients<Sdk.S3Client>) };
  }
}

async function read(body: Readable, length: number | undefined, signal: AbortSignal): Promise<Uint8Array> {
  // The SDK heeds the signal only until the body begins.
  const abort = () => body.destroy();
  signal.addEventListener('abort', abort);
  const chunks: Uint8Array[] = [];
  body.on('data', (chunk: Uint8Array) => chunks.push(chunk));
  await once(body, 'end');
  const bytes = new Uint8Array(length ?? chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    if (at + chunk.length > bytes.length) break;
    bytes.set(chunk, at);
    at += chunk.length;
  }
  if (at !== bytes.length) {
    throw new ConnectionError(`the answer ended after ${at} of ${bytes.length} bytes`, { retryable: true });
  }
  return bytes;
}

/** A name as listings write it, or `''` for one that is no text. */
function decode(name: string): string {
  try {
    return decodeURIComponent(name.replaceAll('+', ' '));
  } catch {
    return '';
  }
}
