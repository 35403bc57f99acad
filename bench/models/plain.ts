import type { Person, PersonDict } from './person.js';

export class PlainAddress {
  street = '';
  city = '';
  zip = '';
}

/** What a program would write that does without any library. */
export class PlainUser implements Person {
  readonly key: string;
  name = '';
  email = '';
  age = 0;
  score = 0;
  admin = false;
  joined = new Date(0);
  address = new PlainAddress();
  tags: string[] = [];
  biography = '';
  visits = 0;

  constructor(key: string) {
    this.key = key;
  }

  static create(key: string, values: Person): PlainUser {
    const user = new PlainUser(key);
    user.name = values.name;
    user.email = values.email;
    user.age = values.age;
    user.score = values.score;
    user.admin = values.admin;
    user.joined = values.joined;
    user.address = values.address;
    user.tags = values.tags;
    user.biography = values.biography;
    user.visits = values.visits;
    return user;
  }

  static fromDict(key: string, dict: PersonDict): PlainUser {
    const user = new PlainUser(key);
    user.name = dict.name;
    user.email = dict.email;
    user.age = dict.age;
    user.score = dict.score;
    user.admin = dict.admin;
    user.joined = new Date(dict.joined);
    user.address.street = dict.address.street;
    user.address.city = dict.address.city;
    user.address.zip = dict.address.zip;
    user.tags = dict.tags;
    user.biography = dict.biography;
    user.visits = dict.visits;
    return user;
  }
}
