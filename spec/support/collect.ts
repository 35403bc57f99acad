import type { Backend } from 'keepsake';
import { type ContractOptions, contract } from 'keepsake/testing';

/**
 * Runs the promises of the contract whose title matches, by a `describe` and `it` of our own.
 * @returns the full titles of those that were broken, with their errors, and how many were run
 */
export async function hold<V>(
  options: Omit<ContractOptions<V>, 'describe' | 'it'> & { readonly open: () => Backend<V> },
  only: string | undefined = undefined,
): Promise<{ run: number; broken: Map<string, unknown> }> {
  const path: string[] = [];
  const promises: [title: string, body: () => Promise<void>][] = [];
  contract<V>({
    ...options,
    describe: (title, body) => {
      path.push(title);
      body();
      path.pop();
    },
    it: (title, body) => {
      if (only === undefined || title === only) promises.push([[...path, title].join(' / '), body]);
    },
  });
  const broken = new Map<string, unknown>();
  for (const [title, body] of promises) await body().catch((error: unknown) => broken.set(title, error));
  return { run: promises.length, broken };
}
