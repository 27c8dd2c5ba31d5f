import type { Edit } from './hooks.ts';

/** Mistakes that somebody could make, each by the change of production code that makes it (`--mutation <name>`). */
export const mutations: Readonly<Record<string, readonly Edit[]>> = {
  'unsynced-journal': [{ file: 'signer/src/journal/journal.ts', find: 'await file.datasync();', replace: '' }],
  'reversal-forgotten': [
    {
      file: 'server/src/jobs/roll-back-tip.ts',
      find: `deposits.filter((deposit) => deposit.state === 'credited')`,
      replace: 'deposits.slice(0, 0)',
    },
  ],
  'first-output-only': [
    {
      file: 'core/src/chains/bitcoin/scan.ts',
      find: 'if (address === undefined) return [];',
      replace: 'if (address === undefined || n > 0) return [];',
    },
  ],
  'branch-not-checked': [
    {
      file: 'server/src/jobs/follow-chain.ts',
      find: 'if (tip && loaded.block.parentHash !== tip.hash) return changed;',
      replace: '',
    },
  ],
  'offered-once': [
    {
      file: 'server/src/jobs/broadcast-transactions.ts',
      find: `['signed', 'broadcast', 'uncertain'], ctx.now()`,
      replace: `['signed'], ctx.now()`,
    },
  ],
  'inclusion-stays': [
    {
      file: 'server/src/jobs/roll-back-tip.ts',
      find: 'await unincludeBlock(sql, tip.id)',
      replace: '(await unincludeBlock(sql, tip.id)).slice(0, 0)',
    },
  ],
  // ADR 0032.
  'accuses-while-blind': [{ file: 'signer/src/wiring.ts', find: 'journal.assertUsable();', replace: 'return;' }],
  'rebuild-with-other-coins': [
    {
      file: 'server/src/networks/bitcoin/bitcoin-payments.ts',
      find: 'await lockCoinsNamed(sql, id, earlier)',
      replace: '(await lockCoinsNamed(sql, id, earlier)).slice(0, 0)',
    },
    // The signers refuse what the server gets wrong: both must.
    {
      file: 'core/src/signing/decide-acceptance.ts',
      find: 'obstacles(state, [digest], reviewed);',
      replace: 'obstacles(state, [digest], reviewed).slice(0, 0);',
    },
  ],
};
