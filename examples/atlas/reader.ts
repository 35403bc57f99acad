// The second process: reads the countries back from their files, answers three questions, and changes one country.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createTwoFilesPatch } from 'diff';
import { Country, folder, service } from './models.js';

const names = (countries: Country[]) => countries.map((country) => country.name.common).join(', ');

const started = performance.now();
for await (const [, country] of Country.saved()) Country.manager.addActive(country);
console.log(
  `A second process read ${Country.active().size} countries in ${Math.round(performance.now() - started)} ms.\n`,
);

console.log(`Which five are the largest?   ${names(Country.manager.largest(5))}`);
const germany = await Country.load('DEU');
if (germany === undefined) throw new Error('Germany is missing');
console.log(`Who are Germany's neighbours? ${names(Country.manager.neighboursOf(germany))}`);
const speakers = Country.manager.byRegion('Africa').filter((country) => country.languages.has('Portuguese'));
console.log(`Who in Africa speaks Portuguese? ${names(speakers)}\n`);

const file = join(folder, 'country', 'deu.json');
const before = await readFile(file, 'utf8');
germany.notes.push(`read by process ${process.pid}`);
await germany.save();
const after = await readFile(file, 'utf8');
console.log('Germany was changed and saved:');
console.log(createTwoFilesPatch(file, file, before, after, 'before', 'after', { context: 2 }));
await service.close();
