import { parseBitcoinAddress } from '@holdfast/core/chains/bitcoin/address.ts';
import { inspectBitcoinTransaction } from '@holdfast/core/chains/bitcoin/inspect.ts';
import { bitcoinParams } from '@holdfast/core/chains/bitcoin/params.ts';
import type { JournalState } from '@holdfast/core/signing/journal-state.ts';
import type { TranscriptStore } from '../transcripts/transcript-store.ts';

/** Output scripts (hex) that are this wallet's on one Bitcoin network: deposit addresses that were handed out, and change. */
export interface OwnScripts {
  /** Takes in what the journal has gained since the last time. @throws Failure journal-broken. */
  readonly refresh: () => Promise<void>;
  readonly has: (script: string) => boolean;
}

/** Change exists only as an output of a transaction that was accepted, where its address was verified. */
export function createOwnScripts(
  network: string,
  state: Pick<JournalState, 'ownAddresses' | 'accepted'>,
  transcripts: Pick<TranscriptStore, 'read'>,
): OwnScripts {
  const params = bitcoinParams(network);
  const prefix = `${network} `;
  const scripts = new Set<string>();
  let addressesSeen = 0;
  let acceptedSeen = 0;

  const refresh = async (): Promise<void> => {
    if (addressesSeen < state.ownAddresses.size) {
      // A set keeps its order: what is new is at the end.
      const added = [...state.ownAddresses].slice(addressesSeen);
      addressesSeen += added.length;
      for (const name of added) {
        if (name.startsWith(prefix)) scripts.add(parseBitcoinAddress(name.slice(prefix.length), params).script);
      }
    }
    for (; acceptedSeen < state.accepted.length; acceptedSeen += 1) {
      const one = state.accepted[acceptedSeen];
      if (one?.network !== network) continue;
      const request = await transcripts.read(one.request);
      if (request.family !== 'bitcoin') continue;
      const { outputs } = inspectBitcoinTransaction(request.body.raw_tx);
      for (const { output } of request.body.change) scripts.add(outputs[output]?.script ?? '');
    }
  };
  return { refresh, has: (script) => scripts.has(script) };
}
