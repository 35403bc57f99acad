// Saves the countries of the world as one file each, then lets a second process read them back.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SingleBar } from 'cli-progress';
import worldCountries, { type Country as CountryData } from 'world-countries';
import { backend, Coordinates, Country, CountryName, Currency, place, service } from './models.js';

// The package's types describe its ES module, but Node loads the CommonJS one, which is the array itself.
const countries = worldCountries as unknown as CountryData[];

function fill(country: Country, data: CountryData): void {
  country.name = Object.assign(new CountryName(), {
    common: data.name.common,
    official: data.name.official,
    native: new Map(Object.entries(data.name.native ?? {}).map(([language, name]) => [language, name.official])),
  });
  country.region = data.region;
  country.subregion = data.subregion;
  country.capital = [...(data.capital ?? [])];
  country.languages = new Set(Object.values(data.languages ?? {}));
  country.currencies = new Map(
    Object.entries(data.currencies ?? {}).map(([code, currency]) => [code, Object.assign(new Currency(), currency)]),
  );
  const [latitude, longitude] = data.latlng;
  country.coordinates = Object.assign(new Coordinates(), { latitude, longitude });
  country.area = data.area;
  country.landlocked = data.landlocked;
  country.flag = data.flag;
  country.borders = data.borders.map((code) => Country.ref(code));
  country.notes = [];
}

async function saveAll(): Promise<void> {
  const bar = new SingleBar({ format: 'saving [{bar}] {value}/{total}', noTTYOutput: false });
  bar.start(countries.length, 0);
  await Promise.all(
    countries.map(async (data) => {
      const country = await Country.loadOrCreate(data.cca3);
      fill(country, data);
      await country.save();
      bar.increment();
    }),
  );
  bar.stop();
}

async function readInSecondProcess(): Promise<void> {
  const script = fileURLToPath(new URL('reader.js', import.meta.url));
  const reader = spawn(process.execPath, ['--enable-source-maps', script, '--backend', place], { stdio: 'inherit' });
  const [code] = await once(reader, 'exit');
  if (code !== 0) throw new Error(`the second process ended with ${code}`);
}

const before = (await Country.manager.saved()).size;
console.log(
  before === 0 ? 'A new atlas.' : `An atlas of ${before} countries is there already; it is brought up to date.`,
);
const started = performance.now();
await saveAll();
console.log(`${Country.active().size} countries saved in ${Math.round(performance.now() - started)} ms,`);
const isFolder = !/^[a-z0-9+]{2,}:/i.test(place);
console.log(
  `one ${isFolder ? `file each, such as ${resolve(place, 'country', 'deu.json')}` : 'entry each, such as country:deu'}\n`,
);
await service.close();
await backend.close();

await readInSecondProcess();
