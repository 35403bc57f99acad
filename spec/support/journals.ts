import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { crc32 } from 'node:zlib';
import type { FilesOptions } from 'keepsake';
import type { Step } from './journal-writer.js';

const WRITER = fileURLToPath(new URL('./journal-writer.js', import.meta.url));
const SECTOR = 512;

/** Lets a process write to a folder by a journal, and die by SIGKILL without closing it; by default before a file follows. */
export function writeAndDie(
  folder: string,
  steps: readonly Step[],
  options: FilesOptions = {},
  end = 'kill',
): Promise<void> {
  const given = JSON.stringify({ visibleWithin: '1h', checkpointEvery: '1h', segmentSize: 2 ** 16, ...options });
  const child = spawn(process.execPath, [WRITER, folder, given, end], {
    stdio: ['pipe', 'inherit', 'inherit'],
    timeout: 20_000,
    killSignal: 'SIGABRT',
  });
  child.stdin.end(JSON.stringify(steps));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      if (end === 'kill' ? signal === 'SIGKILL' : code === 0) resolve();
      else reject(new Error(`the writer ended by ${signal ?? code}`));
    });
  });
}

/** The paths of the segments of a folder's journal. */
export function segments(folder: string): string[] {
  const journal = join(folder, '.keepsake', 'journal');
  const names = readdirSync(journal).filter((name) => name.startsWith('segment-'));
  return names.sort().map((name) => join(journal, name));
}

/** Lets a journal be of before the system started. */
export function rebooted(folder: string): void {
  for (const path of segments(folder)) {
    const bytes = readFileSync(path);
    const header = JSON.parse(bytes.toString('utf8', 9, bytes.indexOf(10)));
    const text = Buffer.from(JSON.stringify({ ...header, boot: 'another boot' }));
    bytes.fill(0, 0, SECTOR);
    bytes.write(`${crc32(text).toString(16).padStart(8, '0')} ${text}\n`);
    writeFileSync(path, bytes, { flag: 'r+' });
  }
}

/** Where the frames of a segment start. */
export function framesOf(path: string): number[] {
  const bytes = readFileSync(path);
  const found: number[] = [];
  for (let at = 2 * SECTOR; at < bytes.length; at += SECTOR) if (bytes.readUInt32LE(at) === 0x6b70_6a66) found.push(at);
  return found;
}

/** Changes a byte of a file. */
export function damage(path: string, at: number): void {
  const bytes = readFileSync(path);
  bytes[at] = (bytes[at] ?? 0) ^ 0xff;
  writeFileSync(path, bytes, { flag: 'r+' });
}
