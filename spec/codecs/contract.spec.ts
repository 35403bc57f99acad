import * as zlib from 'node:zlib';
import {
  Backend,
  brotli,
  type Codec,
  encoded,
  encrypted,
  files,
  gzip,
  json,
  memory,
  msgpack,
  text,
  v8,
  zstd,
} from 'keepsake';
import { type ContractOptions, contract } from 'keepsake/testing';
import { TestClock } from '../support/clock.js';
import { MinimalDriver } from '../support/drivers.js';
import { Folders } from '../support/folders.js';

const keys = [{ id: '2026', key: new Uint8Array(32).fill(7) }];
const encryptedJson = () => encrypted(json(), { keys });

/** Holds a codec over a memory of bytes to the contract. */
function holds<T>(title: string, codec: Codec<T>, options: Partial<ContractOptions<T>> = {}): void {
  describe(title, () => {
    const clock = new TestClock();
    const open = () => encoded(memory<Uint8Array>({ clock: clock.now }), codec);
    contract<T>({ describe, it, clock, open, many: 300, ...options });
  });
}

const ofText: Partial<ContractOptions<string>> = {
  value: (number) => `value ${number}`,
  counter: (number) => String(number),
  samples: ['', ' ', 'null', '\ufeff', 'é 😀 \0'],
};

describe('codecs over a backend of objects', () => {
  holds('text', text(), ofText);
  holds('msgpack', msgpack());
  holds('v8', v8());
  holds('gzip of json', gzip(json()));
  holds('brotli of json', brotli(json()));
  if ('zstdCompressSync' in zlib) holds('zstd of json', zstd(json()));
  holds('encrypted json', encryptedJson());
});

describe('codecs over a backend of bytes', () => {
  describe('text', () => {
    contract<string>({
      describe,
      it,
      open: () => encoded(new Backend(new MinimalDriver()), text()),
      many: 300,
      ...ofText,
    });
  });

  describe('encrypted gzip of msgpack in files', () => {
    const clock = new TestClock();
    const folders = new Folders();
    let folder: string;
    after(() => folders.clearAway());
    const reopen = () =>
      encoded(files(folder, { durability: 'none', clock: clock.now }), encrypted(gzip(msgpack()), { keys }));
    const open = () => {
      folder = folders.make();
      return reopen();
    };
    contract({ describe, it, clock, open, reopen, many: 300 });
  });
});
