import { parseArgs } from 'node:util';
import { Field, Manager, openBackend, type Ref, Service, Store, StoredIn, types } from 'keepsake';

const { values, positionals } = parseArgs({ options: { backend: { type: 'string' } }, allowPositionals: true });

/** Where the example keeps its objects: a folder, or the URL of any engine; by default a folder of its own. */
export const place = values.backend ?? positionals[0] ?? 'data/atlas';

export const backend = await openBackend<Uint8Array>(place, { extension: '.json' });
export const service = new Service({ backend });

export class CountryName {
  @Field() common = '';
  @Field() official = '';
  /** The official name in each of the country's languages. */
  @Field({ type: types.map() }) native = new Map<string, unknown>();
}

export class Currency {
  @Field() name = '';
  @Field() symbol = '';
}

export class Coordinates {
  @Field() latitude = 0;
  @Field() longitude = 0;
}

/** The queries of this application. */
class CountryManager extends Manager<Country> {
  byRegion(region: string): Country[] {
    return this.#active().filter((country) => country.region === region);
  }

  neighboursOf(country: Country): Country[] {
    return country.borders.map((border) => border.current).filter((neighbour) => neighbour !== undefined);
  }

  largest(count: number): Country[] {
    return this.#active()
      .sort((one, other) => other.area - one.area)
      .slice(0, count);
  }

  #active(): Country[] {
    return [...this.active().values()];
  }
}

@StoredIn(service)
export class Country extends Store {
  static override readonly manager = new CountryManager();

  @Field({ type: () => CountryName }) name = new CountryName();
  @Field() region = '';
  @Field() subregion = '';
  @Field() capital: string[] = [];
  @Field({ type: types.set() }) languages = new Set<string>();
  @Field({ type: types.map(() => Currency) }) currencies = new Map<string, Currency>();
  @Field({ type: () => Coordinates }) coordinates = new Coordinates();
  /** In square kilometres. */
  @Field() area = 0;
  @Field() landlocked = false;
  @Field() flag = '';
  @Field({ type: types.list(types.ref(() => Country)) }) borders: Ref<Country>[] = [];
  /** What readers wrote about the country. */
  @Field() notes: string[] = [];
}
