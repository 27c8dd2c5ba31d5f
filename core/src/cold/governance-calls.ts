import Type, { type Static } from 'typebox';

/** Contracts that the cold Safe governs, by the names that the setup gives them. */
export const ContractKind = Type.Union([Type.Literal('vault-registry'), Type.Literal('timelock')]);
export type ContractKind = Static<typeof ContractKind>;

/** An argument as the decoder gives it: addresses in EIP-55, numbers in decimal, bytes in 0x hex. */
export type CallArguments = Readonly<Record<string, string>>;

export interface GovernanceCall {
  readonly contract: ContractKind;
  readonly name: string;
  readonly inputs: readonly { readonly name: string; readonly type: 'address' | 'uint256' | 'bool' | 'bytes32' }[];
  /** What the call changes, for a custodian. `of` names an address where the setup knows it. */
  readonly text: (values: CallArguments, of: (address: string) => string) => string;
}

const at = (values: CallArguments, name: string): string => values[name] ?? '';
const address = (name: string) => ({ name, type: 'address' }) as const;

/**
 * Every function that custodians may call, by the cold Safe itself or through the timelock; what is not here is refused. A
 * new one is a row.
 */
export const governanceCalls: readonly GovernanceCall[] = [
  {
    contract: 'vault-registry',
    name: 'setVault',
    inputs: [address('next')],
    text: (values, of) => `every deposit address sweeps to ${of(at(values, 'next'))} from then on`,
  },
  {
    contract: 'vault-registry',
    name: 'transferOwnership',
    inputs: [address('newOwner')],
    text: (values, of) => `${of(at(values, 'newOwner'))} may take over the registry, by accepting`,
  },
  {
    contract: 'vault-registry',
    name: 'acceptOwnership',
    inputs: [],
    text: () => 'whoever makes this call takes over the registry, as was offered',
  },
  {
    contract: 'timelock',
    name: 'updateDelay',
    inputs: [{ name: 'newDelay', type: 'uint256' }],
    text: (values) => `the timelock waits ${at(values, 'newDelay')} seconds from then on`,
  },
];

/** `name(type,...)`, whose hash begins with the selector. */
export function signatureOf({ name, inputs }: Pick<GovernanceCall, 'name' | 'inputs'>): string {
  return `${name}(${inputs.map(({ type }) => type).join(',')})`;
}
