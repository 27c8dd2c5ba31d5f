import { secp256k1 } from '@noble/curves/secp256k1.js';
import { isDevelopmentNetwork } from '../money/development-network.ts';
import { compactTarget } from './compact-target.ts';
import { type AssetPolicy, assetPolicies } from './network-of.ts';
import type { BitcoinNetworkPolicy, EvmNetworkPolicy, MultisigWalletPolicy, NetworkPolicy, Policy } from './policy.ts';
import { duplicates, type Report } from './policy-finding.ts';

const zeroAddress = `0x${'00'.repeat(20)}`;

/** Selectors that hand out or move tokens: whoever may call them needs no payment. Payments themselves need no listing. */
const grantingSelectors: Readonly<Record<string, string>> = {
  '0x095ea7b3': 'approve(address,uint256)',
  '0x39509351': 'increaseAllowance(address,uint256)',
  '0xd505accf': 'permit(address,address,uint256,uint256,uint8,bytes32,bytes32)',
  '0x8fcbaf4a': 'permit(address,address,uint256,uint256,bool,uint8,bytes32,bytes32)',
  '0x87517c45': 'approve(address,address,uint160,uint48)',
  '0xa22cb465': 'setApprovalForAll(address,bool)',
  '0xa9059cbb': 'transfer(address,uint256)',
  '0x23b872dd': 'transferFrom(address,address,uint256)',
  '0x4000aea0': 'transferAndCall(address,uint256,bytes)',
  '0x1296ee62': 'transferAndCall(address,uint256)',
  '0xcae9ca51': 'approveAndCall(address,uint256,bytes)',
  '0x3177029f': 'approveAndCall(address,uint256)',
  '0x9bd9bbc6': 'send(address,uint256,bytes)',
  '0x959b8c3f': 'authorizeOperator(address)',
};

/** Above it a newest block is older than a chain in use ever makes one; Bitcoin's time is the median of eleven blocks. */
const plausibleAgeS = { evm: 6 * 3_600, bitcoin: 86_400 } as const;

/** Findings in one network. @param path of the network in the policy. */
export function lintNetwork(
  network: NetworkPolicy,
  approvers: Policy['approvers'],
  path: string,
  report: Report,
): void {
  if (network.node_faults < 2) {
    report('warning', `${path}.node_faults`, `${network.node_faults} nodes may lie; two is what an attacker can buy`);
  }
  if (network.block_age_s_max > plausibleAgeS[network.family]) {
    const hours = Math.floor(network.block_age_s_max / 3_600);
    report('warning', `${path}.block_age_s_max`, `a clock ${hours} hours ahead ends every delay that much early`);
  }
  duplicates(network.cold_addresses, lower, `${path}.cold_addresses`, report);
  assetPolicies(network).forEach((asset, index) => {
    const at = network.family === 'evm' ? `${path}.assets[${index}]` : path;
    lintLimits(asset, at, report);
    lintTiers(asset, approvers, at, report);
    lintHot(asset, at, report);
    if (!asset.asset.startsWith(`${network.network}/`)) report('error', `${at}.asset`, `is not on ${network.network}`);
  });
  if (network.family === 'evm') lintEvm(network, path, report);
  else lintBitcoin(network, path, report);
}

function lintLimits(asset: AssetPolicy, path: string, report: Report): void {
  for (const name of ['limits', 'integrator_limits'] as const) {
    const limits = asset[name];
    const hour = BigInt(limits.per_hour_max);
    if (BigInt(limits.per_transaction_max) > hour) {
      report('error', `${path}.${name}.per_transaction_max`, 'is above per_hour_max');
    }
    if (hour > BigInt(limits.per_day_max)) report('error', `${path}.${name}.per_hour_max`, 'is above per_day_max');
  }
  for (const field of ['per_transaction_max', 'per_hour_max', 'per_day_max'] as const) {
    if (BigInt(asset.integrator_limits[field]) > BigInt(asset.limits[field])) {
      report('error', `${path}.integrator_limits.${field}`, 'is above that of limits');
    }
  }
  if (BigInt(asset.degraded_per_day_max) > BigInt(asset.limits.per_day_max)) {
    report('error', `${path}.degraded_per_day_max`, 'is above limits.per_day_max');
  }
}

