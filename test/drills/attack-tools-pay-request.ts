import type { AuthorizedIntent } from '@holdfast/core/signing/intent.ts';
import type { SignEvmRequest } from '@holdfast/core/signing/messages.ts';
import { evmNetworkId } from '@holdfast/devnet/configure.ts';
import { deadlineS } from './attack-tools-chains.ts';
import { deadlineLeg, honestLeg, multiSendOf, viaMultiSend } from './attack-tools-safe-bytes.ts';
import type { DrillStage } from './drill-stage.ts';

/**
 * What an honest builder makes of one payment on the EVM network: an attack that lies in the evidence reaches the signers
 * in a transaction that is in order, so that nothing else is what they refuse.
 */
export async function payRequest(stage: DrillStage, authorized: AuthorizedIntent): Promise<SignEvmRequest> {
  const legs = [deadlineLeg(deadlineS([authorized]), stage.system.evm.guard), honestLeg(authorized)];
  const tx = await viaMultiSend(stage, multiSendOf(legs));
  return { network: evmNetworkId, safe_transaction: tx, intents: [authorized] };
}
