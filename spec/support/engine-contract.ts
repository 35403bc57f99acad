import { randomUUID } from 'node:crypto';
import type { Backend } from 'keepsake';
import { contract } from 'keepsake/testing';

/** What a test runner is given for one promise of the contract. */
type Declare = (title: string, body: () => Promise<void>) => void;

/** What else the contract is told. */
interface Options {
  readonly it?: Declare;
  readonly many?: number;
}

/** Holds an engine to the contract in a namespace that is new for each promise. */
export function contractInNamespaces<V>(make: (namespace: string) => Backend<V>, options: Options = {}): void {
  let namespace: string;
  const reopen = () => make(namespace);
  const open = () => {
    namespace = randomUUID();
    return reopen();
  };
  contract({ describe, it, ...options, open, reopen });
}

/** Holds an engine to the contract that has a server to itself, and no namespace. */
export function contractWithoutNamespace<V>(make: () => Backend<V>, options: Options = {}): void {
  const open = async () => {
    const backend = make();
    await backend.clear({ everything: true });
    return backend;
  };
  // These clear everything without saying that they do, which is refused there.
  const unsaid = ['never gives a version again', 'lists nothing of', 'pages through and clears', 'clears exactly'];
  const saying: Declare = (title, body) => {
    if (!unsaid.some((part) => title.includes(part))) it(title, body);
  };
  contract({ describe, it: saying, ...options, open, reopen: make });
}
