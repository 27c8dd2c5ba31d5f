import { policyDigest, type Policy, type SignedPolicy } from '@holdfast/core/policy/policy.ts';
import { intentDigest } from '@holdfast/core/signing/intent.ts';
import { createCredential } from '@holdfast/devnet/authenticator.ts';
import { bitcoinNetworkId, evmNetworkId } from '@holdfast/devnet/configure.ts';
import { signPolicy } from '@holdfast/devnet/policy.ts';
import { approvalsOrigin, relyingParties } from '@holdfast/devnet/policy-parties.ts';
import { builderView, builtRequest, scriptOf, tryBitcoinBytes } from './attack-tools-bitcoin-bytes.ts';
import { payRequest } from './attack-tools-pay-request.ts';
import { lootIn, ownPayment, type Pockets, refusedByAll } from './attack-tools-refusals.ts';
import type { Amounts } from './attack.ts';
import { payOut, safeNonce } from './attack-tools-chains.ts';
import { handIn } from './attack-tools-safe-bytes.ts';
import type { DrillStage } from './drill-stage.ts';

/** What the thief would change, and the pockets that it would fill. */
export interface Plan {
  readonly loosen: (policy: Policy) => void;
  /** Tries everything that the loosening would allow; each refusal is the old version's own. @returns evidence. */
  readonly use: () => Promise<string[]>;
  readonly pockets: Pockets;
}

/** Limits of this adversary's version 1, small enough for what the accomplice owns. */
export function smallLimits(policy: Policy): void {
  // Passkeys are to count soon; `longDelay` comes before the attacks.
  policy.delays = { tighten_s: 1, loosen_s: 2 };
  for (const network of policy.networks) {
    const assets = network.family === 'evm' ? network.assets : [];
    const [eth, usdt] = ['ETH', 'USDT'].map((code) => assets.find((asset) => asset.code === code));
    if (!eth || !usdt) continue;
    eth.limits.per_transaction_max = (4n * 10n ** 17n).toString();
    for (const limits of [eth.integrator_limits]) limits.per_transaction_max = (10n ** 17n).toString();
    usdt.approval_tiers = [{ above: '500000000', approvals: 2, offline: 0 }];
  }
}

/** From then on nothing looser comes into force while a drill runs; what is tighter does within seconds. */
export function longDelay(policy: Policy): void {
  policy.delays.loosen_s = 3_600;
}

/** All that one administrator could wish for, in one version. */
export async function planOf(stage: DrillStage): Promise<Plan> {
  const { accomplice } = stage;
  const own = createCredential(relyingParties.approvals.rp_id);
  const second = createCredential(relyingParties.approvals.rp_id);
  const [cold, coldBitcoin, fresh] = [await stage.thief('ETH'), await stage.thief('BTC'), await stage.thief('ETH')];
  const loosen = (policy: Policy): void => {
    policy.delays = { tighten_s: 0, loosen_s: 0 };
    policy.destinations.delay_s = 0;
    policy.positions.approvals = 0;
    policy.resume.approvals = 1;
    for (const [at, { credentialId, publicKey }] of [own, second].entries())
      policy.approvers.push({ id: `night-${at}`, credential_id: credentialId, public_key: publicKey, offline: true });
    for (const network of policy.networks) {
      network.cold_addresses.push(network.family === 'evm' ? cold : coldBitcoin);
      for (const asset of network.family === 'evm' ? network.assets : [network]) {
        for (const limits of [asset.limits, asset.integrator_limits]) {
          limits.per_transaction_max = limits.per_hour_max = limits.per_day_max = (10n ** 30n).toString();
        }
      }
    }
  };
  const use = async (): Promise<string[]> => {
    const overLimit = ownPayment(stage, accomplice, 'ETH', '0.8');
    const large = ownPayment(stage, accomplice, 'USDT', '900');
    const approvals = [own, second].map((one) => one.sign(intentDigest(large.intent), { origin: approvalsOrigin }));
    const elsewhere = ownPayment(stage, accomplice, 'ETH', '0.1', { destination: fresh });
    const others = ownPayment(stage, accomplice, 'USDC', '5000');
    const answered: string[] = [];
    for (const [what, one, code] of [
      ['above the old limit', overLimit, 'limit-exceeded'],
      ['approved by the new approvers', { ...large, approvals }, 'approval-invalid'],
      ['to an address in no book', elsewhere, 'destination-not-approved'],
      ['above the position', others, 'position-exceeded'],
    ] as const) {
      const ask = await payRequest(stage, one);
      answered.push(...(await refusedByAll(stage, what, async (client) => client.call('/v1/sign/evm', ask), code)));
      await handIn(stage, ask.safe_transaction, []);
    }
    return [...answered, ...(await evacuate(stage, cold, coldBitcoin))];
  };
  return {
    loosen,
    use,
    pockets: {
      ETH: [cold, fresh, accomplice.destinations.ETH],
      USDT: [accomplice.destinations.USDT],
      USDC: [accomplice.destinations.USDC],
      BTC: [coldBitcoin],
    },
  };
}

/** Everything to the thief's own cold storage: what even a halted signer would sign, were the address sealed. */
async function evacuate(stage: DrillStage, cold: string, coldBitcoin: string): Promise<string[]> {
  const { system } = stage;
  const tx = payOut(system, cold, 10n ** 19n, await safeNonce(system));
  const body = { network: evmNetworkId, safe_transaction: tx, intents: [], evacuation: true } as const;
  const answered = await refusedByAll(
    stage,
    'evacuates ether',
    async (client) => client.call('/v1/sign/evm', { ...body, intents: [] }),
    'evacuation-refused',
  );
  await handIn(stage, tx, []);
  const view = await builderView(stage);
  const request = builtRequest(view, [], { changeScript: scriptOf(coldBitcoin) });
  await tryBitcoinBytes(stage, view, [
    {
      name: 'evacuates bitcoin',
      code: 'evacuation-refused',
      request: { ...request, network: bitcoinNetworkId, change: [], evacuation: true },
    },
  ]);
  return answered;
}

/** The version after the newest that the signers have, changed and signed by the first `count` administrators. */
export function nextVersion(
  stage: DrillStage,
  before: Policy,
  change: (policy: Policy) => void,
  count: number,
): SignedPolicy {
  const policy = structuredClone(before);
  policy.version = before.version + 1;
  policy.previous = policyDigest(before);
  change(policy);
  return signPolicy(policy, stage.system.parties.administrators.slice(0, count));
}

/** Fails the drill unless every signer goes by this version, with nothing or this one waiting behind it. */
export async function mustHold(stage: DrillStage, version: number, pending: number | null): Promise<void> {
  for (const client of stage.asServer) {
    const { policy, policy_pending: waiting } = await client.call('/v1/status', {});
    if (policy.version === version && (waiting?.version ?? null) === pending) continue;
    throw new Error(`${client.id} goes by version ${policy.version}, and ${waiting?.version ?? 'none'} waits`);
  }
}

export async function lootOf(stage: DrillStage, plan: Plan): Promise<Amounts> {
  return lootIn(stage, plan.pockets);
}
