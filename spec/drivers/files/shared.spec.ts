import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { Folders, text } from '../../support/folders.js';

const SHARER = fileURLToPath(new URL('../../support/files-sharer.js', import.meta.url));
const ROUNDS = 2500;

/** What a key holds: the write that it started with, and the updates since. */
interface Value {
  readonly base: string;
  readonly chain: readonly string[];
}

/** An operation of one of the processes. One that was not acknowledged ends never: it may have taken effect at any time. */
interface Operation {
  readonly id: string;
  readonly kind: 'set' | 'update' | 'absent' | 'expiring' | 'touch' | 'get' | 'count';
  readonly key: string;
  readonly start: number;
  end: number;
  result?: unknown;
}

describe('files: two processes that share a folder', function () {
  this.timeout(120_000);
  const folders = new Folders();
  afterEach(() => folders.clearAway());

  it('undo no acknowledged write of the other', async () => {
    const folder = folders.make();
    const logs = folders.make();
    await Promise.all(['a', 'b'].map((writer) => ended(sharer(folder, logs, writer))));
    const operations = readLogs(logs);
    expect(operations.filter((one) => one.kind !== 'get' && one.kind !== 'count')).to.have.length(2 * ROUNDS * 5);
    checkHistory(operations);
    expect(readdirSync(join(folder, '.keepsake', 'locks'))).to.deep.equal([]);
    await checkCounters(folder, operations, 0);
  });

  it('undo none either when one is killed amid its work, and the other takes its locks over', async () => {
    const folder = folders.make();
    const logs = folders.make();
    const [victim, survivor] = ['a', 'b'].map((writer) => sharer(folder, logs, writer)) as [ChildProcess, ChildProcess];
    const end = ended(survivor);
    while (readdirSync(logs).length < 2 || statSync(join(logs, 'a')).size < 300_000) await pause(5);
    victim.kill('SIGKILL');
    await end;
    const operations = readLogs(logs);
    const unfinished = operations.filter((one) => one.end === Number.POSITIVE_INFINITY);
    expect(unfinished.length).to.be.within(1, 8);
    checkHistory(operations);
    await checkCounters(folder, operations, 8);
  });

  function sharer(folder: string, logs: string, writer: string): ChildProcess {
    return spawn(process.execPath, [SHARER, folder, writer, String(ROUNDS), join(logs, writer)], { stdio: 'inherit' });
  }

  async function checkCounters(folder: string, operations: Operation[], tolerance: number): Promise<void> {
    const backend = folders.open(folder, { shared: true });
    const counts = operations.filter((one) => one.kind === 'count');
    const acknowledged = counts.filter((one) => one.end < Number.POSITIVE_INFINITY);
    expect(new Set(acknowledged.map((one) => `${one.key} ${one.result}`)).size).to.equal(acknowledged.length);
    let total = 0;
    for (const key of ['c0', 'c1', 'c2', 'c3']) total += Number(await text(backend, key));
    expect(total).to.be.within(acknowledged.length, Math.min(acknowledged.length + tolerance, counts.length));
  }
});

/**
 * Whatever is seen must be explained by what can have been the last write. A value names the write that it started with, and the updates
 * since. Seen after an acknowledged write had ended, it must hold that write, or come from one that did not end before that one began.
 */
function checkHistory(operations: Operation[]): void {
  const byId = new Map(operations.map((one) => [one.id, one]));
  for (const key of new Set(operations.filter((one) => one.kind !== 'count').map((one) => one.key))) {
    const here = operations.filter((one) => one.key === key);
    const writes = here.filter(
      (one) =>
        one.kind === 'set' ||
        one.kind === 'expiring' ||
        one.kind === 'update' ||
        (one.kind === 'absent' && one.result === true),
    );
    const ends = here.filter((one) => one.kind === 'expiring' || one.kind === 'touch');
    for (const seen of here) {
      const value = seenValue(seen);
      if (value === undefined) continue;
      for (const write of writes) {
        if (write.end >= seen.start) continue;
        if (value === null) {
          if (!mayBeGone(write, seen, ends, byId)) throw new Error(`${write.id} is gone at ${seen.id}`);
        } else if (value.base !== write.id && !value.chain.includes(write.id)) {
          const base = byId.get(value.base) as Operation;
          if (base.end < write.start) throw new Error(`${write.id} is undone at ${seen.id} by ${base.id}`);
          // An update of the same base is in the chain, or it was undone.
          const stored = write.kind === 'update' ? (write.result as Value | undefined) : undefined;
          if (stored?.base === value.base) throw new Error(`${write.id} is lost at ${seen.id}`);
        }
      }
    }
  }
}

/** What an operation saw: `null` for nothing there, `undefined` for an operation that tells nothing. */
function seenValue(seen: Operation): Value | null | undefined {
  if (seen.kind === 'absent') return seen.result === true ? null : undefined;
  return seen.kind === 'get' || seen.kind === 'update' ? (seen.result as Value | null | undefined) : undefined;
}

/**
 * An entry may be gone by its own deadline, or one that another write or touch gave it that did not end before. An update keeps the
 * deadline of what it changed.
 */
function mayBeGone(write: Operation, seen: Operation, ends: Operation[], byId: Map<string, Operation>): boolean {
  const base = write.kind === 'update' ? byId.get((write.result as { base: string }).base) : undefined;
  const since = Math.min(write.start, base?.start ?? write.start);
  return ends.some((one) => one === write || one === base || (one.end >= since && one.start <= seen.end));
}

function readLogs(logs: string): Operation[] {
  const operations = new Map<string, Operation>();
  for (const name of readdirSync(logs)) {
    for (const line of readFileSync(join(logs, name), 'utf8').split('\n').slice(0, -1)) {
      const entry = JSON.parse(line);
      if (entry.start !== undefined) operations.set(entry.id, { ...entry, end: Number.POSITIVE_INFINITY });
      else Object.assign(operations.get(entry.id) as Operation, entry);
    }
  }
  return [...operations.values()];
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => (code === 0 ? resolve() : reject(new Error(`ended by ${code ?? signal}`))));
  });
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
