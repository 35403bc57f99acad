import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import fc from 'fast-check';
import { InvalidArgumentError } from 'keepsake';
import { type CsvOptions, csv } from 'keepsake/columnar';
import { Folders } from '../support/folders.js';
import { needsReaders, python } from '../support/readers.js';
import { comesBack, damaged, refuses, unreadable } from '../support/round-trip.js';

const typed = csv<object>({
  columns: { name: 'text', size: 'number', open: 'boolean', id: 'bigint', at: 'date' },
});
const row = { name: 'a', size: 1, open: true, id: 1n, at: new Date(0) };
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();
const cell = fc.oneof(
  fc.constantFrom('', ' ', ',', '"', '\r', '\n', '\r\n', '\ufeff', '=1', "'"),
  fc.string({ unit: 'grapheme' }),
);

describe('csv', () => {
  const folders = new Folders();
  after(() => folders.clearAway());

  it('gives back records of text exactly as they were', async () => {
    for (const records of [
      [],
      [{ a: '' }],
      [{ a: '' }, { a: '' }, { a: 'x' }],
      [{ a: '1', b: 'true' }],
      [{ '': '', ' ': ' ', 'a,"b"\r\n': '"' }],
      [{ '\ufeffmarked': '\ufeff' }],
      [JSON.parse('{"__proto__":"a","constructor":"b"}')],
    ]) {
      await comesBack(csv(), records);
    }
    const names = fc.uniqueArray(cell, { minLength: 1, maxLength: 4 });
    const records = names.chain((columns) =>
      fc.array(
        fc
          .tuple(...columns.map((name) => fc.tuple(fc.constant(name), cell)))
          .map((entries) => Object.fromEntries(entries)),
        { minLength: 1, maxLength: 5 },
      ),
    );
    for (const delimiter of [',', ';', '\t', '|', '.', '^', '\\', '-', 'a', ' ', '€']) {
      await fc.assert(
        fc.asyncProperty(records, (value) => comesBack(csv({ delimiter }), value)),
        { numRuns: 100 },
      );
    }
  });

  it('gives back the types that columns say, and null where a cell is empty', async () => {
    await comesBack(typed, []);
    for (const size of [
      0,
      -0,
      1.5,
      -1,
      1e21,
      5e-324,
      2 ** 53,
      1e20,
      Number.MAX_VALUE,
      Number.NaN,
      Infinity,
      -Infinity,
      null,
    ]) {
      await comesBack(typed, [{ ...row, size }]);
    }
    for (const open of [true, false, null]) await comesBack(typed, [{ ...row, open }]);
    for (const id of [0n, -5n, 2n ** 200n, null]) await comesBack(typed, [{ ...row, id }]);
    for (const at of [-1, 8.64e15, -8.64e15].map((time) => new Date(time))) await comesBack(typed, [{ ...row, at }]);
    await comesBack(typed, [
      { ...row, name: '' },
      { ...row, at: null },
    ]);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ a: fc.double(), b: fc.bigInt(), c: fc.date({ noInvalidDate: true }) })),
        (value) =>
          comesBack(
            csv<object>({ columns: { a: 'number', b: 'bigint', c: 'date' } }),
            value.map((record) => ({ ...record })),
          ),
      ),
    );
  });

  it('writes a header, CRLF and quotes where they are needed', () => {
    expect(
      text(
        csv().encode([
          { a: '1', b: 'x, "y"' },
          { a: '', b: 'two\nlines' },
        ]),
      ),
    ).to.equal('a,b\r\n1,"x, ""y"""\r\n"","two\nlines"\r\n');
    expect(text(typed.encode([{ ...row, size: null }]))).to.equal(
      'name,size,open,id,at\r\na,,true,1,1970-01-01T00:00:00.000Z\r\n',
    );
    expect(text(csv({ delimiter: ';' }).encode([{ a: '1;', b: '2,' }]))).to.equal('a;b\r\n"1;";2,\r\n');
  });

  it('refuses what would come back otherwise, and says where it is', async () => {
    const refused: [unknown, RegExp, string][] = [
      [{ a: '1' }, /no array of records/, ''],
      ['a', /no array/, ''],
      [[1], /no plain object/, '[0]'],
      [[null], /no plain object/, '[0]'],
      [[['a']], /no plain object/, '[0]'],
      [[{}], /no properties/, '[0]'],
      [[{ a: 1 }], /1 is no text; say the type in columns/, '[0].a'],
      [[{ a: 'x' }, { a: true }], /true is no text/, '[1].a'],
      [[{ a: null }], /null would come back as empty text/, '[0].a'],
      [[{ a: undefined }], /undefined is no text/, '[0].a'],
      [[{ a: ['x'] }], /an array of 1 is no text/, '[0].a'],
      [[{ a: '\ud800' }], /lone surrogate/, '[0].a'],
      [[{ '\ud800': 'a' }], /lone surrogate/, '[0]'],
      [[{ a: 'x' }, { b: 'x' }], /has the property "b", which is no column/, '[1]'],
      [[{ a: 'x', b: 'x' }, { a: 'x' }], /has no property "b"/, '[1]'],
      [[{ a: 'x', [Symbol('s')]: 1 }], /symbol/, '[0]'],
    ];
    for (const [value, why, path] of refused) await refuses(csv(), value, why, path);
    for (const [name, value, why] of [
      ['size', '1', /is no number/],
      ['size', 1n, /is no number/],
      ['open', 1, /is no boolean/],
      ['id', 1, /is no bigint/],
      ['at', '1970-01-01', /is no Date/],
      ['at', new Date(Number.NaN), /invalid Date/],
      ['name', null, /would come back as empty text/],
    ] as const) {
      await refuses(typed, [row, { ...row, [name]: value }], why, `[1].${name}`);
    }
    await refuses(typed, [{ ...row, more: 1 }], /"more", which is no column/, '[0]');
  });

  it('reads what others write', () => {
    const read = (source: string) => csv().decode(Buffer.from(source));
    expect(read('\ufeffa,b\n1,"2\n3"\n')).to.deep.equal([{ a: '1', b: '2\n3' }]);
    expect(read('a,b\r\n1,2')).to.deep.equal([{ a: '1', b: '2' }]);
    expect(read('a,b\n')).to.deep.equal([]);
    const columns = (type: 'number' | 'boolean' | 'date') => csv<{ a: unknown }>({ columns: { a: type } });
    expect(columns('number').decode(Buffer.from('a\n1e-07\n+5\n.5\n1.\nnan\n-inf\n'))).to.deep.equal(
      [1e-7, 5, 0.5, 1, Number.NaN, -Infinity].map((a) => ({ a })),
    );
    expect(columns('boolean').decode(Buffer.from('a\nTrue\nFalse\n'))).to.deep.equal([{ a: true }, { a: false }]);
    expect(columns('date').decode(Buffer.from('a\n2026-01-31\n2026-01-31 13:00:00+01:00\n'))).to.deep.equal([
      { a: new Date('2026-01-31') },
      { a: new Date('2026-01-31T12:00:00Z') },
    ]);
  });

  it('refuses to read what is no such table', async () => {
    for (const source of ['a,b\n1', 'a,b\n1,2,3', 'a,a\n1,2', 'a\n"x', 'a\n"x"y', 'a\nx"y']) {
      expect(await unreadable(csv(), Buffer.from(source)), source).to.be.instanceOf(Error);
    }
    expect(await unreadable(csv(), Uint8Array.of(0x61, 0x0a, 0xff))).to.be.instanceOf(TypeError);
    const header = 'name,size,open,id,at\n';
    for (const line of [
      'a,x,true,1,',
      'a,1,yes,1,',
      'a,1,true,1.5,',
      'a,1,true,1,soon',
      'a,1,true,1,2026-01-31T12:00:00',
    ]) {
      const error = await unreadable(typed, Buffer.from(header + line));
      expect(error.message, line).to.match(/^record 0, column "/);
    }
    const lossy = await unreadable(typed, Buffer.from(`${header}a,12345678901234567890,true,1,`));
    expect(lossy.message).to.include('more than a number holds exactly');
    expect((await unreadable(typed, Buffer.from(''))).message).to.equal('there is no column "name"');
    expect((await unreadable(typed, Buffer.from('name,more\n'))).message).to.include('there is a column "more"');
  });

  it('reads damaged bytes as another table or not at all, and soon', () => {
    const bytes = typed.encode(Array.from({ length: 20 }, () => row));
    for (let seed = 0; seed < 1000; seed++) {
      try {
        typed.decode(damaged(bytes, seed));
      } catch (error) {
        expect(error).to.be.instanceOf(Error);
      }
    }
  });

  it('refuses wrong options', () => {
    for (const options of [
      { delimiter: '' },
      { delimiter: ',,' },
      { delimiter: '"' },
      { delimiter: '\n' },
      { columns: {} },
      { columns: { a: 'integer' } },
      { columns: { a: 'toString' } },
      { header: false },
    ]) {
      expect(() => csv(options as CsvOptions)).to.throw(InvalidArgumentError);
    }
  });

  it("writes what Python's csv reads", function () {
    needsReaders(this);
    const file = join(folders.make(), 'table.csv');
    writeFileSync(
      file,
      csv().encode([
        { a: 'x, "y"\r\nz', b: '' },
        { a: 'é', b: ' ' },
      ]),
    );
    const program = "import csv, sys; print(list(csv.DictReader(open(sys.argv[1], newline='', encoding='utf-8'))))";
    expect(python(program, file)).to.equal("[{'a': 'x, \"y\"\\r\\nz', 'b': ''}, {'a': 'é', 'b': ' '}]");
  });
});
