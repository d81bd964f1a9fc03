/**
 * What the programs that change accounts write: useradd, usermod, userdel, groupadd, gpasswd, passwd,
 * chage and their like.
 *
 * @see shadow 4.1 to 4.17: src/*.c
 */
import type { PatternTable } from "./pattern.ts";

/** One table for all, since they share texts. */
export const ACCOUNT: PatternTable = {
  new: [
    {
      name: "user_created",
      regex:
        /^new user: name=([^,]*), UID=(\d+), GID=(\d+), home=(.*), shell=([^,]*)(?:, from=(.*))?$/s,
      fields: ["User", "UserId", "GroupId", "HomeDirectory", "Shell", "Terminal"],
    },
    {
      name: "group_created",
      regex: /^new group: name=([^,]*), GID=(\d+)/,
      fields: ["GroupName", "GroupId"],
    },
  ],
  group: [
    {
      name: "group_created",
      regex: /^group added to (\S+): name=([^,]*)(?:, GID=(\d+))?$/,
      fields: ["TargetFilename", "GroupName", "GroupId"],
    },
    {
      name: "group_deleted",
      regex: /^group '([^']*)' removed(?: from (\S+))?$/,
      fields: ["GroupName", "TargetFilename"],
    },
    {
      name: "group_changed",
      regex: /^group changed in (\S+) \(group ([^/,)]*)/,
      fields: ["TargetFilename", "GroupName"],
    },
  ],
  add: [{
    name: "group_member_added",
    regex: /^add '([^']*)' to (?:shadow )?group '([^']*)'$/,
    fields: ["User", "GroupName"],
  }],
  delete: [
    {
      name: "group_member_removed",
      regex: /^delete '([^']*)' from (?:shadow )?group '([^']*)'$/,
      fields: ["User", "GroupName"],
    },
    { name: "user_deleted", regex: /^delete user '([^']*)'$/, fields: ["User"] },
  ],
  user: [
    {
      name: "group_member_added",
      regex: /^user (\S+) added by (\S+) to group (\S+)$/,
      fields: ["User", "SubjectUserName", "GroupName"],
    },
    {
      name: "group_member_removed",
      regex: /^user (\S+) removed by (\S+) from group (\S+)$/,
      fields: ["User", "SubjectUserName", "GroupName"],
    },
  ],
  members: [{
    name: "group_members_set",
    regex: /^members of group (\S+) set by (\S+) to (.*)$/s,
    fields: ["GroupName", "SubjectUserName", "User"],
  }],
  removed: [{
    name: "group_deleted",
    regex: /^removed (?:shadow )?group '([^']*)' owned by '([^']*)'$/,
    fields: ["GroupName", "User"],
  }],
  remove: [{
    name: "group_deleted",
    regex: /^remove (?:shadow )?group '([^']*)'/,
    fields: ["GroupName"],
  }],
  change: [
    {
      name: "user_renamed",
      regex: /^change user name '([^']*)' to '([^']*)'$/,
      fields: ["OldValue", "User"],
    },
    {
      name: "password_changed",
      regex: /^change user '([^']*)' password$/,
      fields: ["User"],
    },
    {
      name: "user_changed",
      regex: /^change user '([^']*)' (\w[\w ]{0,40}?) from '([^']*)' to '([^']*)'$/,
      fields: ["User", "Attribute", "OldValue", "NewValue"],
    },
    {
      name: "group_password_changed",
      regex: /^change the password for group (\S+) by (\S+)$/,
      fields: ["GroupName", "SubjectUserName"],
    },
  ],
  changed: [
    {
      name: "user_changed",
      regex: /^changed user '([^']*)' (\w[\w ]{0,40}?)(?: to '([^']*)'| information)$/,
      fields: ["User", "Attribute", "NewValue"],
    },
    {
      name: "password_expiry_changed",
      regex: /^changed password expiry for (\S+)$/,
      fields: ["User"],
    },
  ],
  lock: [{ name: "user_locked", regex: /^lock user '([^']*)' password$/, fields: ["User"] }],
  unlock: [{ name: "user_unlocked", regex: /^unlock user '([^']*)' password$/, fields: ["User"] }],
  password: [{
    name: "password_changed",
    regex: /^password for '([^']*)' changed by '([^']*)'$/,
    fields: ["User", "SubjectUserName"],
  }],
  failed: [{
    name: "user_not_created",
    regex: /^failed adding user '([^']*)'(?:, (.*))?$/s,
    fields: ["User", "Reason"],
  }],
};
