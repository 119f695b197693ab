import type { ClusterAlarm, ClusterLease, ClusterSetting, ClusterMember, ClusterRole, ClusterUser } from "../../generated/etcdsnap_inspector.js";
import type { Rank } from "../columns/sort.svelte.ts";

/** A column of a table about the cluster, and the value to sort it by. */
interface Column<Row> {
  label: string;
  number?: boolean;
  of: (row: Row) => Rank;
}

export const MEMBERS: Column<ClusterMember>[] = [
  { label: "ID", of: ({ id }) => id.padStart(16, "0") },
  { label: "Role", of: ({ isLearner }) => (isLearner ? "learner" : "member") },
  { label: "Name", of: ({ name }) => name },
  { label: "Peer URLs", of: ({ peerUrls }) => peerUrls.join() },
  { label: "Client URLs", of: ({ clientUrls }) => clientUrls.join() },
];

export const LEASES: Column<ClusterLease>[] = [
  { label: "ID", of: ({ id }) => id.padStart(16, "0") },
  { label: "TTL", number: true, of: ({ ttl }) => ttl },
  { label: "Remaining", number: true, of: ({ remainingTtl }) => remainingTtl },
  { label: "Keys", number: true, of: ({ keys }) => keys },
];

export const USERS: Column<ClusterUser>[] = [
  { label: "Name", of: ({ name }) => name },
  { label: "Roles", of: ({ roles }) => roles.join() },
  { label: "Password", of: ({ password }) => (password ? "yes" : "none") },
];

export const ROLES: Column<ClusterRole>[] = [
  { label: "Name", of: ({ name }) => name },
  { label: "Permissions", of: ({ permissions }) => permissions.length },
];

export const ALARMS: Column<ClusterAlarm>[] = [
  { label: "Member", of: ({ member }) => member.padStart(16, "0") },
  { label: "Alarm", of: ({ kind }) => kind },
];

export const SETTINGS: Column<ClusterSetting>[] = [
  { label: "Bucket", of: ({ bucket }) => bucket },
  { label: "Key", of: ({ key }) => key },
  { label: "Value", of: ({ value }) => value },
];
