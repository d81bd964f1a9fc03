/**
 * Messages about accounts and their rights: of PAM modules, sudo, su and their like, useradd and its
 * like.
 */
import { type LinuxSample, sample } from "./linux_samples_ssh.ts";

const pam = (module: string, service: string, type: string) => ({
  PamModule: module,
  PamService: service,
  PamType: type,
});

export const PAM_SAMPLES: readonly LinuxSample[] = [
  sample(
    "sshd",
    "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= " +
      "rhost=198.51.100.23  user=root",
    "pam_authentication_failed",
    {
      ...pam("pam_unix", "sshd", "auth"),
      SubjectUserId: "0",
      EffectiveUserId: "0",
      Terminal: "ssh",
      SourceIp: "198.51.100.23",
      User: "root",
    },
  ),
  sample(
    "su",
    "pam_unix(su:auth): authentication failure; logname=ann uid=1000 euid=0 tty=pts/0 ruser=ann " +
      "rhost=  user=root",
    "pam_authentication_failed",
    {
      ...pam("pam_unix", "su", "auth"),
      LoginName: "ann",
      SubjectUserId: "1000",
      EffectiveUserId: "0",
      Terminal: "pts/0",
      SubjectUserName: "ann",
      User: "root",
    },
  ),
  sample(
    "sshd(pam_unix)",
    "authentication failure; logname= uid=0 euid=0 tty=NODEVssh ruser= rhost=host.example.net",
    "pam_authentication_failed",
    {
      SubjectUserId: "0",
      EffectiveUserId: "0",
      Terminal: "NODEVssh",
      SourceHostname: "host.example.net",
    },
  ),
  sample(
    "sshd",
    "pam_sss(sshd:auth): authentication success; logname= uid=0 euid=0 tty=ssh ruser= " +
      "rhost=198.51.100.23 user=ann",
    "pam_authenticated",
    {
      ...pam("pam_sss", "sshd", "auth"),
      SubjectUserId: "0",
      EffectiveUserId: "0",
      Terminal: "ssh",
      SourceIp: "198.51.100.23",
      User: "ann",
    },
  ),
  sample("sshd(pam_unix)", "check pass; user unknown", "pam_user_unknown"),
  sample(
    "sudo",
    "pam_unix(sudo:session): session opened for user root(uid=0) by ann(uid=1000)",
    "session_opened",
    {
      ...pam("pam_unix", "sudo", "session"),
      User: "root",
      UserId: "0",
      SubjectUserName: "ann",
      SubjectUserId: "1000",
    },
  ),
  sample(
    "CRON",
    "pam_unix(cron:session): session opened for user root by (uid=0)",
    "session_opened",
    { ...pam("pam_unix", "cron", "session"), User: "root", SubjectUserId: "0" },
  ),
  sample(
    "gdm-password]",
    "pam_unix(gdm-password:session): session closed for user ann",
    "session_closed",
    {
      ...pam("pam_unix", "gdm-password", "session"),
      User: "ann",
    },
  ),
  sample("passwd", "pam_unix(passwd:chauthtok): password changed for ann", "password_changed", {
    ...pam("pam_unix", "passwd", "chauthtok"),
    User: "ann",
  }),
  sample(
    "sshd",
    "pam_unix(sshd:account): account ann has expired (account expired)",
    "account_expired",
    { ...pam("pam_unix", "sshd", "account"), User: "ann" },
  ),
  sample(
    "sshd",
    "pam_unix(sshd:account): expired password for user ann (root enforced)",
    "password_expired",
    { ...pam("pam_unix", "sshd", "account"), User: "ann" },
  ),
  sample(
    "login",
    "pam_faillock(login:auth): Consecutive login failures for user ann account temporarily locked",
    "account_locked",
    { ...pam("pam_faillock", "login", "auth"), User: "ann" },
  ),
  sample("sshd", "pam_tally2(sshd:auth): user ann (1000) tally 4, deny 3", "account_locked", {
    ...pam("pam_tally2", "sshd", "auth"),
    User: "ann",
  }),
  sample(
    "sshd",
    'pam_succeed_if(sshd:auth): requirement "uid >= 1000" not met by user "root"',
    "pam_requirement_failed",
    { ...pam("pam_succeed_if", "sshd", "auth"), Reason: "uid >= 1000", User: "root" },
  ),
  sample(
    "sudo",
    "pam_unix(sudo:auth): auth could not identify password for [ann]",
    "pam_no_password",
    {
      ...pam("pam_unix", "sudo", "auth"),
      User: "ann",
    },
  ),
  sample(
    "sshd",
    "pam_sss(sshd:auth): received for user ann: 7 (Authentication failure)",
    "pam_authentication_failed",
    { ...pam("pam_sss", "sshd", "auth"), User: "ann", Reason: "Authentication failure" },
  ),
];

