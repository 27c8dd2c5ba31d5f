import type { WithdrawalLeg } from '@holdfast/core/chains/evm/build.ts';
import { parseBaseUnits } from '@holdfast/core/money/base-units.ts';
import type { AuthorizedIntent } from '@holdfast/core/signing/intent.ts';
import { caip19 } from '@holdfast/devnet/configure.ts';
import type { System } from '../support/system.ts';

/** One leg of the hot Safe an intent. */
export function evmLegs(system: System, intents: readonly AuthorizedIntent[]): WithdrawalLeg[] {
  const { evm } = system;
  const contracts = new Map<string, string>([
    [caip19('USDT', evm), evm.usdt],
    [caip19('USDC', evm), evm.usdc],
  ]);
  return intents.map(({ intent }) => {
    const leg = { to: intent.destination, amount: parseBaseUnits(intent.amount) };
    const contract = contracts.get(intent.asset);
    return contract === undefined ? { kind: 'native', ...leg } : { kind: 'erc20', contract, ...leg };
  });
}
