import { ed25519 } from '@noble/curves/ed25519.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import type { BitcoinNetworkPolicy, SignedPolicy } from '@holdfast/core/policy/policy.ts';
import { samplePolicy, signSamplePolicy } from '@holdfast/core/policy/sample-policy.test-support.ts';
import type { ServerConfig } from '@holdfast/server/config.ts';
import type { ServerKeys } from '@holdfast/server/init.ts';
import { acceptCeremony } from '@holdfast/signer/ceremony/accept-ceremony.ts';
import { prepareCeremony } from '@holdfast/signer/ceremony/prepare-ceremony.ts';
import type { SignerConfig } from '@holdfast/signer/config.ts';
import { initSigner, type SignerCard, unlockSigner } from '@holdfast/signer/init.ts';
import { createIdentity, fingerprintOf } from '@holdfast/transport/certificate.ts';
import { opensslVerifiers } from '@holdfast/transport/openssl-verifiers.ts';
import { Disk, diskRoot, setDisk } from './world/disk.ts';
import { setWorld, World } from './world/world.ts';

export const bitcoin = 'bip122:0f9188f13cb7b2c71f2a335e3a4fc328';
export const btc = `${bitcoin}/slip44:0`;
export const withdrawalFee = 2_000n;
export const minimumWithdrawal = 10_000n;
/** Deposits below the first wait for so many confirmations, others for more. */
export const confirmations = { below: 100_000_000n, small: 1, large: 3 } as const;
/** Blocks after which a payment of ours is final; no reorganisation goes as deep. */
export const finalBlocks = 5;
export const integratorSecret = new Uint8Array(32).fill(42);
export const passphrase = utf8ToBytes('correct horse battery staple');
const signerIds = ['signer-1', 'signer-2', 'signer-3'];
/** Each signer looks at the chain through two nodes, the server through three, of which two must agree. */
export const nodesOf: Readonly<Record<string, readonly string[]>> = {
  server: ['node-1', 'node-2', 'node-5'],
  'signer-1': ['node-3', 'node-4'],
  'signer-2': ['node-5', 'node-6'],
  'signer-3': ['node-1', 'node-3'],
};
export const nodeNames = ['node-1', 'node-2', 'node-3', 'node-4', 'node-5', 'node-6'];

/** A system after its ceremony, before its first start: every seed begins with it. */
export interface Blueprint {
  readonly disks: ReadonlyMap<string, Disk>;
  readonly signers: ReadonlyMap<string, SignerConfig>;
  readonly server: ServerConfig;
  readonly keys: ServerKeys;
  readonly policy: SignedPolicy;
  /** When the signers' journals began. */
  readonly madeAtMs: number;
}

const dataDir = (signer: string): string => `${diskRoot}${signer}`;
const urlsOf = (machine: string): string[] => nodesOf[machine]!.map((node) => `http://${node}`);

/** Makes the keys and holds the ceremony, on simulated machines. */
export async function drawBlueprint(): Promise<Blueprint> {
  const world = new World('blueprint');
  setWorld(world);
  let made: Blueprint | undefined;
  let problem: unknown;
  const main = async (): Promise<void> => {
    made = await holdCeremony(world).catch((error: unknown) => {
      problem = error;
      return undefined;
    });
  };
  world.start('ceremony', main, { offsetMs: 0, slowness: 1 });
  await world.run(Number.POSITIVE_INFINITY, () => made !== undefined || problem !== undefined);
  if (!made) throw new Error('no ceremony', { cause: problem });
  return made;
}

async function holdCeremony(world: World): Promise<Blueprint> {
  const disks = new Map(signerIds.map((id) => [id, new Disk()]));
  for (const [id, disk] of disks) setDisk(id, disk);
  const cards: SignerCard[] = [];
  for (const id of signerIds) cards.push(await initSigner(dataDir(id), id, passphrase, { memory_kib: 64, passes: 1 }));
  const identity = await createIdentity('holdfast-server', Date.now());
  const fingerprint = fingerprintOf(new X509Certificate(identity.certificate));
  const policy = signSamplePolicy(policyOf(cards));
  const signers = new Map(signerIds.map((id) => [id, signerConfig(cards, id, fingerprint)]));
  for (const [id, disk] of disks) {
    disk.make(`${dataDir(id)}/policies/1.json`).bytes = Buffer.from(JSON.stringify(policy));
    const config = signers.get(id)!;
    const { card } = await unlockSigner(dataDir(id), passphrase, config);
    const verifiers = opensslVerifiers;
    const { digest: expected } = prepareCeremony(dataDir(id), config, card, verifiers);
    const monotonicMs = (): number => performance.now();
    await acceptCeremony({ dataDir: dataDir(id), config, card, verifiers, expected, clock: Date.now, monotonicMs });
  }
  const webhookKey = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const keys = { identity, relayerKey: new Uint8Array(32).fill(7), sweeperKey: new Uint8Array(32).fill(8), webhookKey };
  return { disks, signers, server: serverConfig(cards), keys, policy, madeAtMs: world.nowMs() };
}

