/*
 * Changes keys of a folder over and over. Arguments: folder, how many keys, how many rounds. Those of an odd number are deleted in the end.
 */
import { files } from 'keepsake';

const [folder = '', keys = '0', rounds = '0'] = process.argv.slice(2);
const backend = files(folder, { extension: '.json', durability: 'none' });
for (let round = 1; round <= Number(rounds); round++) {
  await backend.setMany(Array.from({ length: Number(keys) }, (_, index) => [`k:${index}`, `${round} of ${index}`]));
}
await backend.deleteMany(Array.from({ length: Number(keys) / 2 }, (_, index) => `k:${2 * index + 1}`));
await backend.close();
