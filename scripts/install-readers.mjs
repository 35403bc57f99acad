// Installs the readers of other languages that the specs hold our files against, into build/readers: Python's msgpack and pyarrow. Does
// nothing where they are there already.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PACKAGES = ['msgpack==1.2.4', 'pyarrow==26.0.1'];
const folder = fileURLToPath(new URL('../build/readers', import.meta.url));
const stamp = join(folder, 'installed.txt');
const wanted = PACKAGES.join('\n');

if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) process.exit(0);
rmSync(folder, { recursive: true, force: true });
const run = (command, ...parameters) => execFileSync(command, parameters, { stdio: ['ignore', 'inherit', 'inherit'] });
const windows = process.platform === 'win32';
run(windows ? 'python' : 'python3', '-m', 'venv', folder);
const python = join(folder, windows ? 'Scripts/python.exe' : 'bin/python');
run(python, '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--only-binary=:all:', ...PACKAGES);
writeFileSync(stamp, wanted);
console.log(`${PACKAGES.join(', ')} in ${folder}`);
