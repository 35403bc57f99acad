// Installs the servers that the specs of the engines use, as far as Debian has them, without starting any. Does nothing, and quickly, where
// they are there already. Another source of servers is another entry of INSTALLERS.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Programs that the specs start, and the Debian packages that they come from. */
const PACKAGES = [
  { name: 'redis-server', programs: ['redis-server', 'redis-cli'] },
  { name: 'memcached', programs: ['memcached'] },
  { name: 'mariadb-server', programs: ['mariadbd', 'mariadb-install-db'] },
  { name: 'postgresql', programs: ['postgres', 'initdb'] },
  { name: 'openssl', programs: ['openssl'] },
  { name: 'curl', programs: ['curl'] },
  { name: 'chromium', programs: ['chromium'] },
];

/** What is looked for, and installed where it is missing: each says what is missing, and gets it. */
const INSTALLERS = [{ missing: missingPackages, install: installPackages }];

for (const { missing, install } of INSTALLERS) {
  const names = missing();
  if (names.length > 0) install(names);
  const left = missing();
  if (left.length > 0) fail(`${left.join(', ')} should be installed now, but the programs are not found`);
}

function missingPackages() {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/bin', ...postgresFolders()];
  const isThere = (program) => folders.some((folder) => folder !== '' && existsSync(join(folder, program)));
  return PACKAGES.filter(({ programs }) => !programs.every(isThere)).map(({ name }) => name);
}

/** Debian keeps the programs of PostgreSQL out of the PATH, in a folder for each version. */
function postgresFolders() {
  const versions = '/usr/lib/postgresql';
  return existsSync(versions) ? readdirSync(versions).map((version) => join(versions, version, 'bin')) : [];
}

function installPackages(names) {
  if (!existsSync('/usr/bin/apt-get')) {
    fail(`this is no Debian; install by hand, with the programs on the PATH: ${names.join(', ')}`);
  }
  if (process.getuid?.() !== 0) fail(`only root installs packages: sudo apt-get install ${names.join(' ')}`);
  console.log(`installing ${names.join(', ')}`);
  withoutServices(() => {
    const run = (...parameters) =>
      execFileSync('apt-get', ['-qq', '-o', 'DPkg::Lock::Timeout=300', ...parameters], {
        stdio: ['ignore', 'ignore', 'inherit'],
        env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      });
    run('update');
    run('install', '--yes', '--no-install-recommends', ...names);
  });
}

/** Debian starts what it installs, unless this policy says no. */
function withoutServices(work) {
  const policy = '/usr/sbin/policy-rc.d';
  const ours = !existsSync(policy);
  if (ours) writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    work();
  } finally {
    if (ours) rmSync(policy, { force: true });
  }
}

function fail(message) {
  console.error(`servers:install: ${message}`);
  process.exit(1);
}
