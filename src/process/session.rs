//! The environment of a user's session, built anew: nothing is inherited that is not named here.

use super::{Identity, stat};
use crate::host::Root;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Where programs are looked for when our own `PATH` says nothing.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What every command gets as we have it: the language, and where vmrun's own folders were moved to, so that a hook that
/// calls vmrun speaks of the same guests.
const SHARED: [&str; 4] = ["LANG", "LC_ALL", "VMRUN_RUNTIME_DIR", "VMRUN_STATE_DIR"];
/// What makes up a graphical session.
const GRAPHICAL: [&str; 3] = ["DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY"];

/// The environment of `identity`'s session on the machine below `root`.
///
/// `HOME`, `USER`, `LOGNAME`, `SHELL`; `PATH`, `LANG` and `LC_ALL` as ours (`PATH` without relative folders);
/// `XDG_RUNTIME_DIR` and `DBUS_SESSION_BUS_ADDRESS` when the folder and the socket are there (systemd:
/// `pam_systemd(8)`); `DISPLAY`, `WAYLAND_DISPLAY` and `XAUTHORITY` of the user's graphical session. Those three are
/// ours when the user is ours. Else they are what **most** of the user's processes have in `/proc/PID/environ`, only
/// displays of this machine whose socket is there counted; of two with equally many, the one with the newest process.
/// So neither a display forwarded by ssh nor a nested compositor is taken for the session.
#[must_use]
pub fn session(identity: &Identity, root: &Root) -> BTreeMap<String, OsString> {
    let ours = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let mut env = account(identity);
    env.insert("PATH".into(), absolute(ours("PATH")));
    env.extend(SHARED.into_iter().filter_map(|name| Some((name.to_owned(), ours(name)?))));
    let runtime = PathBuf::from(format!("/run/user/{}", identity.uid));
    env.extend(manager(&runtime, root));
    if identity.is_ours() {
        env.extend(GRAPHICAL.into_iter().filter_map(|name| Some((name.to_owned(), ours(name)?))));
    } else {
        env.extend(graphical(identity.uid, &runtime, root));
    }
    env
}

