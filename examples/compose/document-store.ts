// A site for text documents keeps them in three tiers: a fast store with a replica on each node, for what is hot; a database with eight replicas, for
// what is active; and an archive on files, which is only read. Each node composes the same document store of its own connections.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import {
  type Backend,
  encoded,
  files,
  gzip,
  observed,
  openBackend,
  randomChoice,
  readOnly,
  Statistics,
  text,
  tiered,
  volatile,
  writeOnly,
} from 'keepsake';

// What would be two servers: here two namespaces of one, in memory unless `--backend` names another, such as redis://localhost.
const { values } = parseArgs({ options: { backend: { type: 'string', default: 'memory:' } } });
const server = await openBackend<Uint8Array>(values.backend);
const hotServer = server.namespace('document-store-hot');
const databaseServer = encoded(server.namespace('document-store-database'), text());

const archiveFolder = await mkdtemp(join(tmpdir(), 'keepsake-archive-'));
const archivist = encoded(files(archiveFolder, { extension: '.txt' }), text());
await archivist.set('1999/letter', 'Dear reader of an old letter');
await archivist.close();

/** The document store of one node. */
function documentStore(statistics: Statistics): Backend<string> {
  // Documents are compressed, to save the memory of the hot store, and live there for 5 seconds.
  const hotReplica = readOnly(encoded(observed(hotServer), gzip(text())));
  const hotMaster = writeOnly(encoded(volatile(observed(hotServer), { ttl: '5s' }), gzip(text())));
  const hot = tiered([hotReplica, hotMaster]);

  const replicas = Array.from({ length: 8 }, () => readOnly(observed(databaseServer, { statistics })));
  const database = tiered([randomChoice(replicas), writeOnly(observed(databaseServer))]);

  const archive = readOnly(encoded(files(archiveFolder, { extension: '.txt' }), text()));
  return tiered([hot, database, archive]);
}

const statistics = new Statistics();
const node = documentStore(statistics);
await node.set('2026/report', 'All is well');
console.log(
  `the hot store has ${await hotServer.count()} document, compressed; the database has ${await databaseServer.count()}`,
);

const other = documentStore(new Statistics());
console.log(`another node reads: ${await other.get('2026/report')}`);

console.log(`from the archive: ${await node.get('1999/letter')}`);
console.log(`now it is hot: ${await hotServer.has('1999/letter')}, and in the archive as before`);

await hotServer.clear();
console.log(`with an empty hot store: ${await node.get('2026/report')}`);
console.log(`the replicas of the database were read ${statistics.hits} times with success`);

await node.delete('1999/letter');
console.log(`what the archive holds is seen again after a delete: ${await node.has('1999/letter')}`);

await server.clear({ prefix: 'document-store-' });
await node.close();
await other.close();
await server.close();
await rm(archiveFolder, { recursive: true });
