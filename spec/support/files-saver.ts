/*
 * Saves 1,000 keys over and over until it is killed, and says on its standard output what was acknowledged.
 * Arguments: folder, durability, the first number to save.
 */
import { writeSync } from 'node:fs';
import { type FilesOptions, files } from 'keepsake';

type Durability = FilesOptions['durability'];

const [folder = '', durability, first = '0'] = process.argv.slice(2);
const backend = files(folder, { extension: '.json', durability: durability as Durability });
let number = Number(first);

async function save(lane: number): Promise<void> {
  for (let index = Math.floor(Math.random() * 31) * 32 + lane; ; index = (index + 32) % 1000) {
    const mine = number++;
    const key = `user:${index % 10}:${index}`;
    await backend.set(key, JSON.stringify({ key, number: mine, text: 'x'.repeat((mine % 7) * 100) }));
    writeSync(1, `${key} ${mine}\n`);
  }
}

await Promise.all(Array.from({ length: 32 }, (_, lane) => save(lane)));
