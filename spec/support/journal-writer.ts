/*
 * Writes to a folder by a journal, and dies by SIGKILL, or ends without closing it.
 * Arguments: folder, options of `files` as JSON, and how it ends: 'kill' or 'exit'. The steps come as JSON on its standard input.
 */
import { readFileSync } from 'node:fs';
import { files } from 'keepsake';

/** What the writer is to do. */
export type Step =
  | readonly ['set', key: string, value: string, ttl?: number]
  | readonly ['setMany', entries: readonly (readonly [string, string])[]]
  | readonly ['setBase64', key: string, value: string]
  | readonly ['delete', key: string]
  | readonly ['follow'];

const [folder = '', options = '{}', end = 'kill'] = process.argv.slice(2);
const backend = files(folder, { extension: '.json', ...JSON.parse(options), durability: 'journal' });
for (const step of JSON.parse(readFileSync(0, 'utf8')) as Step[]) {
  if (step[0] === 'set') await backend.set(step[1], step[2], step[3] === undefined ? {} : { ttl: step[3] });
  else if (step[0] === 'setMany') await backend.setMany(step[1], { atomic: true });
  else if (step[0] === 'setBase64') await backend.set(step[1], Buffer.from(step[2], 'base64'));
  else if (step[0] === 'delete') await backend.delete(step[1]);
  // A listing shows what is safe, so the files come up to date before it.
  else await backend.count();
}
if (end === 'kill') process.kill(process.pid, 'SIGKILL');
