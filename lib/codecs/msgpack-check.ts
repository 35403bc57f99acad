import { isUtf8 } from 'node:buffer';

const MAXIMUM_DEPTH = 1000;
/** The latest second that a Date holds. */
const MAXIMUM_SECONDS = 8_640_000_000_000n;
const PROTOTYPE_KEY = Buffer.from('__proto__');

/**
 * Checks bytes before the library sees them, which takes some that are none for data: that they are one whole message of plain types and
 * timestamps, its keys text and its text UTF-8, at most 1,000 levels deep.
 * (https://github.com/msgpack/msgpack/blob/master/spec.md)
 * @throws TypeError that says what is wrong, and where
 */
export function checkMessage(bytes: Uint8Array): { readonly hasPrototypeKey: boolean } {
  const message = new Message(bytes);
  message.check();
  return message;
}

class Message {
  hasPrototypeKey = false;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;
  /** What is missing of each array and map that is open: items, and for maps twice as many. */
  readonly #missing: number[] = [];
  readonly #isMap: boolean[] = [];

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  check(): void {
    const missing = this.#missing;
    this.#value();
    while (missing.length > 0) {
      const top = missing.length - 1;
      const left = missing[top] as number;
      if (left === 0) {
        missing.pop();
        this.#isMap.pop();
        continue;
      }
      missing[top] = left - 1;
      if (this.#isMap[top] && left % 2 === 0) this.#key();
      else this.#value();
    }
    if (this.#at < this.#bytes.length) throw new TypeError(`${this.#bytes.length - this.#at} bytes follow its end`);
  }

  #value(): void {
    const token = this.#byte();
    if (token <= 0x7f || token >= 0xe0) return;
    if (token <= 0x8f) this.#open(token & 0x0f, true);
    else if (token <= 0x9f) this.#open(token & 0x0f, false);
    else if (token <= 0xbf) this.#text(token & 0x1f);
    else this.#sized(token);
  }

  #sized(token: number): void {
    switch (token) {
      case 0xc0: // nil
      case 0xc2: // false
      case 0xc3: // true
        break;
      case 0xc4: // bin 8, 16, 32
      case 0xc5:
      case 0xc6:
        this.#skip(this.#length(token - 0xc4));
        break;
      case 0xcc: // uint 8, int 8
      case 0xd0:
        this.#skip(1);
        break;
      case 0xcd: // uint 16, int 16
      case 0xd1:
        this.#skip(2);
        break;
      case 0xca: // float 32, uint 32, int 32
      case 0xce:
      case 0xd2:
        this.#skip(4);
        break;
      case 0xcb: // float 64, uint 64, int 64
      case 0xcf:
      case 0xd3:
        this.#skip(8);
        break;
      case 0xd9: // str 8, 16, 32
      case 0xda:
      case 0xdb:
        this.#text(this.#length(token - 0xd9));
        break;
      case 0xdc: // array 16, 32
      case 0xdd:
        this.#open(this.#length(token - 0xdb), false);
        break;
      case 0xde: // map 16, 32
      case 0xdf:
        this.#open(this.#length(token - 0xdd), true);
        break;
      case 0xc7: // ext 8, fixext 4, fixext 8
        this.#timestamp(this.#length(0));
        break;
      case 0xd6:
        this.#timestamp(4);
        break;
      case 0xd7:
        this.#timestamp(8);
        break;
      default:
        throw new TypeError(`byte ${this.#at - 1} begins an extension, or nothing that MessagePack knows`);
    }
  }

  #key(): void {
    const token = this.#byte();
    if (token >= 0xa0 && token <= 0xbf) this.#text(token & 0x1f, true);
    else if (token >= 0xd9 && token <= 0xdb) this.#text(this.#length(token - 0xd9), true);
    else throw new TypeError(`the key at byte ${this.#at - 1} is no text`);
  }

  #text(length: number, isKey = false): void {
    const start = this.#at;
    this.#skip(length);
    if (!this.#isShortAscii(start, this.#at) && !isUtf8(this.#bytes.subarray(start, this.#at))) {
      throw new TypeError(`the text at byte ${start} is no UTF-8`);
    }
    if (isKey && length === PROTOTYPE_KEY.length && PROTOTYPE_KEY.equals(this.#bytes.subarray(start, this.#at))) {
      this.hasPrototypeKey = true;
    }
  }

  /** Most texts are, and a loop over few bytes is faster than a call. */
  #isShortAscii(start: number, end: number): boolean {
    if (end - start > 64) return false;
    const bytes = this.#bytes;
    for (let at = start; at < end; at++) {
      if ((bytes[at] as number) > 0x7f) return false;
    }
    return true;
  }

  #timestamp(length: number): void {
    const start = this.#at;
    this.#skip(length + 1);
    const body = start + 1;
    const type = this.#view.getInt8(start);
    if (type !== -1) throw new TypeError(`byte ${start} names an extension of type ${type}; only timestamps are read`);
    if (length === 4) return;
    let isTime = false;
    if (length === 8) {
      isTime = this.#view.getUint32(body) >>> 2 < 1e9;
    } else if (length === 12) {
      const seconds = this.#view.getBigInt64(body + 4);
      isTime = this.#view.getUint32(body) < 1e9 && seconds >= -MAXIMUM_SECONDS && seconds < MAXIMUM_SECONDS;
      // The very last moment has no fraction.
      isTime ||= seconds === MAXIMUM_SECONDS && this.#view.getUint32(body) === 0;
    }
    if (!isTime) throw new TypeError(`the timestamp at byte ${start} is none that a Date holds`);
  }

  #open(length: number, isMap: boolean): void {
    const parts = isMap ? length * 2 : length;
    // Each takes a byte at least, so that no length is believed that cannot be true.
    if (parts > this.#bytes.length - this.#at) throw new TypeError('it is cut');
    if (this.#missing.length >= MAXIMUM_DEPTH) throw new TypeError(`it is more than ${MAXIMUM_DEPTH} levels deep`);
    this.#missing.push(parts);
    this.#isMap.push(isMap);
  }

  /** Reads a length of 1, 2 or 4 bytes. */
  #length(power: number): number {
    const start = this.#at;
    this.#skip(1 << power);
    if (power === 0) return this.#view.getUint8(start);
    return power === 1 ? this.#view.getUint16(start) : this.#view.getUint32(start);
  }

  #byte(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw new TypeError('it is cut');
    this.#at++;
    return byte;
  }

  #skip(length: number): void {
    if (length > this.#bytes.length - this.#at) throw new TypeError('it is cut');
    this.#at += length;
  }
}
