// Builds keepsake, installs the peers where that is due, and runs the benchmarks: `npm run bench -- [parts] [--quick] [--fresh] [--folder=path]`.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const bench = dirname(fileURLToPath(import.meta.url));
const root = dirname(bench);
const built = join(root, 'build', 'bench');

/** Runs a program to its end, and ends this one with its code where it fails. */
function run(program, parameters, folder) {
  try {
    execFileSync(program, parameters, { cwd: folder, stdio: 'inherit', shell: process.platform === 'win32' });
  } catch (error) {
    process.exit(error.status ?? 1);
  }
}

function installPeers() {
  const lock = createHash('sha256')
    .update(readFileSync(join(bench, 'package-lock.json')))
    .digest('hex');
  const stamp = join(bench, 'node_modules', '.lock-digest');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return;
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], bench);
  writeFileSync(stamp, lock);
}

/** Compiled files find `keepsake` through the package that they lie in, and the peers through this link. */
function linkPeers() {
  mkdirSync(built, { recursive: true });
  symlinkSync(join(bench, 'node_modules'), join(built, 'node_modules'), 'junction');
}

installPeers();
rmSync(built, { recursive: true, force: true });
run('npm', ['run', 'build', '--silent'], root);
for (const project of ['tsconfig.json', 'tsconfig.legacy.json']) {
  run(process.execPath, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', join(bench, project)], root);
}
linkPeers();
run(process.execPath, [join(built, 'standard', 'main.js'), ...process.argv.slice(2)], root);