function lintTiers(asset: AssetPolicy, approvers: Policy['approvers'], path: string, report: Report): void {
  const offline = approvers.filter((approver) => approver.offline).length;
  asset.approval_tiers.forEach((tier, index) => {
    const at = `${path}.approval_tiers[${index}]`;
    const before = asset.approval_tiers[index - 1];
    if (before !== undefined && BigInt(tier.above) <= BigInt(before.above)) {
      report('error', `${at}.above`, 'is not above that of the tier before');
    }
    if (before !== undefined && (tier.approvals < before.approvals || tier.offline < before.offline)) {
      report('error', at, 'asks for less than the tier before');
    }
    if (tier.offline > tier.approvals) report('error', `${at}.offline`, 'is more than approvals');
    if (tier.approvals > approvers.length) {
      report('error', `${at}.approvals`, `${tier.approvals}, more than the ${approvers.length} approvers`);
    }
    if (tier.offline > offline)
      report('error', `${at}.offline`, `${tier.offline}, more than the ${offline} offline approvers`);
  });
  if (asset.approval_tiers.every((tier) => tier.approvals === 0)) {
    report('warning', `${path}.approval_tiers`, 'no payment ever needs an approver');
  }
}

/** Of what customers are owed: more than this is more than a thief of the whole hot quorum should find. */
const hotBpsMax = 200;

function lintHot({ asset, hot }: AssetPolicy, path: string, report: Report): void {
  if (!hot) {
    const what = 'is missing: nothing keeps what is hot below a share of what customers are owed';
    if (!isDevelopmentNetwork(asset.split('/')[0] ?? '')) report('warning', `${path}.hot`, what);
    return;
  }
  const at = `${path}.hot`;
  if (hot.floor_bps > hot.target_bps) report('error', `${at}.floor_bps`, 'is above target_bps');
  if (hot.target_bps >= hot.ceiling_bps) {
    report('error', `${at}.target_bps`, 'is not below ceiling_bps: every deposit would be skimmed at once');
  }
  if (hot.ceiling_bps > hotBpsMax) {
    report('warning', `${at}.ceiling_bps`, `${hot.ceiling_bps / 100} % of what customers are owed, over 2 %`);
  }
  if (hot.skim_min === '0') report('error', `${at}.skim_min`, 'is nothing: a skim would cost more than it moves');
}

function lintEvm(network: EvmNetworkPolicy, path: string, report: Report): void {
  duplicates(network.assets, ({ asset }) => asset.toLowerCase(), `${path}.assets`, report, 'asset');
  duplicates(network.assets, ({ code }) => code, `${path}.assets`, report, 'code');
  duplicates(network.assets, ({ contract }) => lower(contract ?? ''), `${path}.assets`, report, 'contract');
  duplicates(network.safe_owners, lower, `${path}.safe_owners`, report);
  duplicates(network.safe_modules, lower, `${path}.safe_modules`, report);
  const owners = network.safe_owners.length;
  if (network.safe_threshold > owners) {
    report('error', `${path}.safe_threshold`, `${network.safe_threshold} of ${owners} owners`);
  } else if (2 * network.safe_threshold <= owners) {
    report(
      'error',
      `${path}.safe_threshold`,
      `two sets of ${network.safe_threshold} of ${owners} owners need not meet`,
    );
  }
  for (const field of ['safe', 'safe_singleton', 'multi_send', 'forwarder_factory', 'registry'] as const) {
    if (network[field] === zeroAddress) report('error', `${path}.${field}`, 'is the zero address');
  }
  network.safe_owners.forEach((owner, index) => {
    if (owner === zeroAddress) report('error', `${path}.safe_owners[${index}]`, 'is the zero address');
  });
  lintVault(network, path, report);
  network.assets.forEach(({ asset, contract }, index) => {
    const named =
      contract === null ? /\/slip44:[0-9]+$/.test(asset) : lower(asset).endsWith(`/erc20:${lower(contract)}`);
    if (!named) report('error', `${path}.assets[${index}].contract`, `is not the one of ${asset}`);
  });
  const contracts = contractsOf(network);
  network.cold_addresses.forEach((address, index) => {
    const what = lower(address) === zeroAddress ? 'the zero address' : contracts.get(lower(address));
    if (what !== undefined) report('error', `${path}.cold_addresses[${index}]`, `is ${what}`);
  });
  lintCalls(network, contracts, path, report);
}

/** The vault's own contracts are all there or none is; another module would move funds past them. */
function lintVault(network: EvmNetworkPolicy, path: string, report: Report): void {
  const { emergency } = network;
  const expected = emergency === undefined ? [] : [emergency.desk, emergency.timelock].map(lower);
  const modules = network.safe_modules.map(lower);
  network.safe_modules.forEach((module, index) => {
    if (expected.includes(lower(module))) return;
    report('warning', `${path}.safe_modules[${index}]`, 'is another module, which moves funds without the owners');
  });
  if (network.safe_guard === zeroAddress) {
    const without = 'no guard: on chain nothing bounds what the whole quorum signs';
    report(emergency === undefined ? 'warning' : 'error', `${path}.safe_guard`, without);
  }
  if (network.safe_guard !== zeroAddress && network.allowed_calls.length > 0) {
    report('warning', `${path}.allowed_calls`, 'the guard lets no listed call through; governance makes such calls');
  }
  if (emergency === undefined) {
    if (network.safe_guard !== zeroAddress)
      report('warning', path, 'a guard, and no emergency keys that could pause it');
    return;
  }
  if (!expected.every((module) => modules.includes(module))) {
    report('error', `${path}.emergency`, 'names a desk and a time lock that are not both among safe_modules');
  }
  duplicates(emergency.keys, lower, `${path}.emergency.keys`, report);
  const owners = new Set(network.safe_owners.map(lower));
  emergency.keys.forEach((key, index) => {
    if (owners.has(lower(key))) report('error', `${path}.emergency.keys[${index}]`, 'is an owner of the Safe too');
  });
}

