import { randomBytes } from 'node:crypto';
import { bytesToHex } from '@noble/hashes/utils.js';
import { emergencyHash, encodeEmergency } from '@holdfast/core/chains/evm/emergency-desk.ts';
import type { EmergencyAct } from '@holdfast/core/signing/emergency.ts';
import { devnetKeys } from '@holdfast/devnet/evm/accounts.ts';
import { rpcCall } from '@holdfast/devnet/evm/json-rpc.ts';
import type { DigestSigner } from '@holdfast/signer/keys/digest-signer.ts';
import type { System } from '../support/system.ts';
import { type EvmCall, sendCalls } from './attack-tools-evm-calls.ts';

/** Seconds that an authorisation is good for. */
const goodForS = 600;

/** Seconds, by the last block: it may be ahead of the clock here. */
export async function chainTimeS({ chains }: System): Promise<bigint> {
  const block = await rpcCall<{ timestamp: string }>(chains.anvil.url, 'eth_getBlockByNumber', ['latest', false]);
  return BigInt(block.timestamp);
}

/** A call of the desk that one key authorised; whoever holds it may send it, and nobody can change it. */
export async function authorise(system: System, key: Pick<DigestSigner, 'sign'>, act: EmergencyAct): Promise<EvmCall> {
  const { desk, chainId } = system.evm;
  const nonce = BigInt(`0x${randomBytes(32).toString('hex')}`);
  const deadlineS = (await chainTimeS(system)) + BigInt(goodForS);
  const order = { act, nonce, deadlineS };
  const signature = await key.sign(emergencyHash({ chainId: BigInt(chainId), desk, order }));
  return { to: desk, data: encodeEmergency(order, bytesToHex(signature)), gas: 3_000_000n };
}

/** Sent by a stranger, in a block at once. @returns 'executed', or why not. */
export async function relay(system: System, call: EvmCall): Promise<string> {
  const [said] = await sendCalls(system, [call], devnetKeys.faucet);
  return said!;
}

/** All that an evacuation of the devnet's vault names; ether goes in any case. */
export function everyTokenOf({ evm }: System): EmergencyAct {
  return { kind: 'evacuate', tokens: [evm.usdt, evm.usdc] };
}
