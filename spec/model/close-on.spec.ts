import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

const program = fileURLToPath(new URL('./fixtures/close-on-signal.js', import.meta.url));

/** Runs the program, sends signals once it saves, and gives what it said and how it ended. */
function run(...signals: NodeJS.Signals[]): Promise<{ said: string; ended: NodeJS.Signals | number | null }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'inherit'] });
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      if (said === '') for (const signal of signals) child.kill(signal);
      said += text;
    });
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ said, ended: signal ?? code }));
  });
}

describe('closeOn', () => {
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    it(`writes what is being saved before ${signal} ends the process`, async () => {
      expect(await run(signal)).to.deep.equal({ said: 'saving 0\nwritten 1\nwritten 2\n', ended: signal });
    });
  }

  it('waits once where the signal comes twice', async () => {
    const { said, ended } = await run('SIGTERM', 'SIGTERM');
    expect([said, ended]).to.deep.equal(['saving 0\nwritten 1\nwritten 2\n', 'SIGTERM']);
  });
});
