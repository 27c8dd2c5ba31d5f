/** A program: appends records to the journal that its argument names, and says of each whether it may be relied on. */
import { Failure } from '@holdfast/core/failure.ts';
import { openJournal } from '@holdfast/signer/journal/journal.ts';

const said = (error: unknown): string => (error instanceof Failure ? error.code : String(error));

try {
  const journal = await openJournal(process.argv[2]!, Date.now, () => performance.now());
  for (let index = 0; index < 4; index += 1) {
    const body = { network: 'n', customer: 'c', index, address: `a${index}` };
    await journal.append({ kind: 'address', body }).then(
      () => console.log(`released ${index}`),
      (error: unknown) => console.log(`refused ${index} ${said(error)}`),
    );
  }
} catch (error) {
  console.log(`refused ${said(error)}`);
}
