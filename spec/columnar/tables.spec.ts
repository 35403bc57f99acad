import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Table, tableFromArrays, tableFromJSON } from 'apache-arrow';
import { expect } from 'chai';
import fc from 'fast-check';
import {
  CorruptDataError,
  encoded,
  InvalidArgumentError,
  type KeepsakeError,
  memory,
  UnsupportedError,
} from 'keepsake';
import { arrow, type ParquetCompression, parquet } from 'keepsake/columnar';
import { failure } from '../support/failure.js';
import { Folders } from '../support/folders.js';
import { needsReaders, python } from '../support/readers.js';
import { comesBack, damaged, refuses, unreadable } from '../support/round-trip.js';

/** The two are made in the same way. */
const formats: Record<'arrow' | 'parquet', typeof arrow> = { arrow, parquet };
const records = [
  {
    text: 'é 😀 \0',
    number: -0,
    flag: true,
    large: 2n ** 63n - 1n,
    at: new Date(1_700_000_000_123),
    bytes: Uint8Array.of(0, 255),
    none: null,
  },
  {
    text: '',
    number: Number.NaN,
    flag: false,
    large: -(2n ** 63n),
    at: new Date(-1),
    bytes: new Uint8Array(0),
    none: null,
  },
  { text: null, number: null, flag: null, large: null, at: null, bytes: null, none: null },
  { text: '\ufeff', number: 5e-324, flag: true, large: 0n, at: new Date(8.64e15), bytes: Uint8Array.of(1), none: null },
];
const SHOW =
  "print([{k: (str(v.isoformat()) if hasattr(v, 'isoformat') else v) for k, v in row.items()} for row in table.to_pylist()])";
const READ = {
  arrow: `import sys, pyarrow.feather; table = pyarrow.feather.read_table(sys.argv[1]); ${SHOW}`,
  parquet: `import sys, pyarrow.parquet; table = pyarrow.parquet.read_table(sys.argv[1]); ${SHOW}`,
};
const WRITE = `
import sys, datetime, pyarrow as pa, pyarrow.feather, pyarrow.parquet
table = pa.table({
  'small': pa.array([1, None], pa.int32()), 'large': pa.array([2**40, -1], pa.int64()), 'half': pa.array([0.5, 1], pa.float32()),
  'text': pa.array(['a', 'b'], pa.large_string()), 'kind': pa.array(['u', 'v']).dictionary_encode(), 'day': pa.array([datetime.date(2026, 1, 31)] * 2),
  'at': pa.array([1000001] * 2, pa.timestamp('us')), 'fixed': pa.array([b'ab', b'cd'], pa.binary(2)),
})
`;

