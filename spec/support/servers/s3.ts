import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { findProgram, freePorts, inFolder, output, type Server, ServerProcess } from './server.js';

/** The environment variable that names a server to use instead of one of ours: `http://key:secret@host:port/bucket`. */
const VARIABLE = 'KEEPSAKE_S3_URL';

/** A server of S3 with a bucket of its own. */
export interface S3Server extends Server {
  readonly host: string;
  readonly port: number;
  readonly bucket: string;
  /** What the backend needs to be let in. */
  readonly access: {
    readonly endpoint: string;
    readonly region: string;
    readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  };
}

/**
 * The server that `KEEPSAKE_S3_URL` names, or a Ceph of ours: one monitor, one storage in memory, and the gateway that speaks S3. It
 * checks the conditions of writes, but not those of deletes.
 */
export async function startS3(): Promise<S3Server> {
  const named = process.env[VARIABLE];
  if (named !== undefined) return namedS3(named);
  const programs = ['ceph-mon', 'ceph-osd', 'radosgw', 'radosgw-admin', 'ceph', 'ceph-authtool', 'monmaptool'] as const;
  const [mon, osd, gateway, admin, ceph, authtool, monmaptool] = programs.map((name) =>
    findProgram(name, VARIABLE),
  ) as [...string[]] as [string, string, string, string, string, string, string];
  const credentials = { accessKeyId: 'keepsake', secretAccessKey: 'keepsake-secret' };
  const { started, folder } = await inFolder(async (path) => {
    const [port, monitor] = (await freePorts(2)) as [number, number];
    const id = randomUUID();
    const storage = randomUUID();
    const configuration = join(path, 'ceph.conf');
    const keyring = join(path, 'keyring');
    const map = join(path, 'monmap');
    writeFileSync(configuration, configure(path, id, port, monitor));
    const run = (program: string, ...parameters: string[]) =>
      output(program, parameters, { asOtherUser: true, cwd: path });
    for (const name of ['mon', 'osd', 'rgw']) await run('/bin/mkdir', join(path, name));
    await run(monmaptool, '--create', '--fsid', id, '--addv', 'a', `[v2:127.0.0.1:${monitor}]`, map);
    await run(authtool, '--create-keyring', keyring, '--gen-key', '-n', 'mon.', '--cap', 'mon', 'allow *');
    for (const name of ['client.admin', 'osd.0']) {
      const may = ['mon', 'osd'].flatMap((part) => ['--cap', part, 'allow *']);
      await run(authtool, keyring, '--gen-key', '-n', name, ...may);
    }
    const common = ['-c', configuration];
    await run(mon, ...common, '--mkfs', '-i', 'a', '--monmap', map, '--keyring', keyring);
    const processes: ServerProcess[] = [];
    const start = async (program: string, parameters: readonly string[], ready: () => Promise<boolean>) => {
      processes.push(
        await ServerProcess.start({
          program,
          parameters: [...common, '-f', ...parameters],
          cwd: path,
          asOtherUser: true,
          ready,
        }),
      );
    };
    try {
      await start(mon, ['-i', 'a'], () => listens(monitor));
      await run(ceph, ...common, 'osd', 'new', storage);
      await run(osd, ...common, '-i', '0', '--mkfs', '--osd-uuid', storage);
      await start(osd, ['-i', '0'], async () => true);
      const key = ['--access-key', credentials.accessKeyId, '--secret-key', credentials.secretAccessKey];
      await run(admin, ...common, 'user', 'create', '--uid', 'keepsake', '--display-name', 'keepsake', ...key);
      await start(gateway, ['-n', 'client.admin'], () => listens(port));
      await createBucket(port, credentials);
    } catch (error) {
      for (const process of processes) await process.kill();
      throw error;
    }
    return { processes, process: processes.at(-1) as ServerProcess, port };
  });
  const [, version] = /version (\S+)/.exec(await output(gateway, ['--version'])) ?? [];
  return {
    ...started,
    host: '127.0.0.1',
    url: 's3://keepsake',
    bucket: 'keepsake',
    access: { endpoint: `http://127.0.0.1:${started.port}`, region: 'us-east-1', credentials },
    version: `Ceph Object Gateway ${version}`,
    stop: async () => {
      for (const process of started.processes.reverse()) await process.kill();
      await folder.remove();
    },
  };
}

async function createBucket(port: number, credentials: S3Server['access']['credentials']): Promise<void> {
  const client = new S3Client({
    endpoint: `http://127.0.0.1:${port}`,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials,
  });
  await client.send(new CreateBucketCommand({ Bucket: 'keepsake' }));
  client.destroy();
}

async function listens(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } finally {
    socket.destroy();
  }
}

/** A cluster of one, that decides at once, keeps few things in order, and cleans nothing up. */
function configure(path: string, id: string, port: number, monitor: number): string {
  return `[global]
fsid = ${id}
mon host = v2:127.0.0.1:${monitor}
mon initial members = a
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind msgr1 = false
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
keyring = ${path}/keyring
run dir = ${path}
admin socket = ${path}/$name.asok
pid file = ${path}/$name.pid
log file = /dev/null
mon cluster log file = /dev/null
err to stderr = true
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon max pg per osd = 5000
mon data avail crit = 1
mon data avail warn = 2
paxos propose interval = 0.01
paxos min wait = 0.01
[mon.a]
mon data = ${path}/mon
[osd.0]
osd data = ${path}/osd
osd objectstore = memstore
memstore device bytes = 2147483648
[client.admin]
rgw data = ${path}/rgw
rgw frontends = beast endpoint=127.0.0.1:${port} tcp_nodelay=1
rgw thread pool size = 64
rgw enable usage log = false
rgw dynamic resharding = false
rgw gc max objs = 1
rgw lc max objs = 1
rgw usage max shards = 1
rgw md log max shards = 1
rgw data log num shards = 1
rgw reshard num logs = 1
rgw override bucket index max shards = 1
rgw run sync thread = false
rgw enable quota threads = false
rgw enable gc threads = false
rgw enable lc threads = false
`;
}

function namedS3(url: string): S3Server {
  const { protocol, host, hostname, port, username, password, pathname } = new URL(url);
  const credentials = { accessKeyId: decodeURIComponent(username), secretAccessKey: decodeURIComponent(password) };
  const bucket = pathname.slice(1);
  return {
    url: `s3://${bucket}`,
    host: hostname,
    port: Number(port || (protocol === 'https:' ? 443 : 80)),
    bucket,
    access: { endpoint: `${protocol}//${host}`, region: process.env.AWS_REGION ?? 'us-east-1', credentials },
    version: `S3, at ${VARIABLE}`,
    stop: async () => undefined,
  };
}