function lintCalls(network: EvmNetworkPolicy, contracts: Map<string, string>, path: string, report: Report): void {
  duplicates(
    network.allowed_calls,
    (call) => `${lower(call.contract)} ${call.selector}`,
    `${path}.allowed_calls`,
    report,
  );
  network.allowed_calls.forEach((call, index) => {
    const at = `${path}.allowed_calls[${index}]`;
    const granting = grantingSelectors[call.selector];
    if (granting !== undefined) report('error', `${at}.selector`, `is ${granting}, which gives tokens away`);
    const what = contracts.get(lower(call.contract));
    if (what !== undefined) report('error', `${at}.contract`, `is ${what}`);
  });
}

/** Contracts that no listed call and no evacuation may name, by address in lower case. */
function contractsOf(network: EvmNetworkPolicy): Map<string, string> {
  const tokens = network.assets.flatMap(({ contract, code }) =>
    contract === null ? [] : [[contract, `the ${code} token`]],
  );
  const own = [
    [network.safe_singleton, 'the Safe’s singleton'],
    [network.multi_send, 'the multi_send contract'],
    [network.safe, 'the Safe itself'],
  ];
  return new Map([...tokens, ...own].map(([address = '', what = '']) => [lower(address), what]));
}

/** Target of Bitcoin's easiest block, which no honest main network header exceeds. */
const mainNetworkTarget = compactTarget('1d00ffff') ?? 0n;
const regressionTest = 'bip122:0f9188f13cb7b2c71f2a335e3a4fc328';

function lintBitcoin(network: BitcoinNetworkPolicy, path: string, report: Report): void {
  if (network.wallet) lintMultisig(network.wallet, `${path}.wallet`, report);
  if (network.wallet && network.key_epoch !== undefined)
    report('error', `${path}.key_epoch`, 'orders keys, which this wallet has none of: the signers’ own are its keys');
  duplicates(network.cold_keys, (key) => key, `${path}.cold_keys`, report);
  if (network.fee_rate_fallback_sat_vb > network.fee_rate_max_sat_vb) {
    report('error', `${path}.fee_rate_fallback_sat_vb`, 'is above fee_rate_max_sat_vb');
  }
  if (BigInt(network.fee_max_sats) > BigInt(network.fee_per_day_max_sats)) {
    report('error', `${path}.fee_max_sats`, 'is above fee_per_day_max_sats');
  }
  if (network.consolidation && network.consolidation.fee_rate_max_sat_vb > network.fee_rate_max_sat_vb) {
    report('error', `${path}.consolidation.fee_rate_max_sat_vb`, 'is above fee_rate_max_sat_vb');
  }
  if (network.hot && BigInt(network.hot.skim_min) <= BigInt(network.fee_max_sats)) {
    report('error', `${path}.hot.skim_min`, 'is not above fee_max_sats: a skim could cost more than it moves');
  }
  if (network.evacuation_fee_per_day_max_sats === '0') {
    report('warning', `${path}.evacuation_fee_per_day_max_sats`, 'a halted signer could not evacuate');
  }
  const target = compactTarget(network.easiest_bits);
  if (target === null) report('error', `${path}.easiest_bits`, 'is no target that a header may have');
  else if (target > mainNetworkTarget && network.network !== regressionTest) {
    report('warning', `${path}.easiest_bits`, 'takes blocks that cost nothing to make');
  }
}

function lintMultisig({ keys, threshold }: MultisigWalletPolicy, path: string, report: Report): void {
  duplicates(keys, (key) => key, `${path}.keys`, report);
  keys.forEach((key, index) => {
    // Whatever is paid to it needs one signer more than the threshold says.
    if (!isPoint(key)) report('error', `${path}.keys[${index}]`, 'is no point of secp256k1');
  });
  if (threshold > keys.length) {
    report('error', `${path}.threshold`, `${threshold} of ${keys.length} keys`);
  } else if (2 * threshold <= keys.length) {
    report('error', `${path}.threshold`, `two sets of ${threshold} of ${keys.length} keys need not meet`);
  }
}

function isPoint(key: string): boolean {
  try {
    secp256k1.Point.fromHex(key).assertValidity();
    return true;
  } catch {
    return false;
  }
}

function lower(text: string): string {
  return text.toLowerCase();
}