function policyOf(cards: readonly SignerCard[]) {
  const limits = { per_transaction_max: '5000000000', per_hour_max: '500000000000', per_day_max: '500000000000' };
  return samplePolicy((policy) => {
    const publicKey = bytesToHex(ed25519.getPublicKey(integratorSecret));
    policy.integrator_keys = [
      { key_id: 'exchange', public_key: publicKey, may: ['withdraw', 'enrol', 'add-destination'] },
    ];
    policy.destinations.delay_s = 0;
    policy.credentials.delay_s = 0;
    policy.positions.approvals = 0;
    policy.builds = { permitted: ['source'], soak_s: 0 };
    const network = policy.networks[1] as BitcoinNetworkPolicy;
    policy.networks = [
      {
        ...network,
        node_faults: 1,
        burial_endpoints_min: 2,
        deposit_confirmations: 1,
        finality_blocks: finalBlocks,
        limits,
        integrator_limits: limits,
        degraded_per_day_max: limits.per_day_max,
        approval_tiers: [],
        fee_rate_max_sat_vb: 400,
        fee_per_day_max_sats: '500000000',
        wallet: {
          kind: 'wsh-sortedmulti',
          threshold: 2,
          keys: cards.map((card) => card.owner_key),
          chain_code: '5c'.repeat(32),
        },
      },
    ];
  });
}

function signerConfig(cards: readonly SignerCard[], id: string, serverFingerprint: string): SignerConfig {
  const listen = { host: '127.0.0.1', port: 9_000 };
  const all = cards.map((card, at) => ({
    signer: card.signer,
    identifier: at + 1,
    url: `https://${card.signer}`,
    fingerprint: card.fingerprint,
    owner_address: card.owner_address,
    statement_key: card.statement_key,
  }));
  return {
    signer: id,
    identifier: signerIds.indexOf(id) + 1,
    quorum: 2,
    listen,
    server: { fingerprint: serverFingerprint },
    peers: all.filter(({ signer }) => signer !== id),
    networks: [{ network: bitcoin, rpc_urls: urlsOf(id) }],
  };
}

function serverConfig(cards: readonly SignerCard[]): ServerConfig {
  const rule = {
    asset: 'BTC',
    caip19: btc,
    contract: null,
    withdrawal_fee: String(withdrawalFee),
    withdrawal_minimum: String(minimumWithdrawal),
    per_withdrawal_max: '5000000000',
    sweep_minimum: '0',
    per_customer_day_max: '500000000000',
    confirmations: [
      { below: String(confirmations.below), confirmations: confirmations.small },
      { below: null, confirmations: confirmations.large },
    ],
  };
  const network: ServerConfig['networks'][number] = {
    id: bitcoin,
    name: 'Bitcoin (simulated)',
    family: 'bitcoin',
    endpoints: urlsOf('server'),
    start_height: 1,
    poll_ms: 200,
    final_confirmations: finalBlocks,
    batch_size_max: 20,
    batch_wait_ms: 500,
    assets: [rule],
    cold_keys: ['01', '02', '03', '04', '05'].map((byte) => byte.repeat(32)),
    fee_rate_default: 5,
    fee_rate_max: 200,
    fee_bump: { after_blocks: 2, after_ms: 20_000, tries_max: 10, percent: 25 },
    reconcile_blocks: 3,
  };
  return {
    listen: { host: '127.0.0.1', port: 8_080 },
    signers: cards.map((card, at) => ({
      id: card.signer,
      identifier: at + 1,
      url: `https://${card.signer}`,
      fingerprint: card.fingerprint,
      statement_key: card.statement_key,
    })),
    quorum: 2,
    api_keys: [],
    policy: 'policy.json',
    assets: [{ code: 'BTC', name: 'Bitcoin', decimals: 8 }],
    networks: [network],
    webhooks: { allow_private: true },
  };
}