const sudo = (command: string) => ({
  SubjectUserName: "ann",
  TTY: "pts/0",
  Terminal: "pts/0",
  PWD: "/home/ann",
  CurrentDirectory: "/home/ann",
  USER: "root",
  User: "root",
  COMMAND: command,
  CommandLine: command,
});
const SUDO = { ParentImage: "/usr/bin/sudo" };

export const RIGHTS_SAMPLES: readonly LinuxSample[] = [
  sample(
    "sudo",
    "ann : TTY=pts/0 ; PWD=/home/ann ; USER=root ; COMMAND=/usr/bin/find / -exec /bin/sh ;",
    "sudo_command",
    { ...sudo("/usr/bin/find / -exec /bin/sh ;"), Image: "/usr/bin/find", ...SUDO },
  ),
  sample(
    "sudo",
    "ann : TTY=pts/0 ; PWD=/home/ann ; USER=root ; GROUP=wheel ; TSID=000001 ; ENV=LD_PRELOAD=/tmp/x.so" +
      " ; COMMAND=sudoedit /etc/hosts",
    "sudo_command",
    {
      ...sudo("sudoedit /etc/hosts"),
      GROUP: "wheel",
      GroupName: "wheel",
      TSID: "000001",
      ENV: "LD_PRELOAD=/tmp/x.so",
      ...SUDO,
    },
  ),
  sample(
    "sudo",
    "ann : TTY=pts/0 ; PWD=/home/ann ; USER=root ; COMMAND=list",
    "sudo_listed",
    sudo("list"),
  ),
  sample(
    "sudo",
    "ann : TTY=pts/0 ; PWD=/home/ann ; USER=root ; COMMAND=/usr/bin/make ; SIGNAL=TERM ; EXIT=143",
    "sudo_command_ended",
    { ...sudo("/usr/bin/make"), Signal: "TERM", ExitCode: "143" },
  ),
  sample(
    "sudo",
    "ann : user NOT in sudoers ; TTY=pts/0 ; PWD=/home/ann ; USER=root ; COMMAND=/bin/bash",
    "sudo_refused",
    { ...sudo("/bin/bash"), Reason: "user NOT in sudoers" },
  ),
  sample("su", "(to root) ann on pts/0", "su", {
    User: "root",
    SubjectUserName: "ann",
    Terminal: "pts/0",
  }),
  sample("su", "FAILED SU (to root) ann on pts/0", "su_failed", {
    User: "root",
    SubjectUserName: "ann",
    Terminal: "pts/0",
  }),
  sample("su", "FAILED su for root by ann", "su_failed", { User: "root", SubjectUserName: "ann" }),
  sample("su", "Successful su for root by ann", "su", { User: "root", SubjectUserName: "ann" }),
  sample("su", "+ /dev/pts/0 ann:root", "su", {
    Terminal: "/dev/pts/0",
    SubjectUserName: "ann",
    User: "root",
  }),
  sample("su", "- /dev/pts/0 ann:root", "su_failed", {
    Terminal: "/dev/pts/0",
    SubjectUserName: "ann",
    User: "root",
  }),
  sample("su", "'su root' failed for lonvick on /dev/pts/8", "su_failed", {
    User: "root",
    SubjectUserName: "lonvick",
    Terminal: "/dev/pts/8",
  }),
  sample("su", "BAD SU ann to root on /dev/ttys000", "su_failed", {
    SubjectUserName: "ann",
    User: "root",
    Terminal: "/dev/ttys000",
  }),
  sample("su", "ann to root on /dev/ttys000", "su", {
    SubjectUserName: "ann",
    User: "root",
    Terminal: "/dev/ttys000",
  }),
  sample(
    "login",
    "FAILED LOGIN (1) on '/dev/tty1' FOR 'root', Authentication failure",
    "login_failed",
    {
      Terminal: "/dev/tty1",
      User: "root",
      Reason: "Authentication failure",
    },
  ),
  sample("login", "FAILED LOGIN 1 FROM tty1 FOR root, Authentication failure", "login_failed", {
    Terminal: "tty1",
    User: "root",
    Reason: "Authentication failure",
  }),
  sample(
    "login",
    "TOO MANY LOGIN TRIES (3) FROM tty1 FOR root, Have exhausted maximum number of retries for service",
    "login_failed",
    {
      FailureCount: "3",
      Terminal: "tty1",
      User: "root",
      Reason: "Have exhausted maximum number of retries for service",
    },
  ),
  sample("login", "ROOT LOGIN  on '/dev/tty1'", "login", { Terminal: "/dev/tty1" }),
  sample("login", "LOGIN ON tty1 BY ann", "login", { Terminal: "tty1", User: "ann" }),
  sample("doas", "ann ran command /usr/bin/id -u as root from /home/ann", "doas_command", {
    SubjectUserName: "ann",
    CommandLine: "/usr/bin/id -u",
    User: "root",
    CurrentDirectory: "/home/ann",
    Image: "/usr/bin/id",
    ParentImage: "/usr/bin/doas",
  }),
  sample("doas", "failed auth for ann", "doas_refused", { SubjectUserName: "ann" }),
  sample("doas", "command not permitted for ann: cat /etc/shadow", "doas_refused", {
    SubjectUserName: "ann",
    CommandLine: "cat /etc/shadow",
  }),
  sample(
    "pkexec",
    "ann: Executing command [USER=root] [TTY=unknown] [CWD=/home/ann] [COMMAND=/usr/sbin/gparted -x]",
    "pkexec_command",
    {
      SubjectUserName: "ann",
      User: "root",
      Terminal: "unknown",
      CurrentDirectory: "/home/ann",
      CommandLine: "/usr/sbin/gparted -x",
      Image: "/usr/sbin/gparted",
      ParentImage: "/usr/bin/pkexec",
    },
  ),
  sample(
    "pkexec",
    "ann: Error executing command as another user: Not authorized [USER=root] [TTY=/dev/pts/0] " +
      "[CWD=/home/ann] [COMMAND=/bin/bash]",
    "pkexec_refused",
    {
      SubjectUserName: "ann",
      Reason: "Error executing command as another user: Not authorized",
      User: "root",
      Terminal: "/dev/pts/0",
      CurrentDirectory: "/home/ann",
      CommandLine: "/bin/bash",
    },
  ),
  sample(
    "polkitd",
    "Operator of unix-session:c1 successfully authenticated as unix-user:root to gain TEMPORARY " +
      "authorization for action org.freedesktop.policykit.exec for unix-process:1:2 [bash] (owned by x)",
    "polkit_authenticated",
    {
      SessionName: "unix-session:c1",
      User: "root",
      Action: "org.freedesktop.policykit.exec",
    },
  ),
  sample(
    "polkitd",
    "Operator of unix-session:c1 FAILED to authenticate to gain authorization for action " +
      "org.freedesktop.policykit.exec for unix-process:1:2 [bash]",
    "polkit_refused",
    { SessionName: "unix-session:c1", Action: "org.freedesktop.policykit.exec" },
  ),
  sample("systemd-logind", "New session 42 of user ann.", "session_opened", {
    SessionName: "42",
    User: "ann",
  }),
  sample(
    "systemd-logind",
    "New session '42' of user 'ann' with class 'user' and type 'tty'.",
    "session_opened",
    { SessionName: "42", User: "ann" },
  ),
  sample("systemd-logind", "Removed session 42.", "session_closed", { SessionName: "42" }),
];

