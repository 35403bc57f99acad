import { InvalidArgumentError } from '../../errors.js';
import { show, withoutPassword } from '../../show.js';

/** A key of Amazon's services, and of servers that speak as they do. */
export interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
}

/** How clients are configured. */
export interface ClientOptions {
  readonly endpoint?: string | undefined;
  readonly region?: string | undefined;
  readonly credentials?: AwsCredentials | undefined;
  readonly clientOptions?: Readonly<Record<string, unknown>> | undefined;
}

/** The clients of a service. */
export interface Clients<C> {
  /** Tries again what may be asked twice. */
  readonly patient: C;
  /** Asks once: whoever tries a conditional write again may meet what the first try has stored. */
  readonly once: C;
  /** Whether they are ours, and end with us. */
  readonly own: boolean;
}

/**
 * Checks that an `endpoint`, if it is there, is a URL without credentials, of which the SDK would make nothing.
 * @param what the function it was given to, for messages
 */
export function checkEndpoint(endpoint: unknown, what: string): void {
  if (endpoint === undefined) return;
  const fits =
    typeof endpoint === 'string' && /^https?:\/\/[^/?#@]+([/?#][^@]*)?$/.test(endpoint) && URL.canParse(endpoint);
  if (fits) return;
  const shown = typeof endpoint === 'string' ? withoutPassword(endpoint) : endpoint;
  throw new InvalidArgumentError(
    `${what}: endpoint must be a URL such as https://host, and credentials are an option of their own; got ${show(shown)}`,
  );
}

/** The longest time that a timer takes, in milliseconds. */
const LONGEST = 2 ** 31 - 1;

/**
 * Makes the clients of a service.
 * @param make calls the constructor of the SDK
 * @param more what this service's clients take beside
 * @param timeout how long connecting may take, in milliseconds
 */
export function makeClients<C>(
  make: (options: object) => C,
  options: ClientOptions,
  more: object,
  timeout: number,
): Clients<C> {
  const { endpoint, region, credentials, clientOptions = {} } = options;
  const common = {
    endpoint,
    // Without an endpoint the SDK knows best; a server of one's own has no regions, but the SDK wants one.
    region: region ?? (endpoint === undefined ? undefined : (process.env.AWS_REGION ?? 'us-east-1')),
    credentials,
    // Our own requests wait for one another on purpose.
    requestHandler: { connectionTimeout: timeout, socketAcquisitionWarningTimeout: LONGEST },
    ...more,
    ...clientOptions,
  };
  // The SDK takes an option that is there as given, even `undefined`.
  const given = Object.fromEntries(Object.entries(common).filter(([, value]) => value !== undefined));
  return { patient: make(given), once: make({ ...given, maxAttempts: 1 }), own: true };
}
