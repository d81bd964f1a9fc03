/**
 * Messages as programs of Linux write them, one for each text that is known, and what they say.
 */
import { ACCOUNT_SAMPLES, PAM_SAMPLES, RIGHTS_SAMPLES } from "./linux_samples_accounts.ts";
import { type LinuxSample, sample, SSHD_SAMPLES } from "./linux_samples_ssh.ts";

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
  ...RIGHTS_SAMPLES,
  ...ACCOUNT_SAMPLES,
  ...CRON,
  ...KERNEL,
  ...SERVICES,
];
