import { entityTag, type HeaderList, type HeaderOf, headerIn, isNotModified } from './headers.js';

/** What becomes of a whole response, that was recorded. */
export interface Recorded {
  readonly status: number;
  readonly headers: HeaderList;
  readonly body: Uint8Array;
}

/** What a recording is made for. */
export interface RecordingOptions {
  /** What `X-Cache` says. */
  readonly state: 'miss' | 'bypass';
  /** The request's headers. */
  readonly header: HeaderOf;
  /** The longest body, in bytes. */
  readonly maxBytes: number;
  /** Whether a response of this kind is to be recorded. */
  readonly wanted: (status: number, headers: HeaderList) => boolean;
  /** Called once: with the response, or with why there is nothing to store. Never rejects. */
  readonly done: (recorded: Recorded | 'none' | 'left') => Promise<void>;
}

/** Collects a response while it is sent. */
export class Recording {
  readonly #options: RecordingOptions;
  #chunks: Uint8Array[] = [];
  #length = 0;
  #head: { readonly status: number; readonly headers: HeaderList } | undefined;
  #complete = false;
  #confirmed = false;
  #ended = false;

  constructor(options: RecordingOptions) {
    this.#options = options;
  }

  /** What `X-Cache` says. */
  get state(): 'miss' | 'bypass' {
    return this.#options.state;
  }

  /**
   * Begins with the status and headers.
   * @returns whether the body is to be recorded
   */
  begin(status: number, headers: HeaderList): boolean {
    if (this.#ended) return false;
    const { maxBytes, wanted } = this.#options;
    const length = Number(headerIn(headers, 'content-length') ?? 0);
    if (length > maxBytes || !wanted(status, headers)) {
      this.abort();
      return false;
    }
    this.#head = { status, headers };
    return true;
  }

  /** @returns whether more is to be recorded */
  write(chunk: Uint8Array): boolean {
    if (this.#head === undefined || this.#ended) return false;
    this.#length += chunk.length;
    if (this.#length > this.#options.maxBytes) {
      this.abort();
      return false;
    }
    // Whoever sends it may use its memory again.
    this.#chunks.push(Buffer.from(chunk));
    return true;
  }

  /** Ends a response that is complete; it is kept once it is confirmed, too. */
  end(): void {
    this.#complete = true;
    if (this.#head === undefined) this.abort();
    else this.#finish();
  }

  /** Says what was sent in the end, where what is further out may have added headers, such as a session its cookie. */
  check(headers: HeaderList): void {
    if (this.#ended || this.#head === undefined) return;
    const names = new Set(headers.map(([name]) => name));
    const all = [...this.#head.headers.filter(([name]) => !names.has(name)), ...headers];
    if (!this.#options.wanted(this.#head.status, all)) this.abort();
  }

  /** As `check`, and says that nobody adds any more. */
  confirm(headers: HeaderList): void {
    this.check(headers);
    this.#confirmed = true;
    this.#finish();
  }

  #finish(): void {
    if (!this.#complete || !this.#confirmed || this.#ended || this.#head === undefined) return;
    const declared = headerIn(this.#head.headers, 'content-length');
    // Less than was announced is not the whole (RFC 9111, section 3.3).
    const whole = declared === undefined || Number(declared) === this.#length;
    if (!whole) {
      this.abort();
      return;
    }
    this.#ended = true;
    void this.#options.done({ ...this.#head, body: Buffer.concat(this.#chunks) });
  }

  /** Says that there is nothing to store. */
  abort(): void {
    this.#stop('none');
  }

  /** Says that the client went away before the end. */
  leave(): void {
    this.#stop('left');
  }

  #stop(why: 'none' | 'left'): void {
    this.#chunks = [];
    if (this.#ended) return;
    this.#ended = true;
    void this.#options.done(why);
  }

  /**
   * Records a response of which everything is there, and says how to send it: with an `ETag` where it may be stored, and whether it is a `304`. It ends
   * by `end`.
   */
  complete(status: number, headers: HeaderList, body: Uint8Array): { etag: string | undefined; notModified: boolean } {
    let etag: string | undefined;
    let known = headers;
    if (this.begin(status, headers)) {
      if (status === 200 && headerIn(headers, 'etag') === undefined) {
        etag = entityTag(body);
        known = [...headers, ['etag', etag]];
        this.#head = { status, headers: known };
      }
      this.write(body);
    }
    // Conditions are the handler's business where it saw them.
    const conditional = this.state === 'miss' && status === 200;
    return { etag, notModified: conditional && isNotModified(this.#options.header, known) };
  }
}
