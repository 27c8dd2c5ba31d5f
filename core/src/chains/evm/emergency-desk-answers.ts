import { keccak_256 } from '@noble/hashes/sha3.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { addr } from 'micro-eth-signer';

/** Errors of EmergencyDesk.sol and of the guard behind it, by signature, for people. */
const errors: Readonly<Record<string, string>> = {
  'AuthorisationExpired(uint256,uint256)': 'its deadline has passed',
  'NotAnEmergencyKey(address)': 'its key is no emergency key of this desk, or it was signed for another desk or chain',
  'NonceSpent(address,uint256)': 'it was executed already, or another of the same nonce was',
  'NoGuard()': 'the Safe has no guard to pause',
  'NothingToVeto()': 'none of its operations is pending: executed, cancelled or never scheduled',
  'NotAModule()': 'the desk is no module of the Safe any more',
  'NothingEvacuated()': 'nothing moved: the Safe holds nothing of it, or every transfer failed',
  'GasTooLow(uint256,uint256)': 'the gas limit is too low for all of its tokens',
};
const selectorOf = (signature: string): string => bytesToHex(keccak_256(utf8ToBytes(signature)).subarray(0, 4));
const textOf = new Map(Object.entries(errors).map(([signature, text]) => [selectorOf(signature), text]));

/** Whether revert data (0x hex) says that an authorisation of this key and nonce was executed before. */
export function isSpent(revertData: string): boolean {
  return revertData.slice(2, 10) === selectorOf('NonceSpent(address,uint256)');
}

/** What revert data of the desk (0x hex) means; null for what it does not say itself. */
export function deskErrorText(revertData: string): string | null {
  return textOf.get(revertData.slice(2, 10)) ?? null;
}

/** A log as nodes give it; hex. */
interface NodeLog {
  readonly address: string;
  readonly topics: readonly string[];
  readonly data: string;
}

const events: Readonly<Record<string, (topic: string, data: string) => string>> = {
  'PauseAuthorised(address,address)': () => 'paused: only cold governance, after its delay, unpauses',
  'Vetoed(address,bytes32)': (topic) => `cancelled operation ${topic}`,
  'Evacuated(address,uint256)': (topic, data) => `sent ${BigInt(data)} base units of ${tokenOf(topic)} to cold`,
  'EvacuationFailed(address)': (topic) => `COULD NOT SEND ${tokenOf(topic)}`,
};
const eventOf = new Map(
  Object.entries(events).map(([signature, text]) => [`0x${bytesToHex(keccak_256(utf8ToBytes(signature)))}`, text]),
);

/** What a desk did in one transaction, by its logs, in words. */
export function readDeskLogs(desk: string, logs: readonly NodeLog[]): string[] {
  return logs
    .filter(({ address }) => address.toLowerCase() === desk.toLowerCase())
    .flatMap(({ topics: [event = '', first = '', second = ''], data }) => {
      const text = eventOf.get(event.toLowerCase());
      // An operation is the second topic, after the key that vetoed it.
      return text ? text(second === '' ? first : second, data) : [];
    });
}

function tokenOf(topic: string): string {
  const address = `0x${topic.slice(-40)}`;
  return BigInt(address) === 0n ? 'the native coin' : addr.addChecksum(address);
}
