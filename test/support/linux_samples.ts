/**
 * Messages as programs of Linux write them, one for each text that is known, and what they say.
 */
import { type LinuxSample, PAM_SAMPLES, sample, SSHD_SAMPLES } from "./linux_samples_ssh.ts";

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

const RIGHTS = [
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

const ACCOUNTS = [
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

const CRON = [
  sample("CRON", "(root) CMD (   cd / && run-parts --report /etc/cron.hourly)", "cron_command", {
    User: "root",
    CommandLine: "cd / && run-parts --report /etc/cron.hourly",
    ParentImage: "/usr/sbin/cron",
  }),
  sample("/USR/SBIN/CRON", "(www-data) CMD (/tmp/.x -q)", "cron_command", {
    User: "www-data",
    CommandLine: "/tmp/.x -q",
    Image: "/tmp/.x",
    ParentImage: "/usr/sbin/cron",
  }),
  sample("crond", "(root) CMD (/usr/lib64/sa/sa1 1 1)", "cron_command", {
    User: "root",
    CommandLine: "/usr/lib64/sa/sa1 1 1",
    Image: "/usr/lib64/sa/sa1",
    ParentImage: "/usr/sbin/crond",
  }),
  sample("crond", "(root) CMDEND (run-parts /etc/cron.hourly)", "cron_command_ended", {
    User: "root",
    CommandLine: "run-parts /etc/cron.hourly",
  }),
  sample("crond", "(root) CMDOUT (done)", "cron_output", { User: "root", Output: "done" }),
  sample("crontab", "(root) REPLACE (www-data)", "crontab_changed", {
    SubjectUserName: "root",
    User: "www-data",
  }),
  sample("crontab", "(ann) DELETE (ann)", "crontab_deleted", {
    SubjectUserName: "ann",
    User: "ann",
  }),
  sample("crontab", "(ann) LIST (ann)", "crontab_read", { SubjectUserName: "ann", User: "ann" }),
  sample("cron", "(ann) RELOAD (crontabs/ann)", "crontab_loaded", {
    User: "ann",
    TargetFilename: "crontabs/ann",
  }),
  sample("cron", "(bob) AUTH (crontab command not allowed)", "cron_refused", {
    User: "bob",
    Reason: "crontab command not allowed",
  }),
  sample("cron", "(*system*x) WRONG FILE OWNER (/etc/cron.d/x)", "cron_refused", {
    User: "*system*x",
    Reason: "/etc/cron.d/x",
  }),
];

const PACKET = {
  InInterface: "eth0",
  MacAddresses: "02:00:00:aa:bb:cc:02:00:00:dd:ee:ff:08:00",
  SourceIp: "198.51.100.23",
  src_ip: "198.51.100.23",
  DestinationIp: "203.0.113.9",
  dst_ip: "203.0.113.9",
};

const KERNEL = [
  sample(
    "kernel",
    "[  123.456789] [UFW BLOCK] IN=eth0 OUT= MAC=02:00:00:aa:bb:cc:02:00:00:dd:ee:ff:08:00 " +
      "SRC=198.51.100.23 DST=203.0.113.9 LEN=40 TOS=0x00 PREC=0x00 TTL=244 ID=54321 PROTO=TCP " +
      "SPT=40000 DPT=23 WINDOW=65535 RES=0x00 SYN URGP=0",
    "packet",
    {
      RuleName: "[UFW BLOCK]",
      action: "BLOCK",
      ...PACKET,
      Protocol: "TCP",
      SourcePort: "40000",
      src_port: "40000",
      DestinationPort: "23",
      dst_port: "23",
    },
  ),
  sample(
    "kernel",
    "FINAL_REJECT: IN=eth0 OUT= MAC=02:00:00:aa:bb:cc:02:00:00:dd:ee:ff:08:00 SRC=198.51.100.23 " +
      "DST=203.0.113.9 LEN=56 PROTO=ICMP TYPE=3 CODE=3 [SRC=203.0.113.9 DST=198.51.100.23 " +
      "PROTO=UDP SPT=53 DPT=1053 LEN=8 ]",
    "packet",
    { RuleName: "FINAL_REJECT:", ...PACKET, Protocol: "ICMP" },
  ),
  sample(
    "kernel",
    "[42.1] traps: probe[4711] general protection fault ip:7f00aa sp:7ffd00 error:0 in libc.so.6[7f00+1]",
    "process_crashed",
    { ProcessName: "probe", ProcessId: "4711", Reason: "general protection fault" },
  ),
  sample(
    "kernel",
    "probe[4711]: segfault at 0 ip 000055aa sp 00007ffd error 4 in probe[55aa+1000]",
    "process_crashed",
    { ProcessName: "probe", ProcessId: "4711", Reason: "segfault" },
  ),
  sample("kernel", "device eth0 entered promiscuous mode", "promiscuous_mode", {
    Interface: "eth0",
  }),
  sample("kernel", "[9.9] e1000 0000:02:01.0 eth0: entered promiscuous mode", "promiscuous_mode", {
    Interface: "eth0",
  }),
  sample("kernel", "Out of memory: Killed process 4711 (java) total-vm:1kB", "out_of_memory", {
    ProcessId: "4711",
    ProcessName: "java",
  }),
  sample(
    "kernel",
    "TCP: request_sock_TCP: Possible SYN flooding on port 0.0.0.0:80. Sending cookies.",
    "syn_flood",
    { DestinationIp: "0.0.0.0", DestinationPort: "80" },
  ),
  sample("kernel", "Kernel command line: ro root=/dev/sda1 init=/bin/sh", "kernel_command_line", {
    KernelCommandLine: "ro root=/dev/sda1 init=/bin/sh",
  }),
  sample(
    "kernel",
    "usb 1-1: New USB device found, idVendor=0781, idProduct=5567, bcdDevice= 1.00",
    "usb_device",
    { Device: "1-1", VendorId: "0781", ProductId: "5567" },
  ),
  sample(
    "kernel",
    "rootkit: module verification failed: signature and/or required key missing - tainting kernel",
    "module_unsigned",
    {
      ModuleName: "rootkit",
      Reason: "signature and/or required key missing - tainting kernel",
    },
  ),
  sample("kernel", "rootkit: loading out-of-tree module taints kernel.", "module_foreign", {
    ModuleName: "rootkit",
  }),
  sample(
    "kernel",
    "loader[4711] is installing a program with bpf_probe_write_user helper that may corrupt user memory!",
    "bpf_writes_user_memory",
    { ProcessName: "loader", ProcessId: "4711", Function: "bpf_probe_write_user" },
  ),
];

const SERVICES = [
  sample(
    "systemd",
    "Stopping firewalld - dynamic firewall daemon...",
    "service_stopping",
    { ServiceName: "firewalld - dynamic firewall daemon" },
  ),
  sample("systemd", "Starting Daily Cleanup...", "service_starting", {
    ServiceName: "Daily Cleanup",
  }),
  sample("systemd", "Started cron.service - Regular background program.", "service_started", {
    ServiceName: "cron.service - Regular background program",
  }),
  sample("systemd", "Started Session 5 of user root.", "session_started", {
    SessionName: "5",
    User: "root",
  }),
  sample("systemd", "Stopped OpenBSD Secure Shell server.", "service_stopped", {
    ServiceName: "OpenBSD Secure Shell server",
  }),
  sample(
    "systemd",
    "ssh.service: Main process exited, code=killed, status=11/SEGV",
    "service_failed",
    { ServiceName: "ssh.service", Reason: "11/SEGV" },
  ),
  sample("systemd", "ssh.service: Failed with result 'signal'.", "service_failed", {
    ServiceName: "ssh.service",
    Reason: "'signal'",
  }),
  sample("vsftpd", 'CONNECT: Client "::ffff:198.51.100.23"', "ftp_connected", {
    SourceIp: "::ffff:198.51.100.23",
  }),
  sample(
    "vsftpd",
    'CONNECT: Client "198.51.100.23", "Connection refused: too many sessions for this address."',
    "ftp_connected",
    {
      SourceIp: "198.51.100.23",
      Reason: "Connection refused: too many sessions for this address.",
    },
  ),
  sample("vsftpd", '[ann] OK LOGIN: Client "198.51.100.23"', "ftp_login", {
    User: "ann",
    SourceIp: "198.51.100.23",
  }),
  sample("vsftpd", '[root] FAIL LOGIN: Client "198.51.100.23"', "ftp_login_failed", {
    User: "root",
    SourceIp: "198.51.100.23",
  }),
  sample(
    "vsftpd",
    '[ann] OK UPLOAD: Client "198.51.100.23", "/srv/ftp/x.php", 1024 bytes, 2.00Kbyte/sec',
    "ftp_file",
    {
      User: "ann",
      Result: "OK",
      Action: "UPLOAD",
      SourceIp: "198.51.100.23",
      TargetFilename: "/srv/ftp/x.php",
    },
  ),
  sample("clamd", "/srv/ftp/x y.exe: Win.Trojan.Agent-1 FOUND", "malware_found", {
    Filename: "/srv/ftp/x y.exe",
    Signature: "Win.Trojan.Agent-1",
  }),
  sample(
    "clamd",
    "/tmp/eicar: Eicar-Test-Signature(44d88612fea8a8f36de82e1278abb02f:68) FOUND",
    "malware_found",
    { Filename: "/tmp/eicar", Signature: "Eicar-Test-Signature" },
  ),
  sample(
    "guacd",
    'User "@b9a7" joined connection "$5c1e" (2 users now present)',
    "guacamole_joined",
    { UserId: "@b9a7", ConnectionId: "$5c1e", UserCount: "2" },
  ),
  sample("guacd", 'User "@b9a7" disconnected (1 users remain)', "guacamole_left", {
    UserId: "@b9a7",
    UserCount: "1",
  }),
  sample("xinetd", "START: ftp pid=4711 from=198.51.100.23", "service_connected", {
    ServiceName: "ftp",
    ProcessId: "4711",
    SourceIp: "198.51.100.23",
  }),
  sample("xinetd", "FAIL: ftp address from=198.51.100.23", "service_refused", {
    ServiceName: "ftp",
    Reason: "address",
    SourceIp: "198.51.100.23",
  }),
  sample(
    "xinetd",
    "Deactivating service ftp due to excessive incoming connections.  Restarting in 10 seconds.",
    "service_deactivated",
    {
      ServiceName: "ftp",
      Reason: "excessive incoming connections.  Restarting in 10 seconds.",
    },
  ),
  sample(
    "ftpd",
    "connection from 198.51.100.23 (host.example.net) at Sun Jul  3 23:16:09 2005",
    "ftp_connected",
    { SourceIp: "198.51.100.23", SourceHostname: "host.example.net" },
  ),
  sample("ftpd", "FTP LOGIN FROM host.example.net [198.51.100.23], ann", "ftp_login", {
    SourceHostname: "host.example.net",
    User: "ann",
  }),
  sample("ftpd", "ANONYMOUS FTP LOGIN FROM 198.51.100.23,  (anonymous)", "ftp_login", {
    SourceIp: "198.51.100.23",
    User: "anonymous",
  }),
  sample("ftpd", "failed login from host.example.net [198.51.100.23]", "ftp_login_failed", {
    SourceHostname: "host.example.net",
  }),
  sample(
    "named",
    "client @0x7f00 198.51.100.23#53553 (example.net): zone transfer 'example.net/AXFR/IN' denied",
    "dns_transfer_refused",
    { SourceIp: "198.51.100.23", SourcePort: "53553", QueryName: "example.net/AXFR/IN" },
  ),
  sample(
    "named",
    'denied AXFR from [198.51.100.23].53553 for "example.net" (acl)',
    "dns_transfer_refused",
    { SourceIp: "198.51.100.23", SourcePort: "53553", QueryName: "example.net" },
  ),
];

export const LINUX_SAMPLES: readonly LinuxSample[] = [
  ...SSHD_SAMPLES,
  ...PAM_SAMPLES,
  ...RIGHTS,
  ...ACCOUNTS,
  ...CRON,
  ...KERNEL,
  ...SERVICES,
];
