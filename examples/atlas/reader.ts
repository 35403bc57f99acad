// The second process: reads the countries back, answers three questions, and changes one country.
import { createTwoFilesPatch } from 'diff';
import { backend, Country, place, service } from './models.js';

const names = (countries: Country[]) => countries.map((country) => country.name.common).join(', ');

const started = performance.now();
for await (const [, country] of Country.saved()) Country.manager.addActive(country);
console.log(
  `A second process read ${Country.active().size} countries in ${Math.round(performance.now() - started)} ms.\n`,
);

console.log(`Which five are the largest?   ${names(Country.manager.largest(5))}`);
const germany = await Country.load('DEU');
if (germany === undefined) throw new Error(`Germany is missing: what ${place} holds, this process does not see`);
console.log(`Who are Germany's neighbours? ${names(Country.manager.neighboursOf(germany))}`);
const speakers = Country.manager.byRegion('Africa').filter((country) => country.languages.has('Portuguese'));
console.log(`Who in Africa speaks Portuguese? ${names(speakers)}\n`);

// What is kept of it, as a person would read it.
const read = async () => Buffer.from((await backend.get('country:deu')) ?? []).toString();
const before = await read();
germany.notes.push(`read by process ${process.pid}`);
await germany.save();
console.log('Germany was changed and saved:');
console.log(createTwoFilesPatch('deu', 'deu', before, await read(), 'before', 'after', { context: 2 }));
await service.close();
await backend.close();
