import { Failure } from '@holdfast/core/failure.ts';

const form = /^(postgres(?:ql)?:\/\/(?:[^@/?#]*@)?)([^@/?#]*)(.*)$/s;

/**
 * Splits a libpq URL of several hosts, `postgresql://user:password@a:5432,b:5432/name?target_session_attrs=read-write`, into one
 * URL a host, as `pg` takes them.
 * @throws Failure config-invalid, which never shows the URL: it holds the password.
 */
export function databaseHosts(url: string): string[] {
  const [, before, hosts, rest = ''] = form.exec(url) ?? [];
  if (before === undefined || hosts === undefined) throw invalid('is not a postgresql:// URL');
  const [path = '', query] = rest.split('?', 2);
  const parameters = new URLSearchParams(query);
  const wanted = parameters.get('target_session_attrs') ?? 'read-write';
  // The primary is found by asking each host whether it takes writes: nothing else would do here.
  if (wanted !== 'read-write' && wanted !== 'primary') {
    throw invalid(`has target_session_attrs=${wanted}; a server writes, so it is read-write or left out`);
  }
  parameters.delete('target_session_attrs');
  if (parameters.get('host')?.includes(',')) throw invalid('lists several hosts in ?host=; list them before the path');
  const tail = parameters.size === 0 ? path : `${path}?${parameters.toString()}`;
  return hosts.split(',').map((host) => {
    if (host === '' && hosts !== '') throw invalid('has an empty host');
    return `${before}${host}${tail}`;
  });
}

const invalid = (why: string): Failure =>
  new Failure('config-invalid', `DATABASE_URL ${why}`, {
    fix: 'Write postgresql://user:password@host-1:5432,host-2:5432/name: docs/how-to/run-ha.md.',
  });