for (const name of ['arrow', 'parquet'] as const) {
  const make = formats[name];
  const codec = make<object>();

  describe(name, () => {
    const folders = new Folders();
    after(() => folders.clearAway());

    it('gives back records exactly as they were', async () => {
      await comesBack(codec, []);
      await comesBack(codec, records);
      await comesBack(codec, [JSON.parse('{"__proto__":"a","":1,"constructor":true}')]);
      await comesBack(
        codec,
        Array.from({ length: 10_000 }, (_, index) => ({ index, text: `row ${index % 7}` })),
      );
      const value = fc.record({
        a: fc.option(fc.string({ unit: 'grapheme' })),
        b: fc.option(fc.double()),
        c: fc.option(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
        d: fc.option(fc.date({ noInvalidDate: true })),
        e: fc.option(fc.uint8Array({ maxLength: 9 }).map((bytes) => Uint8Array.from(bytes))),
        f: fc.option(fc.boolean()),
      });
      await fc.assert(
        fc.asyncProperty(fc.array(value, { maxLength: 9 }), (rows) =>
          comesBack(
            codec,
            rows.map((item) => ({ ...item })),
          ),
        ),
        { numRuns: 200 },
      );
    }).timeout(60_000);

    it('gives back bytes that share nothing with what is stored', async () => {
      const stored = await codec.encode([{ bytes: Uint8Array.of(1, 2) }], 'key');
      for (let time = 0; time < 2; time++) {
        const [row] = (await codec.decode(stored, 'key')) as [{ bytes: Uint8Array }];
        expect([...row.bytes]).to.deep.equal([1, 2]);
        row.bytes.fill(0);
      }
    });

    it('gives back tables on request, of any type, and takes records and tables alike', async () => {
      const tables = make<Table>({ form: 'table' });
      const nested = tableFromJSON([{ list: [1, 2], at: { x: 1 } }]);
      const back = await tables.decode(await tables.encode(nested, 'key'), 'key');
      expect(JSON.stringify(back.toArray())).to.equal(JSON.stringify(nested.toArray()));
      const fromRecords = await tables.decode(await tables.encode(records as never, 'key'), 'key');
      expect([fromRecords.numRows, fromRecords.numCols]).to.deep.equal([4, 7]);
      const whole = tableFromArrays({ small: Int32Array.of(1, 2), real: Float32Array.of(0.5, 1) });
      expect(await codec.decode(await codec.encode(whole as never, 'key'), 'key')).to.deep.equal([
        { small: 1, real: 0.5 },
        { small: 2, real: 1 },
      ]);
    });

    it('says which column records do not carry', async () => {
      const bytes = await make<Table>({ form: 'table' }).encode(tableFromJSON([{ list: [1, 2] }]), 'key');
      const error = await unreadable(codec, bytes);
      expect(error).to.be.instanceOf(UnsupportedError);
      expect(error.message).to.match(/^column "list" is of the Arrow type List<.*form: 'table'/);
      const inner = memory<Uint8Array>();
      await inner.set('key', bytes);
      const backend = encoded(inner, codec);
      expect(((await failure(() => backend.get('key'))) as KeepsakeError).code).to.equal('KEEPSAKE_UNSUPPORTED');
    });

    it('refuses what would come back otherwise, and says where it is', async () => {
      class Point {
        x = 1;
      }
      const refused: [unknown, RegExp, string][] = [
        [{ a: 1 }, /no array of records/, ''],
        [[1], /no plain object/, '[0]'],
        [[new Point()], /no plain object/, '[0]'],
        [[{}], /no properties/, '[0]'],
        [[{ a: 1 }, { a: '1' }], /"1" is no number, as the values above it are/, '[1].a'],
        [[{ a: null }, { a: 1 }, { a: 1n }], /1n is no number/, '[2].a'],
        [[{ a: 1 }, { b: 1 }], /"b", which is no column/, '[1]'],
        [[{ a: 1, b: 1 }, { a: 1 }], /no property "b"/, '[1]'],
        [[{ a: undefined }], /undefined has no form/, '[0].a'],
        [[{ a: 1 }, { a: undefined }], /undefined is no number/, '[1].a'],
        [[{ a: [1] }], /an array of 1 has no form/, '[0].a'],
        [[{ a: { b: 1 } }], /an object has no form/, '[0].a'],
        [[{ a: new Map() }], /a Map has no form/, '[0].a'],
        [[{ a: () => 1 }], /a function/, '[0].a'],
        [[{ a: 2n ** 63n }], /beyond the 64 bits/, '[0].a'],
        [[{ a: new Date(Number.NaN) }], /invalid Date/, '[0].a'],
        [[{ a: '\ud800' }], /lone surrogate/, '[0].a'],
        [[{ '\ud800': 1 }], /lone surrogate/, '[0]'],
        [[{ '\ufeffa': 1 }], /byte order mark/, '[0]'],
      ];
      for (const [value, why, path] of refused) await refuses(codec, value, why, path);
    });

    it('refuses to read what is no such file, or is cut', async () => {
      const whole = await codec.encode(records, 'key');
      for (const bytes of [
        new Uint8Array(0),
        Buffer.from('garbage'),
        Buffer.from('ARROW1'),
        Buffer.from('PAR1PAR1'),
        whole.subarray(0, -1),
        whole.subarray(0, 40),
      ]) {
        await unreadable(codec, bytes);
      }
      const inner = memory<Uint8Array>();
      await inner.set('key', whole.subarray(0, 40));
      expect(await failure(() => encoded(inner, codec).get('key'))).to.be.instanceOf(CorruptDataError);
    });

    it('reads damaged bytes as another table or not at all, and soon', async () => {
      const whole = await codec.encode(records, 'key');
      for (let seed = 0; seed < 500; seed++) {
        await Promise.resolve(codec.decode(damaged(whole, seed), 'key')).catch(() => undefined);
      }
      await comesBack(codec, records);
    }).timeout(60_000);

    it('names what is wrong with its options', () => {
      expect(() => make({ form: 'rows' } as never)).to.throw(InvalidArgumentError, "form must be 'records' or 'table'");
      expect(() => make({ from: 'table' } as never)).to.throw(InvalidArgumentError, 'no option "from"');
    });

    it('writes what Python reads', async function () {
      needsReaders(this);
      const file = join(folders.make(), `table.${name}`);
      writeFileSync(file, await codec.encode(records.slice(0, 3), 'key'));
      expect(python(READ[name], file)).to.equal(
        "[{'text': 'é 😀 \\x00', 'number': -0.0, 'flag': True, 'large': 9223372036854775807, 'at': '2023-11-14T22:13:20.123000+00:00', 'bytes': b'\\x00\\xff', 'none': None}, " +
          "{'text': '', 'number': nan, 'flag': False, 'large': -9223372036854775808, 'at': '1969-12-31T23:59:59.999000+00:00', 'bytes': b'', 'none': None}, " +
          "{'text': None, 'number': None, 'flag': None, 'large': None, 'at': None, 'bytes': None, 'none': None}]",
      );
    });

    it('reads what Python writes', async function () {
      needsReaders(this);
      const file = join(folders.make(), `table.${name}`);
      const save = {
        arrow: "pyarrow.feather.write_feather(table, sys.argv[1], compression='uncompressed')",
        parquet: 'pyarrow.parquet.write_table(table, sys.argv[1])',
      };
      python(WRITE + save[name], file);
      const row = (at: 0 | 1) => ({
        small: [1, null][at],
        large: [2n ** 40n, -1n][at],
        half: [0.5, 1][at],
        text: ['a', 'b'][at],
        kind: ['u', 'v'][at],
        day: new Date('2026-01-31'),
        at: new Date(1000),
        fixed: [Uint8Array.of(97, 98), Uint8Array.of(99, 100)][at],
      });
      expect(await codec.decode(readFileSync(file), 'key')).to.deep.equal([row(0), row(1)]);
    });
  });
}

describe('arrow', () => {
  const folders = new Folders();
  after(() => folders.clearAway());

  it('says what to do about a compressed file', async function () {
    needsReaders(this);
    const file = join(folders.make(), 'table.feather');
    python(`${WRITE}pyarrow.feather.write_feather(table, sys.argv[1])`, file);
    const error = await unreadable(arrow(), readFileSync(file));
    expect(error).to.be.instanceOf(UnsupportedError);
    expect(error.message).to.match(/is compressed: write it with compression='uncompressed'/);
  });
});

describe('parquet', () => {
  const folders = new Folders();
  after(() => folders.clearAway());

  it('compresses as it is told, and reads it all', async function () {
    const sizes: Record<string, number> = {};
    const rows = Array.from({ length: 2000 }, (_, index) => ({ text: `some text, and some more ${index}` }));
    for (const compression of ['none', 'snappy', 'gzip', 'brotli', 'zstd', 'lz4'] as const) {
      const bytes = await parquet({ compression }).encode(rows, 'key');
      sizes[compression] = bytes.length;
      expect(await parquet().decode(bytes, 'key')).to.deep.equal(rows);
    }
    const { none, ...others } = sizes as { none: number };
    for (const size of Object.values(others)) expect(size).to.be.lessThan(none / 1.5);
    expect(() => parquet({ compression: 'lzo' as ParquetCompression })).to.throw(
      InvalidArgumentError,
      'one of none, snappy',
    );
    needsReaders(this);
    const file = join(folders.make(), 'table.parquet');
    for (const compression of ['gzip', 'brotli', 'zstd', 'lz4'] as const) {
      writeFileSync(file, await parquet({ compression }).encode([{ a: 1 }], 'key'));
      expect(python(READ.parquet, file)).to.equal("[{'a': 1.0}]");
    }
  });
});
