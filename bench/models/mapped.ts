import { EntitySchema as MikroSchema } from '@mikro-orm/core';
import { MikroORM } from '@mikro-orm/libsql';
import { DataSource, type Repository, EntitySchema as TypeSchema } from 'typeorm';

class Address {
  street = '';
  city = '';
  zip = '';
}

export class MappedUser {
  key = '';
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
}

/** TypeORM's repository, over sql.js in memory, which is never asked for anything. */
export async function openTypeOrm(): Promise<Repository<MappedUser>> {
  const address = new TypeSchema<Address>({
    name: 'Address',
    target: Address,
    columns: { street: { type: 'text' }, city: { type: 'text' }, zip: { type: 'text' } },
  });
  const user = new TypeSchema<MappedUser>({
    name: 'User',
    target: MappedUser,
    columns: {
      key: { type: 'text', primary: true },
      name: { type: 'text' },
      email: { type: 'text' },
      age: { type: 'integer' },
      score: { type: 'real' },
      admin: { type: 'boolean' },
      joined: { type: 'datetime' },
      tags: { type: 'simple-json' },
      biography: { type: 'text' },
      visits: { type: 'integer' },
    },
    embeddeds: { address: { schema: address } },
  });
  const source = await new DataSource({ type: 'sqljs', entities: [user] }).initialize();
  return source.getRepository(MappedUser);
}

/** MikroORM, over libsql in memory, which is never asked for anything. */
export function openMikroOrm(): Promise<MikroORM> {
  const address = new MikroSchema<Address>({
    class: Address,
    embeddable: true,
    properties: { street: { type: 'text' }, city: { type: 'text' }, zip: { type: 'text' } },
  });
  const user = new MikroSchema<MappedUser>({
    class: MappedUser,
    properties: {
      key: { type: 'text', primary: true },
      name: { type: 'text' },
      email: { type: 'text' },
      age: { type: 'integer' },
      score: { type: 'float' },
      admin: { type: 'boolean' },
      joined: { type: 'datetime' },
      address: { kind: 'embedded', entity: () => Address },
      tags: { type: 'json' },
      biography: { type: 'text' },
      visits: { type: 'integer' },
    },
  });
  return MikroORM.init({ dbName: ':memory:', entities: [address, user], debug: false });
}
