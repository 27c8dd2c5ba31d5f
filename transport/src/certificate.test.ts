import { createPrivateKey, X509Certificate } from 'node:crypto';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:tls';
import { expect, test } from 'vitest';
import { createIdentity, fingerprintOf, sameFingerprint } from './certificate.ts';

const dayMs = 86_400_000;

test.each([
  ['before 2050', Date.UTC(2026, 1, 3, 4, 5, 6)],
  ['across 2050', Date.UTC(2045, 0, 1)],
])('OpenSSL reads the certificate: name, dates %s, key, its own signature', async (_, nowMs) => {
  const name = `signer-${'x'.repeat(57)}`;
  const { certificate, privateKey } = await createIdentity(name, nowMs);
  const parsed = new X509Certificate(certificate);
  expect(parsed.subject).toBe(`CN=${name}`);
  expect(parsed.issuer).toBe(`CN=${name}`);
  expect(parsed.serialNumber).toBe('01');
  expect(parsed.validFromDate.getTime()).toBe(nowMs - dayMs);
  expect(parsed.validToDate.getTime()).toBe(nowMs + 3_652 * dayMs);
  expect(parsed.publicKey.asymmetricKeyDetails?.namedCurve).toBe('prime256v1');
  expect(parsed.checkPrivateKey(createPrivateKey(privateKey))).toBe(true);
  expect(parsed.verify(parsed.publicKey)).toBe(true);
  expect(parsed.checkIssued(parsed)).toBe(true);
});

test('two of one name are two identities', async () => {
  const made = await Promise.all([createIdentity('signer-1', Date.now()), createIdentity('signer-1', Date.now())]);
  const [a, b] = made.map(({ certificate }) => fingerprintOf(new X509Certificate(certificate)));
  expect(sameFingerprint(a!, b!)).toBe(false);
  expect(sameFingerprint(a!, a!)).toBe(true);
});

test('both ends of a TLS 1.3 connection take it', async () => {
  const [own, other] = await Promise.all([createIdentity('server', Date.now()), createIdentity('peer', Date.now())]);
  const server = createServer({ cert: own.certificate, key: own.privateKey, requestCert: true, ca: other.certificate });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const seen = new Promise((resolve, reject) => {
    server.once('secureConnection', ({ authorized }) => resolve(authorized));
    server.once('tlsClientError', reject);
  });
  const { port } = server.address() as AddressInfo;
  const cert = { cert: other.certificate, key: other.privateKey, ca: own.certificate };
  const socket = connect({
    port,
    host: '127.0.0.1',
    ...cert,
    minVersion: 'TLSv1.3',
    checkServerIdentity: () => undefined,
  });
  const connected = new Promise((resolve, reject) => {
    socket.once('secureConnect', () => resolve(socket.authorized));
    socket.once('error', reject);
  });
  expect(await Promise.all([connected, seen])).toEqual([true, true]);
  socket.destroy();
  server.close();
});

test('a name that is no ASCII is not made one', async () => {
  await expect(createIdentity('signér', Date.now())).rejects.toThrow('ASCII');
});
