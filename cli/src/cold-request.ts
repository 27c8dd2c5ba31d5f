import { buildRequest, buildSafeGovernance, buildSafeRefill } from '@holdfast/core/cold/build-request.ts';
import { buildRecoveryPsbt, buildRefillPsbt } from '@holdfast/core/cold/build-psbt.ts';
import {
  BitcoinRecoveryDraft,
  BitcoinRefillDraft,
  GovernanceDraft,
  SafeRefillDraft,
} from '@holdfast/core/cold/draft.ts';
import { inspectColdRequest } from '@holdfast/core/cold/inspect-request.ts';
import { canonicalText } from '@holdfast/core/cold/parse-canonical.ts';
import type { ColdRequest } from '@holdfast/core/cold/request.ts';
import type { ColdSetup, EvmSetup } from '@holdfast/core/cold/setup.ts';
import { Failure } from '@holdfast/core/failure.ts';
import Type, { type Static } from 'typebox';
import { writeNew } from './cold-files.ts';
import { neededOption, setupOf } from './cold-setup.ts';
import { readingText } from './cold-text.ts';
import { given, type OptionValues, type Result } from './command.ts';
import { fitJson, readJsonFile } from './read-json-file.ts';

/** Which schema it must fit follows from its network. */
const AnyDraft = Type.Object({ network: Type.String() });
const hourMs = 3_600_000;
const hoursDefault = 72;

/** `holdfast cold request KIND DRAFT`: what custodians are to sign, made on a machine that knows the chain. */
export function coldRequest([kind = '', draftFile = '']: readonly string[], values: OptionValues): Result {
  const out = neededOption(values, 'out');
  const setup = setupOf(values);
  const draft = readJsonFile(draftFile, AnyDraft);
  const { network, payload } = payloadOf(kind, draft, setup, draftFile);
  const createdMs = Date.now();
  const times = { createdMs, expiresMs: createdMs + hoursOf(values) * hourMs };
  const request = buildRequest(kind as ColdRequest['kind'], network, payload, setup, times);
  // As the custodians will read it: what they would refuse is not written.
  const reading = inspectColdRequest(request, setup);
  writeNew(out, canonicalText(request));
  return {
    json: { file: out, digest: reading.digest, expires_at: request.expires_at },
    text: [
      readingText(reading, request.expires_at),
      `Written to ${out}. Tell the custodians the digest over another channel.`,
    ].join('\n'),
  };
}

type Made = Pick<ColdRequest, 'network' | 'payload'>;

function payloadOf(kind: string, draft: Static<typeof AnyDraft>, setup: ColdSetup, file: string): Made {
  const { network } = draft;
  if (network.startsWith('bip122:')) {
    if (setup.bitcoin?.network !== network) throw unknownNetwork(network);
    if (kind === 'refill')
      return { network, payload: buildRefillPsbt(fitJson(draft, BitcoinRefillDraft, file), setup) };
    if (kind === 'recovery')
      return { network, payload: buildRecoveryPsbt(fitJson(draft, BitcoinRecoveryDraft, file), setup) };
  } else {
    const evm = setup.evm.find((one) => one.network === network);
    if (!evm) throw unknownNetwork(network);
    const safeTransaction = safeTransactionOf(kind, draft, evm, file);
    if (safeTransaction) return { network, payload: { safe_transaction: safeTransaction } };
  }
  throw new Failure('invalid-request', `no request ${kind} on ${network}`, {
    fix: 'refill, recovery (Bitcoin) or governance (EVM).',
  });
}

function safeTransactionOf(kind: string, draft: unknown, evm: EvmSetup, file: string) {
  if (kind === 'refill') return buildSafeRefill(fitJson(draft, SafeRefillDraft, file), evm);
  if (kind === 'governance') return buildSafeGovernance(fitJson(draft, GovernanceDraft, file), evm);
  return null;
}

function hoursOf(values: OptionValues): number {
  const { hours = String(hoursDefault) } = given(values, 'hours');
  if (!/^[1-9][0-9]{0,2}$/.test(hours) || Number(hours) > 31 * 24)
    throw new Failure('invalid-request', '--hours takes 1 to 744: a request lives for at most 31 days');
  return Number(hours);
}

function unknownNetwork(network: string): Failure {
  return new Failure('unknown-network', `the setup has no such network: ${network}`, {
    fix: 'Name a network that the setup lists.',
  });
}
