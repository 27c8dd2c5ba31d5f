import { emergencyProblem } from '@holdfast/core/chains/evm/emergency-desk.ts';
import { Failure } from '@holdfast/core/failure.ts';
import type { PauseFunctions } from '../network.ts';
import type { EvmNode } from './evm-node.ts';
import type { Relayer } from './relayer.ts';

/** VaultGuard.sol: paused() and desk(). */
const selectors = { paused: '0x5c975abb', desk: '0xc12b293c' } as const;
/** Measured: 0.1 million. A contract that is no desk shall not burn the relayer's float. */
const gasMax = 300_000n;

/** Pauses of the vault's guard, as signers authorise them. */
export function evmPause(guard: string, { node, gas }: { node: EvmNode; gas: Relayer }): PauseFunctions {
  return {
    isPaused: async () => (await node.wordOf(guard, selectors.paused)) === 1n,
    async prepare(authorisation) {
      const problem = emergencyProblem(authorisation);
      if (problem !== null) throw new Failure('emergency-refused', problem);
      const desk = await node.wordOf(guard, selectors.desk);
      if (desk !== BigInt(authorisation.desk))
        throw new Failure('emergency-refused', `${authorisation.desk} is not the desk of the guard ${guard}`);
      const unsigned = { to: authorisation.desk, data: authorisation.calldata };
      return { unsigned, signed: await gas.prepare(unsigned.to, unsigned.data, { refs: [], gasMax }) };
    },
  };
}
