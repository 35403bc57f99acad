import { sep } from 'node:path';
import { expect } from 'chai';
import fc from 'fast-check';
import { type Folder, HASHED } from '#lib/drivers/files/layout.js';
import { EncodedLayout } from '#lib/drivers/files/names.js';

const layout = new EncodedLayout('/root', '.bin');

/** The way a listing goes from a path to its key. */
function keyAt(path: string): string | symbol | undefined {
  const names = path.slice('/root/'.length).split(sep);
  const name = names.pop() ?? '';
  let folder: Folder | undefined = layout.root;
  for (const one of names) folder = folder && layout.folderOf(folder, one);
  return folder && layout.keyOf(folder, name);
}

describe('files: encoded names', () => {
  for (const [key, path] of [
    ['user:ann', 'user/ann.bin'],
    ['Foo', '%46oo.bin'],
    ['foo.bin:bar', 'foo%2ebin/bar.bin'],
    ['x.json', 'x.json.bin'],
    [':', '%_/%_.bin'],
    ['a::b', 'a/%_/b.bin'],
    ['.', '%2e.bin'],
    ['..', '%2e%2e.bin'],
    ['..:..', '%2e%2e/%2e%2e.bin'],
    ['a/b', 'a%2fb.bin'],
    ['é', '%c3%a9.bin'],
    ['con', '%63on.bin'],
    ['lpt1.txt', '%6cpt1.txt.bin'],
    ['nul:aux', '%6eul/%61ux.bin'],
    ['console', 'console.bin'],
    ['%h', '%25h.bin'],
    ['__proto__', '__proto__.bin'],
    ['.keepsake', '.keepsake.bin'],
    ['.keepsake:x', '%2ekeepsake/x.bin'],
  ] as const) {
    it(`keeps ${JSON.stringify(key)} at ${path}`, () => {
      expect(layout.place(key).path).to.equal(`/root/${path}`);
      expect(keyAt(`/root/${path}`)).to.equal(key);
    });
  }

  const segment = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 12 }),
    fc.string({ unit: fc.constantFrom(...'aA.:%/\\_-h ', 'é', '\u{1F600}', '\0'), maxLength: 12 }),
    fc.constantFrom('con', 'nul.x', '', '.', '..', '%_', '%h', '%41', 'a'.repeat(255)),
  );
  const key = fc
    .array(segment, { minLength: 1, maxLength: 8 })
    .map((segments) => segments.join(':'))
    .filter((one) => one !== '' && one.isWellFormed() && Buffer.byteLength(one) <= 1024);

  it('give each key one path of its own, lower-case and safe, that leads back to it', () => {
    const paths = new Map<string, string>();
    fc.assert(
      fc.property(key, (one) => {
        const { path, folder, hashed } = layout.place(one);
        expect(paths.get(path) ?? one).to.equal(one);
        paths.set(path, one);
        expect(path).to.match(/^\/root(?:\/[a-z0-9_.%-]+)+$/);
        expect(path.startsWith(`${folder}/`)).to.equal(true);
        for (const name of path.slice('/root/'.length).split('/')) {
          expect(name).to.not.match(/^\.{1,2}$|^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)|[. ]$/);
          expect(name.length).to.be.at.most(200);
        }
        expect(folder.slice('/root'.length)).to.not.include('.');
        expect(keyAt(path)).to.equal(hashed ? HASHED : one);
      }),
      { numRuns: 3000 },
    );
  });

  it('take nothing for a key that is not exactly what the key is encoded as', () => {
    for (const path of [
      'Ann.bin',
      '%41NN.bin',
      '%2E.bin',
      '%61.bin',
      '%zz.bin',
      '%c3.bin',
      'con.bin',
      'ann.txt',
      '.bin',
      '..bin',
      'ann.bin.123456',
      'ann.bin.corrupt-1700000000000',
      'a.b/c.bin',
      '.keepsake/x.bin',
      '%t0123456789abcdef-0',
      '%3a.bin',
      `${'a'.repeat(197)}.bin`,
    ]) {
      expect(keyAt(`/root/${path}`), path).to.equal(undefined);
    }
  });

  it('lead back whatever name is met: none, or one that is encoded as that name', () => {
    const name = fc.string({ unit: fc.constantFrom(...'ab%0123456789cdefh._-AZ:'), maxLength: 12 });
    fc.assert(
      fc.property(name, (one) => {
        const found = keyAt(`/root/${one}.bin`);
        if (typeof found === 'string' && !one.includes('/'))
          expect(layout.place(found).path).to.equal(`/root/${one}.bin`);
      }),
      { numRuns: 3000 },
    );
  });

  it('are as long as they are, whatever the root: what does not fit is hashed in the deepest folder that fits', () => {
    const long = `a:${'b'.repeat(210)}:c`;
    expect(layout.place(long)).to.include({ folder: '/root/a', hashed: true });
    const deep = `${'a:'.repeat(511)}b`;
    const { path, hashed } = layout.place(deep);
    expect(hashed).to.equal(true);
    expect(path.length - '/root/'.length).to.be.at.most(720);
    expect(layout.start(`${'a:'.repeat(511)}`).path).to.equal(layout.place(deep).folder);
  });
});
