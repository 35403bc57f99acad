import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import * as swc from '@swc/core';
import { expect } from 'chai';
import { transform } from 'esbuild';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../../../../', import.meta.url));
const source = readFileSync(join(root, 'spec/compilers/fixtures/model.ts'), 'utf8');

type Compile = () => Promise<string>;

async function withEsbuild(compilerOptions: object): Promise<string> {
  return (await transform(source, { loader: 'ts', target: 'es2022', tsconfigRaw: { compilerOptions } })).code;
}

async function withSwc(options: swc.TransformConfig): Promise<string> {
  const { code } = await swc.transform(source, {
    configFile: false,
    swcrc: false,
    jsc: { parser: { syntax: 'typescript', decorators: true }, target: 'es2022', transform: options },
  });
  return code;
}

const compilers: Record<string, Compile> = {
  'esbuild, standard decorators': () => withEsbuild({}),
  'esbuild, legacy decorators': () => withEsbuild({ experimentalDecorators: true, useDefineForClassFields: true }),
  'esbuild, legacy decorators, fields assigned': () =>
    withEsbuild({ experimentalDecorators: true, useDefineForClassFields: false }),
  'swc, decorators of 2022-03': () => withSwc({ decoratorVersion: '2022-03' }),
  'swc, decorators of 2023-11': () => withSwc({ decoratorVersion: '2023-11' as '2022-03' }),
  'swc, legacy decorators': () => withSwc({ legacyDecorator: true, decoratorMetadata: true }),
  'swc, legacy decorators, fields assigned': () =>
    withSwc({ legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false }),
};

/** What the program prints, compiled by one compiler. */
async function print(name: string, compile: Compile): Promise<Record<string, unknown>> {
  const folder = join(root, 'build/compilers');
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${name.replace(/[^a-z0-9]+/gi, '-')}.mjs`);
  writeFileSync(file, await compile());
  return JSON.parse((await run(process.execPath, [file])).stdout);
}

const expected = {
  log: [
    'body of ann: none undefined',
    'ann.nick',
    'body of ann: none undefined',
    'ann.nick',
    'body of root: none undefined',
    'root.nick',
  ],
  again: {
    $version: 1,
    made: 1,
    name: 'Ann',
    level: 5,
    badges: ['1'],
    addresses: [{ city: 'Ulm' }],
    mentor: 'ann',
    nick: 'NICK',
  },
  nested: true,
  same: true,
  byName: 'ann',
  secret: 3,
  admin: { made: 1, name: 'root', level: 5, badges: [], addresses: [], nick: 'NICK', rights: ['all'] },
  manager: true,
  name: ['User', 'Admin', true],
  made: true,
  inside: 'inside',
};

/** Those in which the class's own name, inside its body, means the class without its decorator. */
const undecoratedInside = [
  'esbuild, standard decorators',
  'swc, legacy decorators',
  'swc, legacy decorators, fields assigned',
];

describe('models by other compilers', function () {
  this.timeout(30_000);
  for (const [name, compile] of Object.entries(compilers)) {
    it(`behave the same: ${name}`, async () => {
      const { self, log, ...printed } = await print(name, compile);
      const { log: expectedLog, ...rest } = expected;
      expect(printed).to.deep.equal(rest);
      expect((log as string[]).slice(0, expectedLog.length)).to.deep.equal(expectedLog);
      if (undecoratedInside.includes(name)) {
        expect(self).to.match(
          /^UnregisteredClassError: inside the body of User .* write "new this\(…\)" in static methods/,
        );
      } else {
        expect(self).to.equal('works');
      }
    });
  }
});
