import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { startDynamodb } from './support/servers/dynamodb.js';
import { startMemcached } from './support/servers/memcached.js';
import { startMongodb } from './support/servers/mongodb.js';
import { startMysql } from './support/servers/mysql.js';
import { startPostgres } from './support/servers/postgres.js';
import { startRedis } from './support/servers/redis.js';
import { startS3 } from './support/servers/s3.js';
import { type Server, useServer } from './support/servers/server.js';

/** A program of a page: a block that imports, with the blocks after it that do not. */
interface Program {
  readonly name: string;
  readonly page: string;
  source: string;
}

const pages = ['README.md', ...readdirSync('docs').map((name) => join('docs', name))];

/** Places that the pages name, and the servers that stand in for what is there. */
const places: Readonly<Record<string, () => Promise<Server>>> = {
  'redis://localhost:6379': startRedis,
  'postgres://localhost/app': startPostgres,
  'mysql://localhost/app': startMysql,
  'memcached://localhost:11211': startMemcached,
  'mongodb://localhost:27017': startMongodb,
  'http://localhost:9000': () => startS3().then((server) => ({ ...server, url: server.access.endpoint })),
  'http://localhost:8000': () => startDynamodb().then((server) => ({ ...server, url: server.access.endpoint })),
};

function programsOf(page: string): Program[] {
  const programs: Program[] = [];
  for (const [, block = ''] of readFileSync(page, 'utf8').matchAll(/^```ts\n(.*?)^```$/gms)) {
    const last = programs.at(-1);
    if (block.startsWith('import') || last === undefined) {
      const name = `${page.replace(/[^A-Za-z]+/g, '-')}-${programs.length + 1}`;
      programs.push({ name, page, source: block });
    } else {
      last.source += block;
    }
  }
  return programs;
}

function expectedOf(source: string): string[] {
  return [...source.matchAll(/\/\/ → (.*)$/gm)].map(([, line = '']) => line);
}

describe('the documentation', function () {
  this.timeout(60_000);
  const programs = pages.flatMap(programsOf);
  const folder = join('build', 'docs');
  const work = new Map<string, string>();

  before(() => {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    for (const { name, source } of programs) writeFileSync(join(folder, `${name}.mts`), source);
    const config = {
      extends: '../../examples/tsconfig.json',
      compilerOptions: { outDir: 'compiled', rootDir: '.' },
      include: ['*.mts'],
    };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
    execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', folder], { stdio: 'inherit' });
  });

  after(() => {
    for (const path of work.values()) rmSync(path, { recursive: true, force: true });
  });

  /** The programs of a page share a folder: what one saves, the next finds. */
  function folderOf(page: string): string {
    let path = work.get(page);
    if (path === undefined) {
      path = mkdtempSync(join(tmpdir(), 'keepsake-docs-'));
      work.set(page, path);
    }
    return path;
  }

  /** @param server what stands in for a place */
  function prints({ name, page, source }: Program, place = '', server?: () => string): void {
    it(`prints what ${page} says (${name})`, () => {
      const script = join(process.cwd(), folder, 'compiled', `${name}.mjs`);
      if (server !== undefined) {
        writeFileSync(script, readFileSync(script, 'utf8').replaceAll(place, server()));
      }
      const printed = execFileSync(process.execPath, [script], { cwd: folderOf(page), encoding: 'utf8' });
      expect(printed.trimEnd().split('\n')).to.deep.equal(expectedOf(source));
    });
  }

  const placeOf = ({ source }: Program) => Object.keys(places).find((place) => source.includes(place));
  for (const program of programs) if (placeOf(program) === undefined) prints(program);
  for (const [place, start] of Object.entries(places)) {
    describe(`at ${place}`, () => {
      const using = useServer(start);
      for (const program of programs) if (placeOf(program) === place) prints(program, place, () => using.server.url);
    });
  }

  it('links to pages that are there', () => {
    for (const page of pages) {
      for (const [, target = ''] of readFileSync(page, 'utf8').matchAll(/\]\((?!https?:)([^)#]+)/g)) {
        expect(existsSync(join(page, '..', target)), `${page} → ${target}`).to.equal(true);
      }
    }
  });
});
