import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { findProgram, output } from './server.js';

/** Makes a certificate for `localhost` and 127.0.0.1 that is its own authority, valid for two days. */
export async function makeCertificate(
  folder: string,
): Promise<{ certificate: string; certificateFile: string; keyFile: string }> {
  const certificateFile = join(folder, 'certificate.pem');
  const keyFile = join(folder, 'key.pem');
  await output(findProgram('openssl', 'PATH'), [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'],
    ...['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'],
    ...['-keyout', keyFile, '-out', certificateFile],
  ]);
  return { certificate: readFileSync(certificateFile, 'utf8'), certificateFile, keyFile };
}
