import 'reflect-metadata';
import { Field, type Service, Store, StoredIn, types } from 'keepsake';

/** The class of keepsake by decorators; compiled in both of TypeScript's modes. */
export function declareDecorated(service: Service) {
  class Address {
    @Field() street = '';
    @Field() city = '';
    @Field() zip = '';
  }

  @StoredIn(service)
  class User extends Store {
    @Field() name = '';
    @Field() email = '';
    @Field() age = 0;
    @Field() score = 0;
    @Field() admin = false;
    @Field({ type: types.date }) joined = new Date(0);
    @Field({ type: () => Address }) address = new Address();
    @Field() tags: string[] = [];
    @Field() biography = '';
    @Field() visits = 0;
  }

  return { User, Address };
}
