import { combinePartials } from '@holdfast/core/cold/combine-partials.ts';
import { canonicalText } from '@holdfast/core/cold/parse-canonical.ts';
import { parseColdPartial, parseColdRequest, refuseUntimely } from '@holdfast/core/cold/request.ts';
import { readText, writeNew } from './cold-files.ts';
import { neededOption, setupOf } from './cold-setup.ts';
import { linesText } from './cold-text.ts';
import type { OptionValues, Result } from './command.ts';

/** `holdfast cold combine REQUEST PARTIAL...`: the transaction, once three custodians have signed. Needs no keys. */
export function coldCombine([requestFile = '', ...partialFiles]: readonly string[], values: OptionValues): Result {
  const out = neededOption(values, 'out');
  const setup = setupOf(values);
  const request = parseColdRequest(readText(requestFile));
  refuseUntimely(request, Date.now());
  const finished = combinePartials(
    request,
    setup,
    partialFiles.map((file) => ({ file, partial: parseColdPartial(readText(file), file) })),
  );
  writeNew(out, canonicalText(finished));
  const named = Object.entries(finished).filter(([name]) => name !== 'raw' && name !== 'data');
  return {
    json: finished,
    text: [linesText(named), `Written to ${out}, to be sent by a machine that is online.`].join('\n'),
  };
}
