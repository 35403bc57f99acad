import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { files } from 'keepsake';
import { all, Folders } from '../../support/folders.js';

const SAVER = fileURLToPath(new URL('../../support/files-saver.js', import.meta.url));

describe('files: a process that is killed', function () {
  this.timeout(60_000);
  const folders = new Folders();
  afterEach(() => folders.clearAway());

  for (const durability of ['file', 'none', 'journal'] as const) {
    it(`leaves every acknowledged value in place, and whole, with durability '${durability}'`, async () => {
      const folder = folders.make();
      const acknowledged = new Map<string, number>();
      for (let round = 0; round < 25; round++) {
        await killedSaver(folder, durability, round * 1_000_000, acknowledged);
        // What a journal holds comes to the files when the folder is opened.
        if (durability === 'journal')
          await files(folder, { extension: '.json' })
            .open()
            .then((backend) => backend.close());
        check(folder, acknowledged);
      }
      expect(acknowledged.size).to.be.above(500);
      const left = temporaries(folder);
      const backend = folders.open(folder, { extension: '.json', clock: () => Date.now() + 61_000 });
      const keys = await all(backend.keys());
      expect(keys.every((key) => /^user:\d:\d+$/.test(key))).to.equal(true);
      for (const key of acknowledged.keys()) expect(keys).to.include(key);
      for (let waited = 0; waited < 1000 && left.some((path) => existsSync(path)); waited++) {
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      expect(temporaries(folder)).to.deep.equal([]);
    });
  }
});

function killedSaver(
  folder: string,
  durability: string,
  first: number,
  acknowledged: Map<string, number>,
): Promise<void> {
  const child = spawn(process.execPath, [SAVER, folder, durability, String(first)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return new Promise((resolve, reject) => {
    let rest = '';
    let armed = false;
    child.stdout.on('data', (chunk) => {
      if (!armed) setTimeout(() => child.kill('SIGKILL'), Math.random() * 200);
      armed = true;
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const [key = '', number] = line.split(' ');
        acknowledged.set(key, Math.max(Number(number), acknowledged.get(key) ?? -1));
      }
    });
    child.on('error', reject);
    child.on('close', (_, signal) => (signal === 'SIGKILL' ? resolve() : reject(new Error(`ended by ${signal}`))));
  });
}

function check(folder: string, acknowledged: Map<string, number>): void {
  for (const [key, number] of acknowledged) {
    const [, group, index] = key.split(':');
    const saved = JSON.parse(readFileSync(join(folder, 'user', String(group), `${index}.json`), 'utf8'));
    expect(saved.key).to.equal(key);
    expect(saved.number).to.be.at.least(number);
  }
}

function temporaries(folder: string): string[] {
  const names = readdirSync(folder, { recursive: true }).map((name) => join(folder, String(name)));
  return names.filter((path) => path.includes('%t'));
}
