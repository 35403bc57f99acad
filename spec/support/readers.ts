import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const interpreter = join('build', 'readers', process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python');

/** Skips a spec that needs Python's readers, where `node scripts/install-readers.mjs` has not been run. */
export function needsReaders(context: Mocha.Context): void {
  if (existsSync(interpreter)) return;
  console.log('      (run `node scripts/install-readers.mjs` for the specs that read with Python)');
  context.skip();
}

/** What a program of Python prints, which finds `file` in `sys.argv[1]`. */
export function python(program: string, file: string): string {
  return execFileSync(interpreter, ['-c', program, file], { encoding: 'utf8' }).trim();
}

/** Whether a tool is installed. */
export function hasTool(name: string): boolean {
  return spawnSync(name, ['--version'], { stdio: 'ignore' }).error === undefined;
}

/** What a tool prints when it is given a file that holds `bytes`. */
export function tool(name: string, parameters: readonly string[], file: string, bytes: Uint8Array): Buffer {
  writeFileSync(file, bytes);
  return execFileSync(name, [...parameters, file]);
}
