//! The few verbs in which the kernel, and systemd, are told something.

use super::{CONTROL_GROUPS, Command, Presence};
use crate::unit::{Bdf, CpuSet, Mac, Size};
use std::fmt;

/// One verb on the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Adds `delta` to the number in a file and reads back whether the kernel took all of it.
    Add {
        /// Absolute path below sysfs or procfs.
        path: String,
        /// Amount to add; negative to take away.
        delta: i64,
    },
    /// Runs a command to its end; a status other than 0 is a failure.
    Run(Command),
    /// Runs a command if something stands at a path; if not, there is nothing left to do.
    RunIf {
        /// Absolute path.
        there: String,
        /// What is run then.
        run: Command,
    },
    /// Runs a command unless something stands at a path; if it does, there is nothing left to do.
    RunUnless {
        /// Absolute path.
        there: String,
        /// What is run else.
        run: Command,
    },
    /// Removes a bridge unless it has ports, or is another one than was made under that name.
    RemoveBridge {
        /// Its name.
        name: String,
        /// The hardware address with which it was made.
        mac: Mac,
    },
    /// Puts `value` in the place of `was`, and reads back whether the kernel took it. A file that holds something else
    /// was changed by somebody else, and is left to them.
    Write {
        /// Absolute path below sysfs or procfs.
        path: String,
        /// What it holds, without the line's end; empty for what the kernel shows as `(null)`.
        was: String,
        /// What it shall hold; empty to clear it.
        value: String,
    },
    /// Tells the kernel something by which what stands at a path comes or goes. It is not told what is so already.
    Tell {
        /// Absolute path below sysfs.
        path: String,
        /// What is written to it.
        value: String,
        /// Absolute path of what comes or goes.
        at: String,
        /// Whether it stands there then.
        to: Presence,
    },
    /// Takes a device from a driver, if that has it.
    Unbind {
        /// The bus of the device.
        bus: Bus,
        /// Name of the device on it.
        device: String,
        /// The driver.
        driver: String,
    },
    /// Lets the kernel look for a driver for a device, and sees that it is the right one.
    Bind {
        /// The bus of the device.
        bus: Bus,
        /// Name of the device on it.
        device: String,
        /// The driver that must have it then.
        driver: String,
    },
    /// Gives a device node to another user. One that is gone, and one that is somebody else's than `was` by now, is left
    /// alone.
    Own {
        /// Absolute path; in sysfs the folder `vfio-dev` of a PCI function stands for its node.
        path: String,
        /// Id of its owner before.
        was: u32,
        /// Id of its owner after.
        uid: u32,
    },
    /// Waits until nobody has a device node of a PCI function open for whom its driver would wait.
    AwaitClosed(Bdf),
    /// Looks whether a PCI function answers, and resets it in ever harder ways until it does.
    Revive(Bdf),
    /// Changes the size of a BAR and reads it back.
    Resize {
        /// The function, which no driver holds.
        bdf: Bdf,
        /// Number of the BAR.
        bar: u8,
        /// Its size before.
        was: Size,
        /// Its size after.
        size: Size,
    },
    /// Takes host CPUs out of a mask of the kernel's, or puts them back. A file that is gone, and one that the kernel
    /// does not let anyone write, is left alone; one that holds something else than `was` by now keeps the difference.
    Mask {
        /// Absolute path below sysfs or procfs.
        path: String,
        /// What it holds.
        was: String,
        /// What it shall hold.
        value: String,
        /// The host CPUs that are taken or put back.
        cpus: CpuSet,
    },
    /// Takes host CPUs from a unit of systemd or from a control group, or gives them back; a difference like
    /// [`Self::Mask`].
    Confine {
        /// The unit; the absolute path of a control group, where no systemd has it.
        unit: String,
        /// Its host CPUs; empty for all.
        was: String,
        /// Those it shall have; empty for all.
        value: String,
        /// The host CPUs that are taken or given back.
        cpus: CpuSet,
        /// All host CPUs.
        all: CpuSet,
    },
    /// Lets control groups be confined to host CPUs, makes one, and moves all processes into it that are at the root of
    /// the control groups. Threads of the kernel stay there.
    Gather {
        /// The group.
        into: String,
    },
    /// Moves the processes of a control group back to the root and removes it, unless another guest has it confined.
    Disperse {
        /// The group.
        from: String,
        /// All host CPUs.
        all: CpuSet,
        /// Whether control groups shall be confined to host CPUs for others too.
        controller: bool,
    },
    /// Gives a group of the kernel's its share of a cache or of bandwidth, and reads it back; of everybody's share a
    /// difference like [`Self::Mask`].
    Allot {
        /// The group.
        group: String,
        /// The kernel's name of what is shared, like `L3`.
        resource: String,
        /// The kernel's number of the cache.
        domain: u32,
        /// The share before; empty for any.
        was: String,
        /// The share after.
        value: String,
        /// What is taken or given back.
        part: String,
    },
    /// Makes or removes a control group that nobody is in, or one of shares, which may have members.
    Group {
        /// Its path.
        path: String,
        /// Whether it shall be there.
        there: bool,
    },
}

