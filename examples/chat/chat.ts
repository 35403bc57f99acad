// What the chat is: change this file while people talk.
import { Field, SessionField, Store, StoredIn } from 'keepsake';
import { type Client, ClientField } from './client.js';
import { hashPassword, isPassword } from './passwords.js';
import { service } from './service.js';

@StoredIn(service)
export class Room extends Store {
  @Field() title = '';
  @Field() description = '';

  get users(): User[] {
    return [...User.active().values()].filter((user) => user.room === this.key && user.client !== undefined);
  }

  tell(line: string, but?: User): void {
    for (const user of this.users) if (user !== but) user.tell(line);
  }
}

@StoredIn(service)
export class User extends Store {
  @Field() name = '';
  @Field() password = '';
  @Field() joined = new Date();
  /** What is gone when the user leaves, but not when the code changes. */
  @SessionField() room = 'hall';
  @SessionField() said = 0;
  @SessionField({ type: new ClientField() }) client?: Client;

  get place(): Room {
    return (Room.get(this.room) ?? Room.get('hall')) as Room;
  }

  tell(line: string): void {
    this.client?.send(line);
  }
}

const ROOMS = {
  hall: { title: 'The hall', description: 'High, and full of echoes. One can join the garden and the library.' },
  garden: { title: 'The garden', description: 'Roses, and a bench. The hall is near.' },
  library: { title: 'The library', description: 'Hush! The hall is behind you.' },
};

/** Makes the rooms that there are not, and forgets users whose clients left while the program was changed. */
export async function prepare(): Promise<void> {
  for (const [key, values] of Object.entries(ROOMS)) {
    const room = await Room.loadOrCreate(key, values);
    await room.save();
  }
  for (const user of [...User.active().values()]) if (user.client === undefined) User.manager.removeActive(user);
}

type Command = (client: Client, user: User, rest: string) => unknown;

const COMMANDS: Readonly<Record<string, Command>> = {
  say(_, user, text) {
    user.said++;
    user.place.tell(`${user.name} says: ${text}`, user);
    user.tell(`You say: ${text}`);
  },
  tell(_, user, rest) {
    const [name = '', text] = split(rest);
    const other = User.active().get(name.toLowerCase());
    if (other?.client === undefined) return user.tell(`${name} is not here.`);
    other.tell(`${user.name} tells you: ${text}`);
    user.tell(`You tell ${other.name}: ${text}`);
  },
  who(_, user) {
    const users = [...User.active().values()].filter((one) => one.client !== undefined);
    user.tell(users.map((one) => `${one.name} (${one.room}, said ${one.said})`).join(', '));
  },
  look(_, user) {
    const { title, description, users } = user.place;
    user.tell(`${title}. ${description} Here: ${users.map(({ name }) => name).join(', ')}.`);
  },
  join(client, user, name) {
    const room = Room.active().get(name.toLowerCase());
    if (room === undefined) return user.tell(`There is no ${name}; there are ${[...Room.active().keys()].join(', ')}.`);
    user.place.tell(`${user.name} leaves for ${room.title.toLowerCase()}.`, user);
    user.room = room.key;
    room.tell(`${user.name} comes in.`, user);
    return COMMANDS.look?.(client, user, '');
  },
};

/** Does what a client asks for; answers whether it stays. */
export async function answer(client: Client, line: string): Promise<boolean> {
  // What a terminal obeys does not go to the terminals of others.
  const [word, rest] = split(line.replace(/\p{Cc}/gu, ' ').trim());
  const command = word.toLowerCase();
  const { user } = client;
  if (command === '') return true;
  if (command === 'quit') {
    client.send('Goodbye.');
    return false;
  }
  if (command === 'register' || command === 'login') {
    const [name, password] = split(rest);
    await (command === 'login' ? login(client, name, password) : register(client, name, password));
  } else if (user === undefined) {
    client.send('register <name> <password>, login <name> <password>, or quit');
  } else if (Object.hasOwn(COMMANDS, command)) {
    await COMMANDS[command]?.(client, user, rest);
  } else {
    user.tell(`There is no ${command}; there are ${Object.keys(COMMANDS).join(', ')} and quit.`);
  }
  return true;
}

/** Somebody has gone. */
export function leave(client: Client): void {
  const { user } = client;
  client.user = undefined;
  if (user === undefined) return;
  delete user.client;
  User.manager.removeActive(user);
  user.place.tell(`${user.name} has left.`);
}

async function register(client: Client, name: string, password: string): Promise<void> {
  if (!/^[a-z]{2,20}$/i.test(name)) return client.send('A name has 2 to 20 letters.');
  if (password.length < 6) return client.send('A password has 6 characters at least.');
  const hash = await hashPassword(password);
  if (await User.load(name)) return client.send(`${name} is taken.`);
  const user = User.create(name, { name, password: hash });
  try {
    await user.save();
  } catch (error) {
    User.manager.removeActive(user);
    throw error;
  }
  enter(client, user);
}

async function login(client: Client, name: string, password: string): Promise<void> {
  const isName = /^[a-z]{2,20}$/i.test(name);
  const loaded = isName ? await User.load(name) : undefined;
  const right = await isPassword(password, loaded?.password);
  // Another login of the same user may have been faster, or their last client may have gone.
  const user = right ? await User.load(name) : undefined;
  if (user === undefined) {
    if (loaded !== undefined && loaded.client === undefined) User.manager.removeActive(loaded);
    return client.send('There is no such name and password.');
  }
  enter(client, user);
}

function enter(client: Client, user: User): void {
  if (client.user !== user) leave(client);
  const other = user.client;
  if (other !== undefined && other !== client) {
    other.user = undefined;
    other.send('You came in from elsewhere. Goodbye.');
    other.connection.end();
  }
  user.client = client;
  client.user = user;
  client.send(`Welcome, ${user.name}!`);
  user.place.tell(`${user.name} comes in.`, user);
}

/** The first word, and the rest. */
function split(text: string): [string, string] {
  const [, word = '', rest = ''] = /^(\S*)\s*(.*)$/.exec(text) ?? [];
  return [word, rest];
}
