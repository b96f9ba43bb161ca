//! A real Samba file server with a configuration of its own: private folders, a port of its own, one share.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::support::companion::free_port;
use crate::support::setup::run;

/// Name of the one share, open to everyone, with the file [`FILE`] in it.
pub(crate) const SHARE: &str = "vmrun-test";
/// The file in the share.
pub(crate) const FILE: &str = "from-the-host.txt";

/// Configuration for one `smbd`; start it by [`Samba::argv`].
///
/// The folders go with this value, so it has to outlive the server.
pub(crate) struct Samba {
    dir: TempDir,
    port: u16,
}

impl Samba {
    /// Writes the configuration. Nothing runs yet.
    pub(crate) fn prepare() -> Self {
        let dir = tempfile::tempdir().expect("a folder for Samba");
        let port = free_port();
        for folder in ["share", "state"] {
            fs::create_dir(dir.path().join(folder)).expect("a folder of Samba");
        }
        fs::write(dir.path().join("share").join(FILE), "hello\n").expect("the shared file");
        fs::write(dir.path().join("smb.conf"), configuration(dir.path(), port)).expect("smb.conf");
        Self { dir, port }
    }

    /// Arguments of the server, program first; it stays in the foreground and in its process group.
    ///
    /// It says `READY=1` to `NOTIFY_SOCKET` once it listens. A SIGTERM makes it signal its whole process group:
    /// give it one of its own.
    pub(crate) fn argv(&self) -> Vec<String> {
        let configuration = self.dir.path().join("smb.conf");
        ["smbd", "--foreground", "--no-process-group", "--debug-stdout"]
            .map(str::to_owned)
            .into_iter()
            .chain([format!("--configfile={}", configuration.display())])
            .collect()
    }

    /// TCP port on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Asks the server for its shares. `Err` holds what `smbclient` said, for example when no server runs.
    pub(crate) fn shares(&self) -> Result<String, String> {
        self.smbclient(&["--list=127.0.0.1", "--grepable"])
    }

    /// Files of [`SHARE`], as the server lists them to a client that gives no password.
    pub(crate) fn files(&self) -> Result<String, String> {
        self.smbclient(&[&format!("//127.0.0.1/{SHARE}"), "--command=ls"])
    }

    fn smbclient(&self, arguments: &[&str]) -> Result<String, String> {
        let port = self.port.to_string();
        let output = Command::new("smbclient")
            .args(["--configfile=/dev/null", "--no-pass", "--port", &port])
            .args(arguments)
            .output()
            .expect("smbclient starts; contrib/test-setup installs it");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() { Ok(said) } else { Err(said) }
    }
}

/// All that Samba keeps is below `dir`, so it runs beside another one and for any user.
fn configuration(dir: &Path, port: u16) -> String {
    let user = run(Command::new("id").arg("-un"));
    let (user, dir) = (user.trim(), dir.display());
    format!(
        "[global]
    server role = standalone server
    smb ports = {port}
    interfaces = lo
    bind interfaces only = yes
    disable netbios = yes
    load printers = no
    printing = bsd
    printcap name = /dev/null
    usershare max shares = 0
    map to guest = Bad User
    guest account = {user}
    private dir = {dir}/state
    lock directory = {dir}/state
    state directory = {dir}/state
    cache directory = {dir}/state
    pid directory = {dir}/state
    ncalrpc dir = {dir}/state/ncalrpc
    log file = {dir}/state/log

[{SHARE}]
    path = {dir}/share
    guest ok = yes
    read only = no
"
    )
}
