import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

const root = fileURLToPath(new URL('../../../../', import.meta.url));
const fixtures = join(root, 'spec/types/fixtures');

const compilers = {
  'TypeScript 7': join(root, 'node_modules/typescript/bin/tsc'),
  'TypeScript 5.9': join(root, 'node_modules/typescript-5.9/lib/tsc.js'),
};
const modes = {
  standard: {},
  legacy: { experimentalDecorators: true, emitDecoratorMetadata: true },
};

/** What a compiler says of the fixtures, and of the library's own declarations, as `file:line code`. */
async function compile(compiler: string, mode: object, name: string): Promise<string[]> {
  const folder = join(root, 'build/types');
  const project = join(folder, `${name.replace(/[^a-z0-9]+/gi, '-')}.json`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    project,
    JSON.stringify({
      compilerOptions: {
        target: 'ES2022',
        lib: ['ES2023', 'ES2024.String', 'ESNext.Disposable'],
        module: 'NodeNext',
        types: ['node'],
        strict: true,
        noEmit: true,
        skipLibCheck: false,
        ...mode,
      },
      include: [`${fixtures}/*.ts`, join(root, 'dist/**/*.d.ts')],
    }),
  );
  const output = await new Promise<string>((resolve) => {
    execFile(process.execPath, [compiler, '-p', project, '--pretty', 'false'], (_, stdout) => resolve(stdout));
  });
  rmSync(project);
  const found: string[] = [];
  for (const line of output.split('\n')) {
    const match = /^(.*)\((\d+),\d+\): error (TS\d+)/.exec(line);
    if (match !== null) found.push(`${basename(match[1] ?? '')}:${match[2]} ${match[3]}`);
    else if (/^error /.test(line)) found.push(line);
  }
  return found.sort();
}

/** The errors that the fixtures announce; `TS1|TS2` where compilers disagree about the number. */
function announced(): string[] {
  const found: string[] = [];
  for (const file of readdirSync(fixtures)) {
    const lines = readFileSync(join(fixtures, file), 'utf8').split('\n');
    for (const [index, line] of lines.entries()) {
      const match = /\/\/ error: (TS.*)$/.exec(line);
      for (const code of match?.[1]?.split(' ') ?? []) found.push(`${file}:${index + 1} ${code}`);
    }
  }
  return found.sort();
}

function fits(found: string, error: string): boolean {
  const [place, codes = ''] = error.split(' ');
  return codes.split('|').some((code) => found === `${place} ${code}`);
}

describe(`the types of models (${relative(root, fixtures)})`, () => {
  for (const [name, compiler] of Object.entries(compilers)) {
    for (const [mode, options] of Object.entries(modes)) {
      it(`refuse what they should, and nothing else: ${name}, ${mode} decorators`, async function () {
        this.timeout(60_000);
        const found = await compile(compiler, options, `${name} ${mode}`);
        const expected = announced().map((error) => found.find((one) => fits(one, error)) ?? error);
        expect(found).to.deep.equal(expected);
      });
    }
  }
});
