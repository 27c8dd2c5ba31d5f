import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Failure } from '@holdfast/core/failure.ts';
import type { Policy, SignedPolicy } from '@holdfast/core/policy/policy.ts';
import { type Chains, keepColdKeys } from './chains.ts';
import type { ConfigInput, SignerAddress } from './configure.ts';
import { devnetKeys } from './evm/accounts.ts';
import { deployVault, type DeployVaultInput, type EvmDeployment } from './evm/deploy-vault.ts';
import { rpcCall } from './evm/json-rpc.ts';
import { mine, sendEth } from './evm/payments.ts';
import { freePort } from './free-port.ts';
import { devnetPolicy, guardLimits, signPolicy } from './policy.ts';
import { keepParties, type PolicyParties } from './policy-parties.ts';
import { type Ed25519Pair, keepEd25519, keepFile, randomHex, writePrivate } from './private-files.ts';
import { signerEnv, type SignerProgram } from './signer-program.ts';

const run = promisify(execFile);
export const mainOf = (workspace: string): string =>
  fileURLToPath(new URL(`../../${workspace}/src/main.ts`, import.meta.url));
/** Wei that each account of the relayer gets at first; all it could ever lose. */
const relayerFloatWei = 10n ** 19n;

/** Changes version 1 before it is signed. @param ownerKeys of the signers, compressed, hex. */
export type PolicyChange = (policy: Policy, ownerKeys: readonly string[]) => void;

/** What everybody made, and what of it the others pin. */
export interface DevnetKeys {
  readonly input: ConfigInput;
  readonly parties: PolicyParties;
  /** Of the integrator's requests. */
  readonly api: Ed25519Pair;
  /** Version 1, signed by two administrators of three. */
  readonly first: SignedPolicy;
}

/**
 * Every party makes its own keys, the contracts are deployed, and two administrators sign version 1 of the policy. What
 * exists is kept.
 * @param change of version 1 before it is signed.
 */
export async function makeKeys(
  folder: string,
  chains: Chains,
  options: {
    signerIds: readonly string[];
    weakKdf: boolean;
    signer: SignerProgram;
    change?: PolicyChange | undefined;
    vault?: Partial<DeployVaultInput> | undefined;
  },
): Promise<DevnetKeys> {
  const [cards, made] = await Promise.all([
    Promise.all(options.signerIds.map((id) => initSigner(folder, id, options))),
    run(process.execPath, [mainOf('server'), 'init', join(folder, 'server')]),
  ]);
  const server = JSON.parse(made.stdout) as {
    fingerprint: string;
    relayer_address: string;
    sweeper_address: string;
  };
  const cold = keepColdKeys(join(folder, 'devnet', 'cold'));
  const owners = cards.map((card) => card.owner_address);
  const file = join(folder, 'devnet', 'evm.json');
  const emergencyKeys = cards.map((card) => card.emergency_address);
  const parties = keepParties(folder);
  const evm = await keepDeployment(file, chains, {
    owners,
    emergencyKeys,
    limits: guardLimits(),
    coldOwners: cold.evmOwners,
    coldThreshold: 3,
    governanceOwners: cold.governanceOwners,
    ...options.vault,
  });
  await fundRelayers(chains, [server.relayer_address, server.sweeper_address]);
  const bitcoin = chains.bitcoin ? { coldKeys: cold.bitcoin, coldAddress: cold.bitcoinAddress } : null;
  const first = keepPolicy(join(folder, 'devnet', 'policy-1.json'), () => {
    const policy = devnetPolicy({ evm, owners, emergencyKeys, bitcoin, parties, build: options.signer.build });
    options.change?.(
      policy,
      cards.map((card) => card.owner_key),
    );
    return signPolicy(policy, parties.administrators.slice(0, 2));
  });
  const signers: SignerAddress[] = [];
  for (const [i, { signer: id, fingerprint, certificate, owner_address, statement_key }] of cards.entries()) {
    const pinned = { fingerprint, certificate, ownerAddress: owner_address, statementKey: statement_key };
    signers.push({ id, identifier: i + 1, port: await freePort(), ...pinned });
  }
  return {
    input: {
      evm,
      coldBitcoin: cold.bitcoin,
      signers,
      serverFingerprint: server.fingerprint,
      bitcoinStart: await keepBitcoinStart(join(folder, 'devnet', 'bitcoin-start'), chains),
    },
    parties,
    api: keepEd25519(join(folder, 'integrator', 'api.json')),
    first,
  };
}

