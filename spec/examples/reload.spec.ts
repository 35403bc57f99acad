import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import { until } from '../support/generations.js';

describe('examples/reload', function () {
  this.timeout(60_000);

  it('greets on with the class of the moment', async () => {
    mkdirSync('build', { recursive: true });
    // Within the project, so that its name is found.
    const folder = mkdtempSync(join('build', 'reload-'));
    cpSync('examples/reload', folder, { recursive: true });
    const child = spawn(process.execPath, [join(folder, 'main.mjs')], { stdio: ['ignore', 'pipe', 'pipe'] });
    const ended = once(child, 'exit');
    const lines: string[] = [];
    for (const input of [child.stdout, child.stderr]) createInterface({ input }).on('line', (line) => lines.push(line));
    const greeter = join(folder, 'greeter.mjs');
    const good = readFileSync(greeter, 'utf8');
    try {
      await until(() => lines.some((line) => line.startsWith('Hello')), 'a greeting');
      // The watcher may not have begun yet.
      for (let time = 0; time < 20 && !lines.some((line) => line.startsWith('Good day')); time++) {
        writeFileSync(greeter, good.replace('Hello', 'Good day'));
        await wait(1000);
      }
      writeFileSync(greeter, 'const = ;');
      await until(() => lines.some((line) => line.startsWith('SyntaxError')), 'an error');
      const greeted = lines.length;
      await until(() => lines.slice(greeted).some((line) => line.startsWith('Good day')), 'the former greeting');
      writeFileSync(greeter, good.replace('Hello', 'Welcome back'));
      await until(() => lines.some((line) => line.startsWith('Welcome back')), 'a mended greeting');
      const counts = lines.flatMap((line) => /the (\d+)\. time/.exec(line)?.[1] ?? []);
      expect(counts).to.deep.equal(counts.map((_, index) => String(index + 1)));
    } finally {
      child.kill();
      await ended;
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
