import { keccak_256 } from '@noble/hashes/sha3.js';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { Failure } from '../../failure.ts';
import type { EvmNetworkPolicy } from '../../policy/policy.ts';
import type { ProvenAccount } from './verify-state-proof.ts';

/** What the policy says about a Safe. */
export type SafeExpectation = Pick<
  EvmNetworkPolicy,
  'safe' | 'safe_singleton' | 'safe_owners' | 'safe_threshold' | 'safe_guard' | 'safe_handler' | 'safe_modules'
>;

/** keccak256 of the code of SafeProxy 1.5.0: it delegates to the singleton in slot 0 and does nothing else. */
export const safeProxyCodeHash = '4e381985ca68b3e5d27b4425fa581c19cf33146d3f887a3cfca96f55528ea46f';
/** SafeStorage.sol 1.5.0. */
const slot = { singleton: 0, modules: 1, owners: 2, ownerCount: 3, threshold: 4, nonce: 5 } as const;
/** GuardManager.sol, FallbackManager.sol, ModuleManager.sol: keccak256 of these names. */
const namedSlots = [
  'guard_manager.guard.address',
  'fallback_manager.handler.address',
  'module_manager.module_guard.address',
] as const;
/** Head and end of the linked lists of owners and modules. */
const sentinel = 1n;
const numbered = [slot.singleton, slot.ownerCount, slot.threshold, slot.nonce];

/** The slots that `checkSafeStorage` wants, 64 hex digits each, in its order. */
export function safeSlots(expected: SafeExpectation): string[] {
  return [
    ...numbered.map((number) => word(BigInt(number))),
    ...namedSlots.map((name) => bytesToHex(keccak_256(new TextEncoder().encode(name)))),
    ...[sentinel, ...expected.safe_owners.map(BigInt)].map((owner) => mappingSlot(owner, slot.owners)),
    ...[sentinel, ...expected.safe_modules.map(BigInt)].map((module) => mappingSlot(module, slot.modules)),
  ];
}

/**
 * Compares the Safe's code and storage with the policy: singleton, owners, threshold, guard, handler, modules, and no
 * module guard.
 * @param account proven, with the values of `safeSlots(expected)`.
 * @returns the Safe's next nonce.
 * @throws Failure chain-mismatch naming what differs.
 */
export function checkSafeStorage(account: ProvenAccount, expected: SafeExpectation): bigint {
  const [singleton, ownerCount, threshold, nonce, guard, handler, moduleGuard, ...lists] = account.values;
  const owners = lists.slice(0, expected.safe_owners.length + 1);
  const modules = lists.slice(owners.length);
  const same = (what: string, actual: bigint | undefined, wanted: bigint): void => {
    if (actual !== wanted) throw differs(expected, what, `0x${actual?.toString(16)} and not 0x${wanted.toString(16)}`);
  };
  same('code hash', BigInt(`0x${account.codeHash}`), BigInt(`0x${safeProxyCodeHash}`));
  same('singleton', singleton, BigInt(expected.safe_singleton));
  same('count of owners', ownerCount, BigInt(expected.safe_owners.length));
  same('threshold', threshold, BigInt(expected.safe_threshold));
  same('guard', guard, BigInt(expected.safe_guard));
  same('handler', handler, BigInt(expected.safe_handler));
  same('module guard', moduleGuard, 0n);
  checkList(expected, 'owners', expected.safe_owners, owners);
  checkList(expected, 'modules', expected.safe_modules, modules);
  return nonce ?? 0n;
}

/** The list must lead from the sentinel through every expected member, once, and back: then it holds nobody else. */
function checkList(
  expected: SafeExpectation,
  what: string,
  members: readonly string[],
  successors: readonly bigint[],
): void {
  const keys = [sentinel, ...members.map(BigInt)];
  const left = new Set(keys.slice(1));
  let at = successors[0];
  while (at !== undefined && left.delete(at)) at = successors[keys.indexOf(at)];
  if (at !== sentinel || left.size > 0) throw differs(expected, `list of ${what}`, 'another than the policy names');
}

function differs({ safe }: SafeExpectation, what: string, how: string): Failure {
  return new Failure('chain-mismatch', `the Safe ${safe} does not match the policy: its ${what} is ${how}`);
}

/** Solidity's mapping(address => ...) at a slot. */
function mappingSlot(key: bigint, number: number): string {
  return bytesToHex(keccak_256(hexToBytes(word(key) + word(BigInt(number)))));
}

function word(value: bigint): string {
  return value.toString(16).padStart(64, '0');
}
