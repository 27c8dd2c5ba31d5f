import { secp256k1 } from '@noble/curves/secp256k1.js';
import { bytesToHex, concatBytes, hexToBytes } from '@noble/hashes/utils.js';
import { addr } from 'micro-eth-signer';
import { createContract } from 'micro-eth-signer/abi.js';
import { evmChainId, parseNetworkId } from '../../money/network.ts';
import type { EmergencyAct, EmergencyAuthorisation } from '../../signing/emergency.ts';
import { addressWord, bytesWord, structHash, typedDataHash, uintWord } from './typed-data.ts';

/** An act of a desk, once, until a time (Unix, seconds). */
export interface EmergencyOrder {
  readonly act: EmergencyAct;
  readonly nonce: bigint;
  readonly deadlineS: bigint;
}

const domainType = 'EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)';
const types = {
  pause: 'Pause(uint256 nonce,uint256 deadline)',
  veto: 'Veto(bytes32[] operations,uint256 nonce,uint256 deadline)',
  evacuate: 'Evacuate(address[] tokens,uint256 nonce,uint256 deadline)',
} as const;
const text = (value: string): Uint8Array => bytesWord(new TextEncoder().encode(value));
const name = text('Holdfast emergency desk');
const version = text('1');

const uint256 = <T extends string>(field: T) => ({ name: field, type: 'uint256' }) as const;
const ending = [uint256('nonce'), uint256('deadline'), { name: 'signature', type: 'bytes' }] as const;
const abi = createContract([
  { type: 'function', name: 'pause', inputs: ending, outputs: [] },
  { type: 'function', name: 'veto', inputs: [{ name: 'operations', type: 'bytes32[]' }, ...ending], outputs: [] },
  { type: 'function', name: 'evacuate', inputs: [{ name: 'tokens', type: 'address[]' }, ...ending], outputs: [] },
] as const);

/**
 * The 32-byte EIP-712 hash that an emergency key signs (EmergencyDesk.sol). Chain and desk are in the domain: the signature
 * is worth nothing elsewhere.
 */
export function emergencyHash(input: { chainId: bigint; desk: string; order: EmergencyOrder }): Uint8Array {
  const { act, nonce, deadlineS } = input.order;
  const domain = structHash(domainType, [name, version, uintWord(input.chainId), addressWord(input.desk)]);
  const words = [...listWords(act), uintWord(nonce), uintWord(deadlineS)];
  return typedDataHash(domain, structHash(types[act.kind], words));
}

/** Calldata (0x hex) of the desk. @param signature 130 hex digits: r s v with v 27 or 28. */
export function encodeEmergency({ act, nonce, deadlineS }: EmergencyOrder, signature: string): string {
  const rest = { nonce, deadline: deadlineS, signature: hexToBytes(signature) };
  if (act.kind === 'pause') return hex(abi.pause.encodeInput(rest));
  if (act.kind === 'veto') {
    const operations = act.operations.map((one) => hexToBytes(one.slice(2)));
    return hex(abi.veto.encodeInput({ operations, ...rest }));
  }
  return hex(abi.evacuate.encodeInput({ tokens: [...act.tokens], ...rest }));
}

/** EIP-712 encodeData of a list: the hash of its members' words. */
function listWords(act: EmergencyAct): Uint8Array[] {
  if (act.kind === 'pause') return [];
  const words =
    act.kind === 'veto' ? act.operations.map((one) => hexToBytes(one.slice(2))) : act.tokens.map(addressWord);
  return [bytesWord(concatBytes(...words))];
}

function hex(data: Uint8Array): string {
  return `0x${bytesToHex(data)}`;
}

/**
 * What is wrong with an authorisation before any chain is asked: signature, key or calldata go with something else than it
 * says. Null when nothing is.
 */
export function emergencyProblem(one: EmergencyAuthorisation): string | null {
  const order = { act: one.act, nonce: BigInt(one.nonce), deadlineS: BigInt(one.deadline_s) };
  if (order.nonce >= 1n << 256n) return 'the nonce has more than 256 bits';
  if (one.calldata !== encodeEmergency(order, one.signature)) return 'the calldata says something else';
  const hash = emergencyHash({ chainId: evmChainId(parseNetworkId(one.network)), desk: one.desk, order });
  const key = recoveredAddress(hash, hexToBytes(one.signature));
  return key?.toLowerCase() === one.key.toLowerCase() ? null : `the signature is not by ${one.key}`;
}

/** Null for what is no signature. */
function recoveredAddress(hash: Uint8Array, signature: Uint8Array): string | null {
  try {
    const ordered = Uint8Array.of((signature[64] ?? 0) - 27, ...signature.subarray(0, 64));
    return addr.fromPublicKey(secp256k1.recoverPublicKey(ordered, hash, { prehash: false }));
  } catch {
    return null;
  }
}