/// A bus of the kernel's device model; a folder of `/sys/bus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bus {
    /// PCI.
    Pci,
    /// Devices that cannot be enumerated, like the framebuffer of the firmware.
    Platform,
}

impl Bus {
    /// Its folder.
    #[must_use]
    pub fn folder(self) -> &'static str {
        match self {
            Self::Pci => "/sys/bus/pci",
            Self::Platform => "/sys/bus/platform",
        }
    }
}

/// As the line that a person would type at a root shell.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Add { path, delta } => {
                let (sign, amount) = if *delta < 0 { ('-', delta.unsigned_abs()) } else { ('+', delta.unsigned_abs()) };
                write!(f, "echo $(( $(cat {path}) {sign} {amount} )) > {path}")
            }
            Self::Write { path, was: _, value } if value.is_empty() => write!(f, "echo > {path}"),
            Self::Write { path, was: _, value } => write!(f, "echo {} > {path}", quoted(value)),
            Self::Mask { path, was: _, value, cpus: _ } | Self::Tell { path, value, at: _, to: _ } => {
                write!(f, "echo {value} > {path}")
            }
            Self::Confine { unit, was: _, value, all, .. } if unit.starts_with('/') => {
                let value = if value.is_empty() { all.to_string() } else { value.clone() };
                write!(f, "echo {value} > {unit}/cpuset.cpus")
            }
            Self::Gather { into } => write!(
                f,
                "echo +cpuset > {CONTROL_GROUPS}/cgroup.subtree_control; mkdir -p {into}; \
                 for pid in $(cat {CONTROL_GROUPS}/cgroup.procs); do echo $pid > {into}/cgroup.procs; done"
            ),
            Self::Disperse { from, all: _, controller } => {
                let off = format!("; echo -cpuset > {CONTROL_GROUPS}/cgroup.subtree_control");
                write!(
                    f,
                    "for pid in $(cat {from}/cgroup.procs); do echo $pid > {CONTROL_GROUPS}/cgroup.procs; done; \
                     rmdir {from}{}",
                    if *controller { "" } else { &off }
                )
            }
            Self::Allot { group, resource, domain, was: _, value, part: _ } => {
                write!(f, "echo {resource}:{domain}={value} > {group}/schemata")
            }
            Self::Group { path, there: true } => write!(f, "mkdir -p {path}"),
            Self::Group { path, there: false } => write!(f, "rmdir {path}"),
            Self::Confine { unit, was: _, value, .. } => {
                write!(f, "systemctl set-property --runtime {unit} AllowedCPUs={value}")
            }
            Self::Unbind { bus, device, driver } => {
                write!(f, "echo {device} > {}/drivers/{driver}/unbind", bus.folder())
            }
            Self::Bind { bus: Bus::Pci, device, driver: _ } => write!(f, "echo {device} > /sys/bus/pci/drivers_probe"),
            Self::Bind { bus: bus @ Bus::Platform, device, driver } => {
                write!(f, "echo {device} > {}/drivers/{driver}/bind", bus.folder())
            }
            Self::Own { path, was: _, uid } if path.ends_with("/vfio-dev") => {
                write!(f, "chown {uid} /dev/vfio/devices/$(ls {path})")
            }
            Self::Own { path, was: _, uid } => write!(f, "chown {uid} {}", quoted(path)),
            Self::AwaitClosed(bdf) => {
                write!(f, "while fuser -s /dev/dri/by-path/pci-{bdf}-*; do sleep 1; done")
            }
            // The first rung; the harder ones are hardly ever needed.
            Self::Revive(bdf) => {
                let folder = format!("/sys/bus/pci/devices/{bdf}");
                write!(f, "[ $(od -An -tx2 -N2 {folder}/config) != ffff ] || echo 1 > {folder}/reset")
            }
            Self::Resize { bdf, bar, was: _, size } => {
                write!(f, "echo {} > /sys/bus/pci/devices/{bdf}/resource{bar}_resize", resize_bit(*size))
            }
            Self::RemoveBridge { name, mac: _ } => {
                write!(f, "[ -n \"$(ls /sys/class/net/{name}/brif)\" ] || ip link del dev {name}")
            }
            Self::RunIf { there, run } => write!(f, "[ ! -e {there} ] || {}", Self::Run(run.clone())),
            Self::RunUnless { there, run } => write!(f, "[ -e {there} ] || {}", Self::Run(run.clone())),
            Self::Run(Command { argv, user, .. }) => {
                if let Some(user) = user {
                    write!(f, "sudo -u {user} ")?;
                }
                f.write_str(&shlex::try_join(argv.iter().map(String::as_str)).unwrap_or_else(|_| format!("{argv:?}")))
            }
        }
    }
}

fn quoted(value: &str) -> String {
    shlex::try_quote(value).map_or_else(|_| format!("{value:?}"), std::borrow::Cow::into_owned)
}

/// The number by which `resourceN_resize` knows a size: 0 for 1 MiB, one more for each doubling.
#[must_use]
pub fn resize_bit(size: Size) -> u32 {
    (size.bytes() >> 20).checked_ilog2().unwrap_or_default()
}
