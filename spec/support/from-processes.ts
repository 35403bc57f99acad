import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { openBackend } from 'keepsake';
import { text } from './folders.js';

/** What the specs of processes that share an engine need. */
export interface ProcessesOptions {
  /** What `openBackend` takes. */
  readonly place: () => string;
  /** What the processes need in their environment beside. */
  readonly env?: (() => Readonly<Record<string, string>>) | undefined;
  /** How many steps each makes; 60 by default. */
  readonly steps?: number | undefined;
}

/** Declares that four processes which change the same entries lose nothing. */
export function fromProcesses({ place, env = () => ({}), steps = 60 }: ProcessesOptions): void {
  describe('from four processes', () => {
    const before: Record<string, string | undefined> = {};

    beforeEach(() => {
      for (const [name, value] of Object.entries(env())) {
        before[name] = process.env[name];
        process.env[name] = value;
      }
    });

    afterEach(() => {
      for (const [name, value] of Object.entries(before)) {
        if (value === undefined) delete process.env[name];
        else process.env[name] = value;
      }
    });

    it('loses no step of a counter and no update of a document', async function () {
      this.timeout(180_000);
      const worker = fileURLToPath(new URL('./engine-worker.js', import.meta.url));
      const exits = Array.from({ length: 4 }, () => once(fork(worker, [place(), String(steps)]), 'exit'));
      for (const [code] of await Promise.all(exits)) expect(code).to.equal(0);
      const backend = await openBackend(place());
      try {
        const sum = 4 * Array.from({ length: steps }, (_, index) => (index % 3) + 1).reduce((a, b) => a + b, 0);
        expect(await text(backend, 'counter')).to.equal(String(sum));
        expect(JSON.parse((await text(backend, 'document')) ?? '')).to.deep.equal({ sum, steps: 4 * steps });
      } finally {
        await backend.close();
      }
    });
  });
}
