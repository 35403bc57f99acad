import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

const RELOADER = fileURLToPath(new URL('../support/reloader.js', import.meta.url));

function reload(objects: number, reloads: number): Record<string, number | string> {
  const folder = mkdtempSync(join(tmpdir(), 'keepsake-'));
  try {
    const parameters = ['--expose-gc', RELOADER, folder, String(objects), String(reloads)];
    return JSON.parse(execFileSync(process.execPath, parameters, { encoding: 'utf8' }));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

describe('many reloads', function () {
  this.timeout(60_000);

  it('leave no object of a former class alive', () => {
    const told = reload(50, 200);
    expect(told).to.include({ version: '200', name: 'user 0', friend: 'user 1', former: 10_000, collected: 10_000 });
    // What a module and its class take, which Node does not unload.
    expect(told.bytesPerReload).to.be.lessThan(200_000);
  });

  it('take ten thousand objects along', () => {
    const told = reload(10_000, 3);
    expect(told).to.include({ version: '3', name: 'user 0', friend: 'user 1', collected: 30_000 });
  });
});
