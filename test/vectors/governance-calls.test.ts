import { signatureOf, governanceCalls } from '@holdfast/core/cold/governance-calls.ts';
import { loadArtifact, type ContractName } from '@holdfast/contracts/artifact.ts';
import { expect, test } from 'vitest';

interface AbiInput {
  readonly type: string;
  readonly components?: readonly AbiInput[];
}
interface AbiEntry {
  readonly type: string;
  readonly name?: string;
  readonly inputs?: readonly AbiInput[];
}

const artifacts: Readonly<Record<string, ContractName>> = {
  'vault-registry': 'VaultRegistry',
  'vault-guard': 'VaultGuard',
  'emergency-desk': 'EmergencyDesk',
  timelock: 'VaultTimelock',
};
const typeOf = ({ type, components }: AbiInput): string =>
  components ? `(${components.map(typeOf).join(',')})${type.slice('tuple'.length)}` : type;
const signatures = (name: ContractName): string[] =>
  (loadArtifact(name).abi as readonly AbiEntry[])
    .filter(({ type }) => type === 'function')
    .map(({ name: own, inputs = [] }) => `${own}(${inputs.map(typeOf).join(',')})`);

// The hot Safe is not ours; its selectors are pinned beside the decoder.
const ours = governanceCalls.filter(({ contract }) => contract in artifacts);

test.each(ours.map((call) => [call.contract, signatureOf(call)] as const))(
  '%s has %s, which custodians are shown',
  (contract, signature) => {
    expect(signatures(artifacts[contract]!)).toContain(signature);
  },
);

test('every contract of ours that governance calls has a row', () => {
  expect(new Set(ours.map(({ contract }) => contract))).toEqual(new Set(Object.keys(artifacts)));
});
