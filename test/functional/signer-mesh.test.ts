import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSignerClient } from '@holdfast/server/signers/client.ts';
import { createIdentity } from '@holdfast/transport/certificate.ts';
import { createPeerClient } from '@holdfast/signer/transport/peer-client.ts';
import { signerEnv } from '@holdfast/devnet/signer-program.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bitcoinNetwork, startStage, type SignerStage } from '../support/signer-stage.ts';
import { waitFor, type SignerProcess } from '../support/signers.ts';

let stage: SignerStage;
let first: SignerProcess;

beforeAll(async () => {
  stage = await startStage();
  first = stage.cluster.signers[0] as SignerProcess;
});
afterAll(async () => stage?.stop());

test('three processes make one key between them and report the same public package', async () => {
  const statuses = await Promise.all(stage.cluster.signers.map((signer) => signer.client.call('/v1/status', {})));
  const [a, b, c] = statuses.map((status) => status.frost_wallets);
  expect(a).toHaveLength(1);
  expect(a?.[0]).toMatchObject({ network: bitcoinNetwork, epoch: 1 });
  expect(b).toEqual(a);
  expect(c).toEqual(a);
  expect(new Set(statuses.map((status) => status.owner_address)).size).toBe(3);
});

test('keeps its keys over a kill, with a new boot id, and needs no peer for it', async () => {
  const before = await first.client.call('/v1/status', {});
  await Promise.all(stage.cluster.signers.map((signer) => signer.stop('SIGKILL')));
  await first.start();
  const after = await first.client.call('/v1/status', {});
  expect(after).toMatchObject({
    owner_address: before.owner_address,
    frost_wallets: before.frost_wallets,
    peers_reachable: 0,
  });
  expect(after.boot_id).not.toBe(before.boot_id);
  expect(after.journal.seq).toBe(before.journal.seq + 1);
  await Promise.all(stage.cluster.signers.slice(1).map((signer) => signer.start()));
  await waitFor('both peers', 20_000, async () => (await first.client.call('/v1/status', {})).peers_reachable === 2);
});

test('closes the connection of a stranger before it reads a message', async () => {
  const stranger = await createIdentity('server', Date.now());
  const client = createSignerClient({
    ...endpoint(first),
    certificate: stranger.certificate,
    key: stranger.privateKey,
  });
  await expect(client.call('/v1/status', {})).rejects.toMatchObject({ code: 'signers-unavailable' });
  client.close();
  await waitFor('the log line', 5_000, () => first.log.some((entry) => entry['event'] === 'peer-unknown'));
});

test('a client writes nothing to a server whose certificate is not the pinned one', async () => {
  const client = createSignerClient({ ...endpoint(first), fingerprint: '00'.repeat(32) });
  await expect(client.call('/v1/status', {})).rejects.toMatchObject({ code: 'signers-unavailable' });
  client.close();
});

test('neither does a signer to a peer', async () => {
  const peer = { signer: first.id, url: first.url, fingerprint: '00'.repeat(32) };
  const client = createPeerClient(stage.cluster.serverIdentity, peer, 5_000);
  const session = { network: bitcoinNetwork, session: '00'.repeat(16) };
  await expect(client.call('/v1/mesh/dkg/key', session)).rejects.toMatchObject({ code: 'signers-unavailable' });
  client.close();
});

test('refuses the server where only peers may speak', async () => {
  const peer = { signer: first.id, url: first.url, fingerprint: first.card.fingerprint };
  const client = createPeerClient(stage.cluster.serverIdentity, peer, 5_000);
  const session = { network: bitcoinNetwork, session: '00'.repeat(16) };
  await expect(client.call('/v1/mesh/dkg/share', session)).rejects.toMatchObject({ code: 'peer-unknown' });
  await expect(client.call('/v1/mesh/dkg/step', { ...session, step: 'start' })).rejects.toMatchObject({
    code: 'peer-unknown',
  });
  client.close();
});

test('refuses unknown fields, unknown messages and bodies over 1 MiB', async () => {
  const call = first.client.call as (path: string, body: unknown) => Promise<unknown>;
  await expect(call('/v1/status', { extra: 1 })).rejects.toMatchObject({ code: 'invalid-request' });
  await expect(call('/v1/sign', {})).rejects.toMatchObject({ code: 'not-found' });
  const large = call('/v1/status', { filler: 'x'.repeat(1_100_000) });
  await expect(large).rejects.toMatchObject({ code: expect.stringMatching(/^(body-too-large|signers-unavailable)$/) });
  await expect(first.client.call('/v1/status', {})).resolves.toMatchObject({ signer: first.id });
});

test('a signer whose passphrase is wrong does not start and says why', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-passphrase-'));
  const { spawnSync } = await import('node:child_process');
  const { writeFileSync } = await import('node:fs');
  writeFileSync(join(folder, 'passphrase'), 'not the passphrase');
  const { main } = stage.cluster.program;
  const env = signerEnv(join(folder, 'passphrase'));
  const result = spawnSync(process.execPath, [main, 'run', first.dataDir], { env, encoding: 'utf8', timeout: 20_000 });
  rmSync(folder, { recursive: true });
  expect(result.status).toBe(3);
  expect(result.stdout).toContain('"code":"wrong-passphrase"');
  expect(result.stdout).not.toContain('not the passphrase');
});

test('init takes the strength of the key stretching as a whole or not at all', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-strength-'));
  const { spawnSync } = await import('node:child_process');
  const { existsSync, writeFileSync } = await import('node:fs');
  writeFileSync(join(folder, 'passphrase'), 'passphrase');
  const { main } = stage.cluster.program;
  const env = signerEnv(join(folder, 'passphrase'));
  for (const option of ['--kdf-memory-kib', '--kdf-passes']) {
    const args = [main, 'init', join(folder, 'signer'), option, '64'];
    const result = spawnSync(process.execPath, args, { env, encoding: 'utf8', timeout: 20_000 });
    expect(result.status).toBe(2);
    expect(result.stdout).toContain('"code":"config-invalid"');
  }
  expect(existsSync(join(folder, 'signer'))).toBe(false);
  rmSync(folder, { recursive: true });
});

function endpoint(signer: SignerProcess) {
  const { certificate, privateKey } = stage.cluster.serverIdentity;
  return {
    id: signer.id,
    identifier: 1,
    url: signer.url,
    fingerprint: signer.card.fingerprint,
    certificate,
    key: privateKey,
  };
}
