import { Field, type Service, Store, types } from 'keepsake';

/** The class of keepsake without decorators, as plain JavaScript has it. */
export function declareUndecorated(service: Service) {
  class Address {
    street = '';
    city = '';
    zip = '';
  }
  for (const name of ['street', 'city', 'zip']) Field()(Address.prototype as never, name as never);

  const User = service.register(
    class User extends Store {
      name = '';
      email = '';
      age = 0;
      score = 0;
      admin = false;
      joined = new Date(0);
      address = new Address();
      tags: string[] = [];
      biography = '';
      visits = 0;
    },
    {
      fields: {
        name: Field(),
        email: Field(),
        age: Field(),
        score: Field(),
        admin: Field(),
        joined: Field({ type: types.date }),
        address: Field({ type: () => Address }),
        tags: Field(),
        biography: Field(),
        visits: Field(),
      },
    },
  );
  return { User, Address };
}
