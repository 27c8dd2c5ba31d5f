import { Failure } from '@holdfast/core/failure.ts';
import type { EvmNetworkPolicy } from '@holdfast/core/policy/policy.ts';
import type { EmergencyAuthorisation } from '@holdfast/core/signing/emergency.ts';
import type { ActiveHalt, JournalState } from '@holdfast/core/signing/journal-state.ts';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import type { Journal } from '../journal/journal.ts';
import type { DigestSigner } from '../keys/digest-signer.ts';
import { errorName, log } from '../log.ts';
import type { PolicyStore } from '../policy/policy-store.ts';
import { isWatchReason } from '../watcher/watch-network.ts';
import { authorise, deadlineDefaultS } from './authorise.ts';
import { recordEmergency } from './emergency-file.ts';

/** Pauses of the vaults' guards, for as long as a halt asks for them. */
export interface PauseDesk {
  /** Makes what is missing. Never throws: the next look comes in a second. */
  readonly look: () => Promise<void>;
  /** What whoever has gas should bring to the chains. */
  readonly offers: () => EmergencyAuthorisation[];
}

/** A new deadline is signed when less than this is left. */
const renewAtS = 900;

/**
 * Halts that pause a network's vault, oldest first: this signer's own for what it saw on a chain, and those whose signed
 * statement says so. Never a peer's word, nor an own halt for what a peer or the server said: a halt is lifted in an hour, a
 * pause takes governance its delay.
 */
export function pausingHalts(halts: JournalState['halts'], signer: string, network: string): string[] {
  const covers = ({ scope }: ActiveHalt['statement']): boolean =>
    scope.asset === null && (scope.network === null || scope.network.toLowerCase() === network.toLowerCase());
  const asks = ({ statement, by, isSigned }: ActiveHalt): boolean =>
    isSigned ? statement.pause === true : by === signer && isWatchReason(statement.reason);
  return [...halts].filter(([, halt]) => covers(halt.statement) && asks(halt)).map(([digest]) => digest);
}

/**
 * The desk takes a nonce once: so for one halt this key pauses once, over restarts, renewed deadlines and relayers that kept
 * an earlier one.
 */
export function pauseNonce(network: string, halt: string): bigint {
  return BigInt(`0x${bytesToHex(sha256(utf8ToBytes(`holdfast/pause/v1\0${network}\0${halt}`)))}`);
}

/** It looks at what is open rather than at what happens, so that no crash between halt and pause loses the pause. */
export function createPauseDesk(input: {
  readonly dataDir: string;
  /** This signer's own id. */
  readonly signer: string;
  /** CAIP-2. */
  readonly networks: readonly string[];
  readonly key: DigestSigner;
  readonly journal: Pick<Journal, 'state' | 'nowMs'>;
  readonly policies: Pick<PolicyStore, 'current'>;
  /** UTC milliseconds. */
  readonly clock: () => number;
}): PauseDesk {
  const { signer, key, journal, clock } = input;
  /** By network. */
  const made = new Map<string, { readonly halt: string; readonly authorisation: EmergencyAuthorisation }>();
  let trouble = '';

  const isFresh = (network: EvmNetworkPolicy, halt: string, nowS: number): boolean => {
    const last = made.get(network.network);
    if (last?.halt !== halt || last.authorisation.desk !== network.emergency?.desk) return false;
    return last.authorisation.deadline_s - nowS > renewAtS;
  };

  const record = (halt: string, authorisation: EmergencyAuthorisation): void => {
    log('pause-authorised', { network: authorisation.network, halt, deadline_s: authorisation.deadline_s });
    try {
      recordEmergency(input.dataDir, { at_ms: clock(), cause: halt, authorisation });
    } catch (error) {
      // A full disk must not keep the vault open: nothing is decided by the file, and the nonce is the halt's in any case.
      log('emergency-not-recorded', { error: errorName(error) });
    }
  };

  const lookAt = async (network: EvmNetworkPolicy): Promise<void> => {
    // The newest: for an earlier one the vault may have been paused, and unpaused since.
    const halt = pausingHalts(journal.state.halts, signer, network.network).at(-1);
    if (halt === undefined) return void made.delete(network.network);
    const nowS = Math.floor(clock() / 1_000);
    if (isFresh(network, halt, nowS)) return;
    const nonce = pauseNonce(network.network, halt);
    const deadlineS = nowS + deadlineDefaultS;
    const authorisation = await authorise({ network, key, act: { kind: 'pause' }, nonce, deadlineS, nowS });
    record(halt, authorisation);
    made.set(network.network, { halt, authorisation });
  };

  const look = async (): Promise<void> => {
    if (journal.state.halts.size === 0) return made.clear();
    try {
      for (const network of input.policies.current(journal.nowMs()).networks) {
        if (network.family === 'evm' && network.emergency && input.networks.includes(network.network))
          await lookAt(network);
      }
      trouble = '';
    } catch (error) {
      const message = error instanceof Failure ? `${error.code}: ${error.message}` : errorName(error);
      if (message !== trouble) log('no-pause', { message });
      trouble = message;
    }
  };

  const offers = (): EmergencyAuthorisation[] =>
    [...made.values()].filter(({ halt }) => journal.state.halts.has(halt)).map(({ authorisation }) => authorisation);
  return { look, offers };
}
