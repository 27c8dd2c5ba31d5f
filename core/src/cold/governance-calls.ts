import Type, { type Static } from 'typebox';
import { secondsText } from './span-text.ts';

/** Contracts that the cold Safe governs, by the names that the setup gives them. The hot Safe is the setup's `hot_safe`. */
export const ContractKind = Type.Union([
  Type.Literal('vault-registry'),
  Type.Literal('vault-guard'),
  Type.Literal('emergency-desk'),
  Type.Literal('timelock'),
]);
export type ContractKind = Static<typeof ContractKind>;
/** The hot Safe changes by calls of itself, which the timelock has it make as its module. */
export const CalledKind = Type.Union([...ContractKind.anyOf, Type.Literal('hot-safe')]);
export type CalledKind = Static<typeof CalledKind>;

/** An argument as the decoder gives it: addresses in EIP-55, numbers in decimal, bytes in 0x hex. */
export type CallArguments = Readonly<Record<string, string>>;

export interface GovernanceCall {
  readonly contract: CalledKind;
  readonly name: string;
  readonly inputs: readonly {
    readonly name: string;
    readonly type: 'address' | 'uint64' | 'uint128' | 'uint256' | 'bool' | 'bytes32';
  }[];
  /** The inputs are the members of one struct, which alters the selector and no other byte. */
  readonly isStruct?: true;
  /**
   * What the call changes, for a custodian. `of` names an address where the setup knows it, `amount` gives so many base units of a token
   * in its units too.
   */
  readonly text: (
    values: CallArguments,
    of: (address: string) => string,
    amount: (token: string, baseUnits: bigint) => string,
  ) => string;
}

const secondsOfDay = 86_400n;

const at = (values: CallArguments, name: string): string => values[name] ?? '';
const address = (name: string) => ({ name, type: 'address' }) as const;
const uint = <T extends 'uint64' | 'uint128' | 'uint256'>(name: string, type: T) => ({ name, type }) as const;

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
    contract: 'vault-guard',
    name: 'setLimit',
    inputs: [address('token'), uint('capacity', 'uint128'), uint('refillPerSecond', 'uint128')],
    isStruct: true,
    text: (values, of, amount) => {
      const token = at(values, 'token');
      const [capacity, refill] = [BigInt(at(values, 'capacity')), BigInt(at(values, 'refillPerSecond'))];
      return `of ${of(token)}, at most ${amount(token, capacity)} leave the hot Safe at once, and ${amount(token, refill)} more a second, ${amount(token, refill * secondsOfDay)} a day; 0 and the token is struck out. The zero address is the native coin`;
    },
  },
  {
    contract: 'vault-guard',
    name: 'setHorizon',
    inputs: [uint('next', 'uint64')],
    text: (values) => `the hot Safe may sign deadlines up to ${secondsText(at(values, 'next'))} ahead`,
  },
  {
    contract: 'vault-guard',
    name: 'unpause',
    inputs: [uint('named', 'uint64')],
    text: (values) =>
      `the hot Safe may pay again after pause number ${at(values, 'named')} by an emergency key; a later pause stays in force`,
  },
  {
    contract: 'emergency-desk',
    name: 'addKey',
    inputs: [address('key')],
    text: (values, of) => `${of(at(values, 'key'))} may pause, veto and evacuate by itself`,
  },
  {
    contract: 'emergency-desk',
    name: 'removeKey',
    inputs: [address('key')],
    text: (values, of) => `${of(at(values, 'key'))} is no emergency key any more`,
  },
  {
    contract: 'timelock',
    name: 'updateDelay',
    inputs: [uint('newDelay', 'uint256')],
    text: (values) => `the timelock waits ${secondsText(at(values, 'newDelay'))} from then on`,
  },
  {
    contract: 'hot-safe',
    name: 'setGuard',
    inputs: [address('guard')],
    text: (values, of) =>
      `${of(at(values, 'guard'))} judges every transaction of the hot Safe; the zero address: nobody does`,
  },
  {
    contract: 'hot-safe',
    name: 'enableModule',
    inputs: [address('module')],
    text: (values, of) =>
      `${of(at(values, 'module'))} may do everything with the hot Safe, without its owners or guard`,
  },
  {
    contract: 'hot-safe',
    name: 'disableModule',
    inputs: [address('prevModule'), address('module')],
    text: (values, of) =>
      `${of(at(values, 'module'))}, listed after ${at(values, 'prevModule')}, is no module any more`,
  },
  {
    contract: 'hot-safe',
    name: 'setFallbackHandler',
    inputs: [address('handler')],
    text: (values, of) =>
      `${of(at(values, 'handler'))} answers calls that the hot Safe does not know, signature checks among them`,
  },
  {
    contract: 'hot-safe',
    name: 'swapOwner',
    inputs: [address('prevOwner'), address('oldOwner'), address('newOwner')],
    text: (values, of) =>
      `${of(at(values, 'newOwner'))} owns the hot Safe in the place of ${at(values, 'oldOwner')}, listed after ${at(values, 'prevOwner')}`,
  },
  {
    contract: 'hot-safe',
    name: 'addOwnerWithThreshold',
    inputs: [address('owner'), uint('_threshold', 'uint256')],
    text: (values, of) =>
      `${of(at(values, 'owner'))} becomes one more owner of the hot Safe, whose quorum is ${at(values, '_threshold')} then`,
  },
  {
    contract: 'hot-safe',
    name: 'removeOwner',
    inputs: [address('prevOwner'), address('owner'), uint('_threshold', 'uint256')],
    text: (values, of) =>
      `${of(at(values, 'owner'))}, listed after ${at(values, 'prevOwner')}, owns the hot Safe no more, whose quorum is ${at(values, '_threshold')} then`,
  },
  {
    contract: 'hot-safe',
    name: 'changeThreshold',
    inputs: [uint('_threshold', 'uint256')],
    text: (values) => `${at(values, '_threshold')} owners of the hot Safe are enough`,
  },
];

/** `name(type,...)`, whose hash begins with the selector. */
export function signatureOf({ name, inputs, isStruct }: Pick<GovernanceCall, 'name' | 'inputs' | 'isStruct'>): string {
  const types = inputs.map(({ type }) => type).join(',');
  return isStruct ? `${name}((${types}))` : `${name}(${types})`;
}
