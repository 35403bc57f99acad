import 'reflect-metadata';
import { Type } from 'class-transformer';

export class TransformedAddress {
  street = '';
  city = '';
  zip = '';
}

/** The class for class-transformer. Its decorators are of the legacy mode, and are called here as that mode calls them. */
export class TransformedUser {
  name = '';
  email = '';
  age = 0;
  score = 0;
  admin = false;
  joined = new Date(0);
  address = new TransformedAddress();
  tags: string[] = [];
  biography = '';
  visits = 0;
}

Type(() => Date)(TransformedUser.prototype, 'joined');
Type(() => TransformedAddress)(TransformedUser.prototype, 'address');
