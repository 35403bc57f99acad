/** The fields that all contestants have: ten, one of them a Date, one a nested object, one an array. */
export interface Person {
  name: string;
  email: string;
  age: number;
  score: number;
  admin: boolean;
  joined: Date;
  address: { street: string; city: string; zip: string };
  tags: string[];
  biography: string;
  visits: number;
}

/** A person as JSON has it. */
export type PersonDict = Omit<Person, 'joined'> & { joined: string };

/** What classes of keepsake do, beside their fields. */
export interface PersonDictOf {
  toDict(): Record<string, unknown>;
}

export function makePerson(index: number): Person {
  return {
    name: `Ann Example ${index}`,
    email: `ann.${index}@example.org`,
    age: 20 + (index % 60),
    score: index / 7,
    admin: index % 10 === 0,
    joined: new Date(1_600_000_000_000 + index * 1000),
    address: { street: `${index} Long Street`, city: 'Ulm', zip: String(10_000 + index) },
    tags: ['red', 'green', `number-${index}`],
    biography: `Once upon a time there was a number, and it was ${index}; then came another.`,
    visits: index * 3,
  };
}

export function toPersonDict(person: Person): PersonDict {
  return {
    name: person.name,
    email: person.email,
    age: person.age,
    score: person.score,
    admin: person.admin,
    joined: person.joined.toISOString(),
    address: { street: person.address.street, city: person.address.city, zip: person.address.zip },
    tags: [...person.tags],
    biography: person.biography,
    visits: person.visits,
  };
}
