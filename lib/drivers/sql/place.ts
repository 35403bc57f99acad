import { InvalidArgumentError } from '../../errors.js';
import { show, withoutPassword } from '../../show.js';

/** What a URL of a database says. */
export interface Place {
  readonly url: URL;
  /** The place without who goes there. */
  readonly shown: string;
}

/**
 * Reads `scheme://[user[:password]@]host[:port]/database`.
 * @param schemes without the colon, the first for messages
 * @throws InvalidArgumentError for what is none, without showing a password
 */
export function parsePlace(text: string, schemes: readonly string[]): Place {
  const url = /^[a-z]+:\/\//i.test(text) && URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !schemes.includes(url.protocol.slice(0, -1))) {
    const [scheme] = schemes;
    throw new InvalidArgumentError(
      `${show(withoutPassword(text))} is no URL of a database: write ${scheme}://[user[:password]@]host[:port]/database`,
    );
  }
  return { url, shown: `${url.host}${url.pathname}` };
}
