import { callScheduledTopic, operationSlot, readScheduledCall } from '@holdfast/core/cold/scheduled-call.ts';
import type { GovernanceView } from '@holdfast/core/cold/inspect-governance.ts';
import { parseEvmAddress } from '@holdfast/core/chains/evm/address.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { guardOf } from '@holdfast/core/policy/guard-of.ts';
import type { EvmNetworkPolicy, Policy } from '@holdfast/core/policy/policy.ts';
import { lowestTip } from '../nodes/evm-node.ts';
import { agreeOnHeader, readAccount } from '../nodes/evm-proofs.ts';
import type { SendRpc } from '../nodes/json-rpc.ts';
import { readLogsOf } from '../nodes/read-safe-executions.ts';
import { evmPolicyOf } from '../review/review-context.ts';
import type { TimelockView } from '../watcher/watch-governance.ts';

/** Slots of one proof. */
const slotsMax = 64;

/** What the watch of governance asks this signer's own nodes: all of it proven up to headers that they agree on. */
export function timelockView(name: string, endpoints: readonly SendRpc[], policy: () => Policy): TimelockView {
  const network = (): EvmNetworkPolicy => evmPolicyOf(policy(), name);
  const timelock = (): string => {
    const { emergency } = network();
    if (!emergency) throw new Failure('emergency-refused', `the policy names no time lock on ${name} any more`);
    return emergency.timelock;
  };
  return {
    tip: async () => lowestTip(endpoints, network()),
    scheduled: async (from, to) => {
      const wanted = { address: timelock(), events: [callScheduledTopic] };
      const logs = await readLogsOf(endpoints, network(), wanted, [from, to]);
      return logs.flatMap((log) => readScheduledCall(log) ?? []);
    },
    stateAt: async (height, operations) => {
      const header = await agreeOnHeader(endpoints, height);
      const timestamps: bigint[] = [];
      for (let from = 0; from < operations.length; from += slotsMax) {
        const slots = operations.slice(from, from + slotsMax).map(operationSlot);
        timestamps.push(...(await readAccount(endpoints, header, timelock(), slots)).values);
      }
      return { timeS: BigInt(Math.floor(header.timeMs / 1_000)), timestamps };
    },
    names: () => viewOf(network()),
    finalityBlocks: () => network().finality_blocks,
  };
}

/** Addresses as the policy knows them. The forwarders' registry is the only one that governance holds beside the vault's own. */
function viewOf(network: EvmNetworkPolicy): GovernanceView {
  const { emergency, assets } = network;
  const of = (address: string): string => parseEvmAddress(address.toLowerCase());
  const guard = guardOf(network);
  return {
    coin: assets.find(({ contract }) => contract === null)?.code ?? 'coin',
    hot_safe: of(network.safe),
    cold_safe: of(network.cold_addresses[0] ?? network.safe),
    tokens: assets.flatMap(({ contract, code }) => (contract === null ? [] : { contract: of(contract), code })),
    contracts: [
      { kind: 'vault-registry', address: of(network.registry) },
      ...(guard === null ? [] : ([{ kind: 'vault-guard', address: of(guard) }] as const)),
      ...(emergency
        ? ([
            { kind: 'emergency-desk', address: of(emergency.desk) },
            { kind: 'timelock', address: of(emergency.timelock) },
          ] as const)
        : []),
    ],
  };
}
