// Change this file while the program runs.
import { Field, SessionField, Store } from 'keepsake';
import { service } from './service.mjs';

export const Greeter = service.register(
  class Greeter extends Store {
    name = '';
    greeted = 0;

    greet() {
      this.greeted++;
      return `Hello, ${this.name}, for the ${this.greeted}. time`;
    }
  },
  { fields: { name: Field(), greeted: SessionField() } },
);

import.meta.hot?.dispose(() => service.emit('changed'));
