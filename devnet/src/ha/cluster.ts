import { randomBytes } from 'node:crypto';
import { chown, mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { Failure } from '@holdfast/core/failure.ts';
import { freePort } from '../free-port.ts';
import { type Footing, findFooting } from '../postgres-privileges.ts';
import { findRunning, signal, stopProcess } from '../postgres-process.ts';
import { childrenOf } from '../process-table.ts';
import type { Child, Supervisor } from '../processes.ts';
import { ensureHa } from './setup.ts';

/** Three PostgreSQL servers on this machine of which Patroni keeps one the primary, with etcd to agree on it. */
export interface Cluster {
  /** Of all three, for whatever follows the primary; good before the cluster is up. */
  readonly url: string;
  /** @throws Failure node-unavailable when the cluster does not come up. */
  start(): Promise<void>;
  /** The member that Patroni calls the leader, and the one that confirms its commits; waits for both. */
  roles(): Promise<{ readonly leader: string; readonly standby: string }>;
  /** Kills a member as a power cut would: PostgreSQL, Patroni and etcd at once, with SIGKILL. */
  kill(member: string): Promise<void>;
  /** Ends everything at once: nobody takes over. */
  stop(): Promise<void>;
}

interface Member {
  readonly name: string;
  readonly folder: string;
  readonly ports: { readonly postgres: number; readonly rest: number; readonly etcd: number; readonly peer: number };
  readonly children: Child[];
}

export interface ClusterOptions {
  readonly folder: string;
  readonly supervisor: Supervisor;
  readonly log: (line: string) => void;
}

/** Seconds that a leader which is silent stays the leader: the least that Patroni's manual allows. */
const ttlS = 20;
const startMsMax = 60_000;
const database = 'holdfast';

/**
 * An empty cluster that confirms a commit when a second member has it, or not at all (synchronous_mode_strict). Nothing is started yet.
 * @throws Failure node-unavailable when the programs cannot be had.
 */
export async function prepareCluster({ folder, supervisor, log }: ClusterOptions): Promise<Cluster> {
  const footing = await findFooting(await ensureHa(log), join(folder, 'cluster'));
  const where = { footing, supervisor, folder };
  const password = randomBytes(24).toString('base64url');
  const members: Member[] = [];
  for (const name of ['node-1', 'node-2', 'node-3']) {
    const ports = {
      postgres: await freePort(),
      rest: await freePort(),
      etcd: await freePort(),
      peer: await freePort(),
    };
    const member = { name, folder: join(footing.folder, name), ports, children: [] };
    await mkdir(member.folder, { mode: 0o700 });
    if (footing.user) await chown(member.folder, footing.user.uid, footing.user.gid);
    members.push(member);
  }
  const hosts = members.map(({ ports }) => `127.0.0.1:${ports.postgres}`).join(',');
  const roles = async (): Promise<{ leader: string; standby: string }> => {
    for (const deadline = Date.now() + startMsMax; Date.now() < deadline; await sleep(100)) {
      const seen = await rolesSeen(members);
      const leader = seen.get('leader');
      const standby = seen.get('sync_standby');
      if (leader !== undefined && standby !== undefined) return { leader, standby };
    }
    throw new Failure('node-unavailable', `the cluster has no leader with a synchronous standby; logs in ${folder}`);
  };
  return {
    url: `postgresql://holdfast:${password}@${hosts}/${database}?target_session_attrs=read-write`,
    start: async () => {
      await Promise.all(members.map((member) => startEtcd(member, members, where)));
      await Promise.all(members.map((member) => startPatroni(member, members, password, where)));
      const { leader } = await roles();
      await createDatabase(
        members.find(({ name }) => name === leader)!,
        password,
      );
    },
    roles,
    kill: (name) => killMember(members.find((member) => member.name === name)!),
    stop: async () => {
      for (const { children } of members) for (const child of children) child.kill('SIGKILL');
      for (const member of members) {
        const left = await findRunning(dataOf(member));
        if (left !== undefined) signal(left, 'SIGQUIT');
      }
      for (const member of members) {
        const left = await findRunning(dataOf(member));
        if (left !== undefined) await stopProcess(left);
        for (const child of member.children) await child.stop();
      }
    },
  };
}

interface Where {
  readonly footing: Footing;
  readonly supervisor: Supervisor;
  readonly folder: string;
}

const dataOf = (member: Member): string => join(member.folder, 'data');

async function launch(member: Member, program: string, args: readonly string[], where: Where): Promise<void> {
  const { footing, supervisor, folder } = where;
  const drop = footing.user
    ? ['setpriv', `--reuid=${footing.user.uid}`, `--regid=${footing.user.gid}`, '--clear-groups', '--']
    : footing.prefix;
  const [command, ...words] = [...drop, join(footing.binaries, 'bin', program), ...args];
  const child = await supervisor.spawnChild({
    name: `${program}-${member.name}`,
    command: command!,
    args: words,
    env: { PATH: process.env['PATH'], LC_ALL: 'C', TZ: 'UTC', HOME: member.folder },
    bareEnv: true,
    cwd: member.folder,
    logFile: join(folder, 'logs', `${program}-${member.name}.log`),
    graceMs: 20_000,
  });
  member.children.push(child);
}

function startEtcd(member: Member, members: readonly Member[], where: Where): Promise<void> {
  const http = (port: number): string => `http://127.0.0.1:${port}`;
  const flags = {
    name: member.name,
    'data-dir': join(member.folder, 'etcd'),
    'listen-client-urls': http(member.ports.etcd),
    'advertise-client-urls': http(member.ports.etcd),
    'listen-peer-urls': http(member.ports.peer),
    'initial-advertise-peer-urls': http(member.ports.peer),
    'initial-cluster': members.map(({ name, ports }) => `${name}=${http(ports.peer)}`).join(','),
    'initial-cluster-state': 'new',
  };
  return launch(
    member,
    'etcd',
    Object.entries(flags).map(([name, value]) => `--${name}=${value}`),
    where,
  );
}

/** Its configuration is YAML, which takes JSON. */
async function startPatroni(member: Member, members: readonly Member[], password: string, where: Where): Promise<void> {
  const { ports, name, folder } = member;
  const reach = ['host all all 127.0.0.1/32 scram-sha-256', 'host replication replicator 127.0.0.1/32 scram-sha-256'];
  const config = {
    scope: 'holdfast',
    name,
    restapi: { listen: `127.0.0.1:${ports.rest}`, connect_address: `127.0.0.1:${ports.rest}` },
    etcd3: { hosts: members.map((one) => `127.0.0.1:${one.ports.etcd}`) },
    bootstrap: {
      dcs: {
        ttl: ttlS,
        loop_wait: 1,
        retry_timeout: 3,
        maximum_lag_on_failover: 1_048_576,
        synchronous_mode: true,
        synchronous_mode_strict: true,
        postgresql: { use_pg_rewind: true, parameters: { jit: 'off', max_connections: 100, shared_buffers: '32MB' } },
      },
      initdb: [{ encoding: 'UTF8' }, { locale: 'C.UTF-8' }, 'data-checksums'],
    },
    postgresql: {
      listen: `127.0.0.1:${ports.postgres}`,
      connect_address: `127.0.0.1:${ports.postgres}`,
      data_dir: dataOf(member),
      bin_dir: join(where.footing.binaries, 'bin'),
      pgpass: join(folder, 'pgpass'),
      authentication: {
        superuser: { username: 'holdfast', password },
        replication: { username: 'replicator', password },
      },
      basebackup: [{ checkpoint: 'fast' }],
      parameters: { unix_socket_directories: '', listen_addresses: '127.0.0.1' },
      pg_hba: reach,
    },
  };
  const file = join(folder, 'patroni.json');
  await writeFile(`${file}.new`, JSON.stringify(config, null, 2), { mode: 0o600 });
  if (where.footing.user) await chown(`${file}.new`, where.footing.user.uid, where.footing.user.gid);
  await rename(`${file}.new`, file);
  await launch(member, 'patroni', [file], where);
}

/** Names by role, as whichever member answers says it. */
async function rolesSeen(members: readonly Member[]): Promise<Map<string, string>> {
  for (const { ports, children } of members) {
    if (!children.every((child) => child.running())) continue;
    try {
      const response = await fetch(`http://127.0.0.1:${ports.rest}/cluster`, { signal: AbortSignal.timeout(1_000) });
      const { members: seen } = (await response.json()) as { members: { name: string; role: string; state: string }[] };
      // One that was killed is listed until its key has run out.
      const live = seen.filter(({ name, state }) => isRunning(members, name) && /^(?:running|streaming)$/.test(state));
      return new Map(live.map(({ role, name }) => [role, name]));
    } catch {
      // Not there yet, or going.
    }
  }
  return new Map();
}

const isRunning = (members: readonly Member[], name: string): boolean =>
  members.some((member) => member.name === name && member.children.every((child) => child.running()));

/** Patroni starts PostgreSQL as a session of its own, which its group's signals do not reach. */
async function killMember(member: Member): Promise<void> {
  const postmaster = await findRunning(dataOf(member));
  if (postmaster === undefined) throw new Error(`${member.name} runs no PostgreSQL`);
  for (const child of member.children) child.kill('SIGKILL');
  // The postmaster first: it would recover from the death of a child.
  const sessions = childrenOf(postmaster);
  for (const pid of [postmaster, ...sessions]) signal(pid, 'SIGKILL');
  await Promise.all(member.children.map((child) => child.exited));
}

async function createDatabase(leader: Member, password: string): Promise<void> {
  const client = new pg.Client({
    connectionString: `postgresql://holdfast:${password}@127.0.0.1:${leader.ports.postgres}/postgres`,
  });
  await client.connect();
  try {
    await client.query(`create database ${database}`);
  } finally {
    await client.end();
  }
}
