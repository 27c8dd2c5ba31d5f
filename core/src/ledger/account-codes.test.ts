import { describe, expect, test } from 'vitest';
import { accountCodes, parseAccountCode } from './account-codes.ts';

const evm = 'eip155:31337';

describe('account codes', () => {
  test.each([
    [accountCodes.hot(evm, 'ETH'), 'hot:eip155:31337:ETH', 'debit', true],
    [accountCodes.uncollected(evm, 'ETH'), 'uncollected:eip155:31337:ETH', 'debit', true],
    [accountCodes.relayer(evm, 'ETH'), 'relayer:eip155:31337:ETH', 'debit', true],
    [accountCodes.inFlight(evm, 'ETH'), 'in_flight:eip155:31337:ETH', 'debit', true],
    [accountCodes.feesPaid(evm, 'ETH'), 'fees_paid:eip155:31337:ETH', 'debit', false],
    [accountCodes.unexplained(evm, 'ETH'), 'unexplained:eip155:31337:ETH', 'debit', true],
    [accountCodes.receivable('cus_1', 'ETH'), 'receivable:cus_1:ETH', 'debit', false],
    [accountCodes.customer('cus_1', 'ETH'), 'customer:cus_1:ETH', 'credit', false],
    [accountCodes.hold('cus_1', 'ETH'), 'hold:cus_1:ETH', 'credit', false],
    [accountCodes.unconfirmed(evm, 'ETH'), 'unconfirmed:eip155:31337:ETH', 'credit', false],
    [accountCodes.suspense(evm, 'ETH'), 'suspense:eip155:31337:ETH', 'credit', true],
    [accountCodes.quarantine(evm, 'ETH'), 'quarantine:eip155:31337:ETH', 'credit', false],
    [accountCodes.feeRevenue('ETH'), 'fee_revenue:ETH', 'credit', false],
    [accountCodes.capital('ETH'), 'capital:ETH', 'credit', true],
  ])('%s has its side and says whether it may be negative', (code, text, normal, allowNegative) => {
    expect(code).toBe(text);
    expect(parseAccountCode(code)).toMatchObject({ asset: 'ETH', normal, allowNegative });
  });

  test('names the owner whole, colon of the network included', () => {
    expect(parseAccountCode('hot:bip122:0f9188f13cb7b2c71f2a335e3a4fc328:BTC').owner).toBe(
      'bip122:0f9188f13cb7b2c71f2a335e3a4fc328',
    );
    expect(parseAccountCode('hold:cus_1:BTC').owner).toBe('cus_1');
    expect(parseAccountCode('capital:BTC').owner).toBeUndefined();
  });

  test.each([
    '',
    'ETH',
    'hot',
    'hot:',
    'hot:ETH',
    'hot:eip155:1:',
    'hot:eip155:ETH',
    'hot::1:ETH',
    'toString:ETH',
    'capital:eip155:1:ETH',
    'customer:ETH',
    'customer:a:b:ETH',
    'customer::ETH',
    'customer:cus 1:ETH',
    'capital:E TH',
    'vault:eip155:1:ETH',
  ])('refuses what no builder makes: %j', (text) => {
    expect(() => parseAccountCode(text)).toThrow('not an account code');
  });

  test('a builder refuses a customer id that would name another account', () => {
    expect(() => accountCodes.customer('eip155:1', 'ETH')).toThrow('not an account code');
  });
});