/** More than a test's reorg takes off. */
const reorgBlocks = 10;

/** Nothing of ours is in the blocks with which the miner begins, and reading them takes a new server seconds. */
async function keepBitcoinStart(path: string, { bitcoin }: Chains): Promise<number> {
  const tip = bitcoin ? await bitcoin.miner.rpc<number>('getblockcount') : 0;
  return Number(keepFile(path, () => String(Math.max(1, tip - reorgBlocks))));
}

function keepPolicy(path: string, make: () => SignedPolicy): SignedPolicy {
  return JSON.parse(keepFile(path, () => JSON.stringify(make(), null, 2))) as SignedPolicy;
}

interface Card {
  readonly signer: string;
  readonly fingerprint: string;
  readonly owner_address: string;
  readonly owner_key: string;
  readonly emergency_address: string;
  readonly statement_key: string;
  readonly certificate: string;
}

/** A signer makes its own keys; only its card leaves its folder. On a devnet its passphrase lies beside them. */
async function initSigner(
  folder: string,
  id: string,
  { weakKdf, signer }: { readonly weakKdf: boolean; readonly signer: SignerProgram },
): Promise<Card> {
  const dataDir = join(folder, id);
  const passphrase = passphraseFile(folder, id);
  keepFile(passphrase, () => randomHex(24));
  const card = join(dataDir, 'card.json');
  if (!existsSync(card)) {
    const strength = weakKdf ? ['--kdf-memory-kib', '64', '--kdf-passes', '1'] : [];
    const { stdout } = await run(process.execPath, [signer.main, 'init', dataDir, ...strength], {
      env: signerEnv(passphrase),
    });
    writePrivate(card, stdout);
  }
  return JSON.parse(readFileSync(card, 'utf8')) as Card;
}

export function passphraseFile(folder: string, signer: string): string {
  return join(folder, signer, 'passphrase');
}

/** The contracts of an earlier run, or new ones where the chain does not have them. */
async function keepDeployment(
  file: string,
  chains: Chains,
  parties: Omit<DeployVaultInput, 'rpcUrl' | 'deployerKey'>,
): Promise<EvmDeployment> {
  const rpcUrl = chains.anvil.url;
  if (existsSync(file)) {
    const known = JSON.parse(readFileSync(file, 'utf8')) as Partial<EvmDeployment>;
    if (known.guard === undefined)
      throw new Failure('config-invalid', `${file} is of an earlier version`, { fix: 'Run "npm run reset".' });
    const kept = known as EvmDeployment;
    if ((await rpcCall<string>(rpcUrl, 'eth_getCode', [kept.safe, 'latest'])) !== '0x') return kept;
    throw new Error(
      `The EVM chain was lost (anvil writes it every ten seconds and was killed before), but ${file} is there. Run "npm run reset" and start again.`,
    );
  }
  const deployed = await deployVault({ rpcUrl, deployerKey: devnetKeys.deployer, ...parties });
  writePrivate(file, JSON.stringify(deployed, null, 2));
  return deployed;
}

/** A data folder of an earlier release has one account only: the other gets its float when it is made. */
async function fundRelayers(chains: Chains, addresses: readonly string[]): Promise<void> {
  const rpcUrl = chains.anvil.url;
  for (const to of addresses) {
    if (BigInt(await rpcCall<string>(rpcUrl, 'eth_getBalance', [to, 'latest'])) > 0n) continue;
    await sendEth({ rpcUrl, to, amountWei: relayerFloatWei });
    await mine({ rpcUrl, blocks: 1 });
  }
}
