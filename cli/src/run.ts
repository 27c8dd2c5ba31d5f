import { audit } from './audit.ts';
import { cancel } from './cancel.ts';
import { closeAlarm } from './close-alarm.ts';
import { cold } from './cold.ts';
import type { Command, FileCommand } from './command.ts';
import { openServer } from './config.ts';
import { createRun } from './create-run.ts';
import { deposits } from './deposits.ts';
import { emergency } from './emergency.ts';
import { fees } from './fees.ts';
import { haltToken } from './halt-token.ts';
import { halt, halts, resume } from './halts.ts';
import { intent } from './intent.ts';
import { listing } from './listing.ts';
import { policy } from './policy.ts';
import { quarantine } from './quarantine.ts';
import { reconcile } from './reconcile.ts';
import { recoverables } from './recoverables.ts';
import { rescan } from './rescan.ts';
import { signers } from './signers.ts';
import { status } from './status.ts';
import { withdrawals } from './withdrawals.ts';

const commands: Readonly<Record<string, Command>> = {
  status,
  reconcile,
  deposits,
  withdrawals,
  signers,
  halts,
  rescan,
};
const fileCommands: Readonly<Record<string, FileCommand>> = {
  policy,
  audit,
  fees,
  listing,
  intent,
  'close-alarm': closeAlarm,
  cancel,
  halt,
  resume,
  'halt-token': haltToken,
  emergency,
  quarantine,
  recoverables,
  cold,
};

/** One shape for both kinds. */
const ofServer = Object.entries(commands).map(([name, command]): [string, FileCommand] => [
  name,
  { ...command, usage: [], run: (_args, values, open) => command.run(open(), values) },
]);

/** `holdfast` with all of its subcommands. */
export const run = createRun({ ...Object.fromEntries(ofServer), ...fileCommands }, openServer);
