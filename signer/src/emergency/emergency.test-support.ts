import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { policyDigest, type EvmNetworkPolicy } from '@holdfast/core/policy/policy.ts';
import { samplePolicy, signSamplePolicy } from '@holdfast/core/policy/sample-policy.test-support.ts';
import type { SignerConfig } from '../config.ts';
import { initSigner, journalName, type SignerCard } from '../init.ts';
import { openJournal } from '../journal/journal.ts';
import { writePolicyFile } from '../policy/policy-files.ts';

export const passphraseText = 'correct horse battery staple';

/** A signer's data folder with keys, config.json and a policy in force, and no process on it. @param clock UTC milliseconds. */
export async function makeSigner(
  dataDir: string,
  clock: () => number,
  change: (network: EvmNetworkPolicy, card: SignerCard) => void | Promise<void>,
): Promise<SignerCard> {
  mkdirSync(dataDir, { recursive: true });
  const weak = { memory_kib: 64, passes: 1 };
  const card = await initSigner(dataDir, 'signer-1', new TextEncoder().encode(passphraseText), weak);
  const policy = samplePolicy();
  const network = policy.networks.find((one) => one.family === 'evm');
  if (network) await change(network, card);
  const signed = signSamplePolicy(policy);
  const config: SignerConfig = {
    signer: 'signer-1',
    identifier: 1,
    listen: { host: '127.0.0.1', port: 1 },
    server: { fingerprint: 'aa'.repeat(32) },
    peers: [2, 3].map((at) => ({
      signer: `signer-${at}`,
      identifier: at,
      url: 'https://127.0.0.1:1',
      fingerprint: `${at}f`.repeat(32),
      owner_address: `0x${`${at}0`.repeat(20)}`,
      statement_key: `${at}e`.repeat(32),
    })),
    networks: [{ network: 'eip155:31337', rpc_urls: ['http://127.0.0.1:1'] }],
  };
  writeFileSync(join(dataDir, 'config.json'), JSON.stringify(config));
  writePolicyFile(dataDir, signed);
  const journal = await openJournal(join(dataDir, journalName), clock, clock);
  const body = { version: 1, digest: policyDigest(policy), change: 'first', effective_at_ms: 0 } as const;
  await journal.append({ kind: 'policy', body });
  await journal.close();
  return card;
}
