// Installs the servers that the specs of the engines use, from Debian and Maven Central, without starting any. Does nothing, and quickly, where
// they are there already. Another source of servers is another entry of INSTALLERS.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Programs that the specs start, and the Debian packages that they come from. */
const PACKAGES = [
  { name: 'redis-server', programs: ['redis-server', 'redis-cli'] },
  { name: 'memcached', programs: ['memcached'] },
  { name: 'mariadb-server', programs: ['mariadbd', 'mariadb-install-db'] },
  { name: 'postgresql', programs: ['postgres', 'initdb'] },
  { name: 'openssl', programs: ['openssl'] },
  { name: 'ceph-mon', programs: ['ceph-mon', 'ceph', 'ceph-authtool', 'monmaptool'] },
  { name: 'ceph-osd', programs: ['ceph-osd'] },
  { name: 'radosgw', programs: ['radosgw', 'radosgw-admin'] },
  { name: 'default-jre-headless', programs: ['java'], needed: () => wantedJars().length > 0 },
  { name: 'maven', programs: ['mvn'], needed: () => missingJars().length > 0 },
  { name: 'curl', programs: ['curl'] },
  { name: 'chromium', programs: ['chromium'] },
];

/**
 * Servers in Java, from Maven Central, each in a folder of `build/servers`. Of MongoDB there is no package for Debian: this one is an emulator
 * of it, not needed where there is a `mongod`, or a server is named by `variable`. Rhino runs the script that starts it on a port of our choice.
 */
const JARS = [
  {
    name: 'mongodb',
    program: 'mongod',
    variable: 'KEEPSAKE_MONGODB_URL',
    artifacts: ['de.bwaldvogel:mongo-java-server:1.47.0', 'org.mozilla:rhino:1.7.15'],
  },
];

/** What is looked for, and installed where it is missing: each says what is missing, and gets it. */
const INSTALLERS = [
  { missing: missingPackages, install: installPackages },
  { missing: missingJars, install: installJars },
];

for (const { missing, install } of INSTALLERS) {
  const names = missing();
  if (names.length > 0) install(names);
  const left = missing();
  if (left.length > 0) fail(`${left.join(', ')} should be installed now, but the programs are not found`);
}

function missingPackages() {
  return PACKAGES.filter(({ programs, needed = () => true }) => !programs.every(isThere) && needed()).map(
    ({ name }) => name,
  );
}

function isThere(program) {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/bin', ...postgresFolders()];
  return folders.some((folder) => folder !== '' && existsSync(join(folder, program)));
}

function wantedJars() {
  return JARS.filter(({ program, variable }) => !isThere(program) && process.env[variable] === undefined);
}

function missingJars() {
  return wantedJars()
    .filter(({ name }) => !existsSync(join(jarsOf(name), 'complete')))
    .map(({ name }) => name);
}

function jarsOf(name) {
  return fileURLToPath(new URL(`../build/servers/${name}`, import.meta.url));
}

function installJars(names) {
  for (const { name, artifacts } of JARS.filter((server) => names.includes(server.name))) {
    console.log(`installing ${artifacts.join(', ')}`);
    const folder = jarsOf(name);
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    const dependencies = artifacts.map((artifact) => {
      const [group, id, version] = artifact.split(':');
      return `<dependency><groupId>${group}</groupId><artifactId>${id}</artifactId><version>${version}</version></dependency>`;
    });
    const head = '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>';
    const self = `<groupId>keepsake</groupId><artifactId>${name}</artifactId><version>1</version>`;
    writeFileSync(
      join(folder, 'pom.xml'),
      `${head}${self}<dependencies>${dependencies.join('')}</dependencies></project>\n`,
    );
    const copy = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies';
    execFileSync('mvn', ['-q', '-B', copy, '-DoutputDirectory=.', '-DincludeScope=runtime'], {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    // Written last, so that what was cut short is not taken for whole.
    writeFileSync(join(folder, 'complete'), '');
  }
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