export const ACCOUNT_SAMPLES: readonly LinuxSample[] = [
  sample(
    "useradd",
    "new user: name=sysupdate, UID=0, GID=0, home=/root, shell=/bin/bash, from=/dev/pts/0",
    "user_created",
    {
      User: "sysupdate",
      UserId: "0",
      GroupId: "0",
      HomeDirectory: "/root",
      Shell: "/bin/bash",
      Terminal: "/dev/pts/0",
    },
  ),
  sample("useradd", "new group: name=sysupdate, GID=1001", "group_created", {
    GroupName: "sysupdate",
    GroupId: "1001",
  }),
  sample("groupadd", "group added to /etc/group: name=ops, GID=1002", "group_created", {
    TargetFilename: "/etc/group",
    GroupName: "ops",
    GroupId: "1002",
  }),
  sample("groupdel", "group 'ops' removed from /etc/group", "group_deleted", {
    GroupName: "ops",
    TargetFilename: "/etc/group",
  }),
  sample("groupmod", "group changed in /etc/group (group ops/1002, new gid: 0)", "group_changed", {
    TargetFilename: "/etc/group",
    GroupName: "ops",
  }),
  sample("usermod", "add 'ann' to shadow group 'sudo'", "group_member_added", {
    User: "ann",
    GroupName: "sudo",
  }),
  sample("usermod", "delete 'ann' from group 'sudo'", "group_member_removed", {
    User: "ann",
    GroupName: "sudo",
  }),
  sample("userdel", "delete user 'ann'", "user_deleted", { User: "ann" }),
  sample("gpasswd", "user ann added by root to group sudo", "group_member_added", {
    User: "ann",
    SubjectUserName: "root",
    GroupName: "sudo",
  }),
  sample("gpasswd", "user ann removed by root from group sudo", "group_member_removed", {
    User: "ann",
    SubjectUserName: "root",
    GroupName: "sudo",
  }),
  sample("gpasswd", "members of group sudo set by root to ann,bob", "group_members_set", {
    GroupName: "sudo",
    SubjectUserName: "root",
    User: "ann,bob",
  }),
  sample("userdel", "removed group 'ann' owned by 'ann'", "group_deleted", {
    GroupName: "ann",
    User: "ann",
  }),
  sample("groupdel", "remove shadow group 'ops'", "group_deleted", { GroupName: "ops" }),
  sample("usermod", "change user name 'ann' to 'root2'", "user_renamed", {
    OldValue: "ann",
    User: "root2",
  }),
  sample("usermod", "change user 'ann' password", "password_changed", { User: "ann" }),
  sample("usermod", "change user 'ann' UID from '1000' to '0'", "user_changed", {
    User: "ann",
    Attribute: "UID",
    OldValue: "1000",
    NewValue: "0",
  }),
  sample("gpasswd", "change the password for group ops by root", "group_password_changed", {
    GroupName: "ops",
    SubjectUserName: "root",
  }),
  sample("chsh", "changed user 'ann' shell to '/bin/zsh'", "user_changed", {
    User: "ann",
    Attribute: "shell",
    NewValue: "/bin/zsh",
  }),
  sample("chage", "changed password expiry for ann", "password_expiry_changed", { User: "ann" }),
  sample("usermod", "lock user 'ann' password", "user_locked", { User: "ann" }),
  sample("usermod", "unlock user 'ann' password", "user_unlocked", { User: "ann" }),
  sample("passwd", "password for 'ann' changed by 'root'", "password_changed", {
    User: "ann",
    SubjectUserName: "root",
  }),
  sample("useradd", "failed adding user 'ann', data deleted", "user_not_created", {
    User: "ann",
    Reason: "data deleted",
  }),
];