fn account(identity: &Identity) -> BTreeMap<String, OsString> {
    let name = OsString::from(&identity.name);
    [
        ("HOME", identity.home.clone().into()),
        ("USER", name.clone()),
        ("LOGNAME", name),
        ("SHELL", identity.shell.clone().into()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// A relative folder in `PATH` would let the current folder choose the program.
fn absolute(path: Option<OsString>) -> OsString {
    let path = path.unwrap_or_else(|| PATH.into());
    let folders = std::env::split_paths(&path).filter(|folder| folder.is_absolute());
    std::env::join_paths(folders).ok().filter(|path| !path.is_empty()).unwrap_or_else(|| PATH.into())
}

fn manager(runtime: &Path, root: &Root) -> BTreeMap<String, OsString> {
    let mut env = BTreeMap::new();
    if root.exists(runtime) {
        env.insert("XDG_RUNTIME_DIR".to_owned(), runtime.into());
    }
    if root.exists(runtime.join("bus")) {
        let address = format!("unix:path={}", runtime.join("bus").display());
        env.insert("DBUS_SESSION_BUS_ADDRESS".to_owned(), address.into());
    }
    env
}

type Display = BTreeMap<String, OsString>;

fn graphical(uid: u32, runtime: &Path, root: &Root) -> Display {
    let mut votes: BTreeMap<Display, (u32, u64)> = BTreeMap::new();
    for (display, start_ticks) in displays(uid, runtime, root) {
        let (count, newest) = votes.entry(display).or_default();
        *count += 1;
        *newest = start_ticks.max(*newest);
    }
    votes.into_iter().max_by_key(|(_, vote)| *vote).map(|(display, _)| display).unwrap_or_default()
}

/// The graphical session that each process of `uid` says it is in, with the time when the process was started.
fn displays(uid: u32, runtime: &Path, root: &Root) -> Vec<(Display, u64)> {
    let names = root.names("/proc");
    let pids = names.iter().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
    let folders = pids.map(|pid| Path::new("/proc").join(pid));
    let theirs = folders.filter(|folder| root.metadata(folder).is_ok_and(|meta| meta.uid() == uid));
    let display = |folder: PathBuf| {
        let environ = fs::read(root.resolve(folder.join("environ"))).ok()?;
        let start_ticks = stat::read(&root.resolve(folder.join("stat")))?.start_ticks;
        Some((live(&environ, runtime, root)?, start_ticks))
    };
    theirs.filter_map(display).collect()
}

/// Of an `environ`, the graphical session, when there is one that can be reached.
fn live(environ: &[u8], runtime: &Path, root: &Root) -> Option<Display> {
    let mut display = Display::new();
    for line in environ.split(|byte| *byte == 0) {
        let Some(at) = line.iter().position(|byte| *byte == b'=') else { continue };
        let (name, value) = (OsStr::from_bytes(&line[..at]), OsString::from_vec(line[at + 1..].to_vec()));
        let there = match name.to_str() {
            Some("DISPLAY") => x11_socket(&value).is_some_and(|socket| root.exists(socket)),
            Some("WAYLAND_DISPLAY") => !value.is_empty() && root.exists(runtime.join(&value)),
            Some("XAUTHORITY") => root.exists(Path::new(&value)),
            _ => continue,
        };
        if let Some(name) = name.to_str().filter(|_| there) {
            display.insert(name.to_owned(), value);
        }
    }
    (display.contains_key("DISPLAY") || display.contains_key("WAYLAND_DISPLAY")).then_some(display)
}

/// Socket of a local X display like `:0` or `:0.1`; `None` for one of another host. X11: `X(7)`, "DISPLAY NAMES".
fn x11_socket(display: &OsStr) -> Option<PathBuf> {
    let number = display.to_str()?.strip_prefix(':')?.split('.').next()?;
    Some(format!("/tmp/.X11-unix/X{}", number.parse::<u32>().ok()?).into())
}

#[cfg(test)]
mod test {
    use super::{absolute, graphical, session};
    use crate::host::Root;
    use crate::process::Identity;
    use std::ffi::OsStr;
    use std::fs;
    use std::os::unix::fs::MetadataExt;
    use std::path::Path;

    struct Machine(tempfile::TempDir);

    impl Machine {
        fn with(paths: &[&str]) -> Self {
            let machine = Self(tempfile::tempdir().unwrap());
            for path in paths {
                machine.file(path, "");
            }
            machine
        }

        fn file(&self, path: &str, text: &str) {
            let path = self.0.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn process(&self, pid: u32, environ: &str) {
            self.file(&format!("proc/{pid}/environ"), environ);
            let stat = format!("{pid} (a) b) S 1 {pid} {pid} 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 {} 0 0", pid * 10);
            self.file(&format!("proc/{pid}/stat"), &stat);
        }

        fn display(&self) -> Vec<(String, String)> {
            let uid = fs::metadata(self.0.path()).unwrap().uid();
            let found = graphical(uid, Path::new("/run/user/7"), &Root::at(self.0.path()));
            found.into_iter().map(|(name, value)| (name, value.into_string().unwrap())).collect()
        }
    }

    #[test]
    fn the_display_that_most_processes_have_is_the_session() {
        let machine = Machine::with(&["tmp/.X11-unix/X0", "tmp/.X11-unix/X9", "home/u/.Xauthority"]);
        machine.process(10, "DISPLAY=:0\0XAUTHORITY=/home/u/.Xauthority\0LD_PRELOAD=/evil.so\0");
        machine.process(11, "DISPLAY=:0\0XAUTHORITY=/home/u/.Xauthority\0");
        machine.process(12, "DISPLAY=:9\0");
        let expected = [("DISPLAY", ":0"), ("XAUTHORITY", "/home/u/.Xauthority")];
        assert_eq!(machine.display(), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn of_two_displays_with_as_many_processes_the_newer_one_is_the_session() {
        let machine = Machine::with(&["run/user/7/wayland-0", "run/user/7/wayland-1"]);
        machine.process(21, "WAYLAND_DISPLAY=wayland-1\0");
        machine.process(20, "WAYLAND_DISPLAY=wayland-0\0");
        assert_eq!(machine.display(), [("WAYLAND_DISPLAY".to_owned(), "wayland-1".to_owned())]);
    }

    #[test]
    fn a_display_that_is_gone_or_on_another_host_is_not_the_session() {
        let machine = Machine::with(&[]);
        machine.process(30, "DISPLAY=localhost:10.0\0");
        machine.process(31, "DISPLAY=:3\0WAYLAND_DISPLAY=wayland-3\0");
        assert_eq!(machine.display(), []);
    }

    #[test]
    fn the_bus_of_a_user_is_named_when_its_socket_is_there() {
        let machine = Machine::with(&["run/user/4242/bus"]);
        let user = Identity {
            name: "u".into(),
            uid: 4242,
            gid: 4242,
            groups: vec![],
            home: "/home/u".into(),
            shell: "/bin/sh".into(),
        };
        let env = session(&user, &Root::at(machine.0.path()));
        assert_eq!(env["XDG_RUNTIME_DIR"], "/run/user/4242");
        assert_eq!(env["DBUS_SESSION_BUS_ADDRESS"], "unix:path=/run/user/4242/bus");
        assert_eq!(env["HOME"], "/home/u");
    }

    #[test]
    fn a_relative_folder_in_path_is_left_out() {
        assert_eq!(absolute(Some(".:/usr/bin::bin:/bin".into())), OsStr::new("/usr/bin:/bin"));
        assert_eq!(absolute(Some(".".into())), OsStr::new(super::PATH));
    }
}
