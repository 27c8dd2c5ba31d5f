import { samplePolicy, signSamplePolicy } from '@holdfast/core/policy/sample-policy.test-support.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { beforeEach, expect, test, vi } from 'vitest';
import type { Journal } from '../journal/journal.ts';
import { agreedTime } from '../mesh/agreed-time.ts';
import { acceptPolicy } from './accept-policy.ts';
import type { PolicyStore } from './policy-store.ts';

const signed = signSamplePolicy(samplePolicy());

beforeEach(() => void vi.spyOn(process.stdout, 'write').mockReturnValue(true));

const depsWith = (propose: PolicyStore['propose'], agreedNowMs = () => 5) => {
  const told: [string, unknown][] = [];
  return {
    told,
    policies: { propose } as Partial<PolicyStore> as PolicyStore,
    journal: { nowMs: () => 5 } as Partial<Journal> as Journal,
    agreedNowMs,
    spread: (path: string, message: unknown) => void told.push([path, message]),
  };
};

test('tells the peers of a version that is new, and of no other', async () => {
  for (const isNew of [true, false]) {
    const deps = depsWith(async (_signed, nowMs) => ({ version: 2, effectiveAtMs: nowMs + 1, isNew }));
    expect(await acceptPolicy(deps, signed)).toEqual({ version: 2, effective_at_ms: 6 });
    expect(deps.told).toEqual(isNew ? [['/v1/mesh/policy', signed]] : []);
  }
});

test('tells nobody of a version that it refuses', async () => {
  const deps = depsWith(async () => Promise.reject(new Failure('policy-invalid', 'no')));
  await expect(acceptPolicy(deps, signed)).rejects.toMatchObject({ code: 'policy-invalid' });
  expect(deps.told).toEqual([]);
});

test('takes no version by a clock that its peers do not share', async () => {
  const propose = vi.fn<PolicyStore['propose']>();
  const deps = depsWith(propose, () => agreedTime(0, [40_000, 40_000]));
  await expect(acceptPolicy(deps, signed)).rejects.toMatchObject({ code: 'clock-behind' });
  expect(propose).not.toHaveBeenCalled();
  expect(deps.told).toEqual([]);
});
