import type { AuthorizedIntent } from '@holdfast/core/signing/intent.ts';
import type { SignEvmRequest } from '@holdfast/core/signing/messages.ts';
import { contractOf, evmNetworkId } from '@holdfast/devnet/configure.ts';
import type { AssetName } from '@holdfast/devnet/story/actors.ts';
import { safeNonce, transferCall } from './attack-tools-safe-bytes.ts';
import type { DrillStage } from './drill-stage.ts';

/**
 * What an honest builder makes of one payment on the EVM network: an attack that lies in the evidence reaches the signers
 * in a transaction that is in order, so that nothing else is what they refuse.
 */
export async function payRequest(
  stage: DrillStage,
  asset: Exclude<AssetName, 'BTC'>,
  authorized: AuthorizedIntent,
): Promise<SignEvmRequest> {
  const { destination, amount } = authorized.intent;
  const contract = contractOf(asset, stage.system.evm);
  const nonce = (await safeNonce(stage)).toString();
  const call =
    contract === null
      ? { to: destination, value: amount, data: '0x' }
      : { to: contract, value: '0', data: `0x${transferCall(destination, BigInt(amount))}` };
  const tx = { ...call, operation: 0, nonce } as const;
  return { network: evmNetworkId, safe_transaction: tx, intents: [authorized] };
}
