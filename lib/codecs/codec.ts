/**
 * Turns values into bytes, or another stored form `S`, and back. Written by hand or composed; see `encoded`.
 *
 * `encode` refuses, with an `EncodeError` that leads to the place, what would not come back as it was.
 */
export interface Codec<T, S = Uint8Array> {
  /** What the codec is, for messages, such as `'json'`. */
  readonly name: string;
  /** Whether a safe integer is encoded as its decimal text, so that counters can be incremented by the engine itself. */
  readonly decimalIntegers?: boolean;
  encode(value: T): S;
  /** Throws any error for what is not its own; `encoded` makes a `CorruptDataError` of it. */
  decode(stored: S): T;
}
