//! The hardware an emulated host is made of, as plain data; the hosts there are stand in `layouts.rs`.

use std::path::Path;

use super::frequencies;

/// One emulated host: what to build it from and what is ready in it before the first command.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    /// Name by which a person picks it; also names the initial file system of this layout.
    pub(crate) name: &'static str,
    /// The emulator that is this host, as the set-up calls it.
    pub(crate) emulator: &'static str,
    /// Processor packages.
    pub(crate) sockets: u32,
    /// Cores of each socket.
    pub(crate) cores: u32,
    /// Sibling threads of each core: host CPUs are `sockets * cores * threads`, siblings numbered next to each other.
    pub(crate) threads: u32,
    /// Memory of each NUMA node in MiB, one node a socket. The huge pages a test asks for come out of it.
    pub(crate) nodes: &'static [u32],
    /// Names of disks of 64 MiB that read as zeros and forget what was written with the host's end; a device takes one
    /// by `drive=`.
    pub(crate) disks: &'static [&'static str],
    /// Devices besides those of every host (IOMMU, root file system, command channel), each as QEMU's `-device` takes it.
    pub(crate) devices: &'static [&'static str],
    /// Kernel modules that are loaded before the first command, so that drivers sit where they sit on a desktop.
    pub(crate) modules: &'static [&'static str],
    /// What a shell runs before the first command, after the modules are there.
    pub(crate) prepare: &'static str,
    /// The first process.
    pub(crate) init: Init,
    /// Whether firmware offers the kernel three frequencies of each host CPU, and so governors to choose from.
    pub(crate) frequencies: bool,
}

/// The first process of an emulated host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Init {
    /// The agent itself: quick, and nothing runs that a test did not start.
    Agent,
    /// systemd with D-Bus and logind, the agent one of its services.
    Systemd,
}

impl Layout {
    /// Number of host CPUs.
    pub(crate) fn cpus(&self) -> u32 {
        self.sockets * self.cores * self.threads
    }

    /// The arguments of QEMU that give a host of this layout its processor topology, memory and devices. Files it needs
    /// are made in the folder `cache`.
    pub(crate) fn arguments(&self, cache: &Path) -> Vec<String> {
        let Self { name, sockets, cores, threads, nodes, disks, devices, frequencies, .. } = self;
        let mut arguments = vec![
            "-name".to_owned(),
            format!("vmrun-test-{name}"),
            "-smp".to_owned(),
            format!("{},sockets={sockets},cores={cores},threads={threads}", self.cpus()),
            "-m".to_owned(),
            nodes.iter().sum::<u32>().to_string(),
        ];
        arguments.extend(self.node_arguments());
        for disk in *disks {
            let file = blank(cache);
            arguments.push("-drive".to_owned());
            arguments.push(format!("if=none,id={disk},format=raw,snapshot=on,file.locking=off,file={file}"));
        }
        if *frequencies {
            arguments.push("-acpitable".to_owned());
            arguments.push(format!("file={}", frequencies::table(cache, self.cpus(), *threads)));
        }
        for device in *devices {
            arguments.extend(["-device".to_owned(), (*device).to_owned()]);
        }
        arguments
    }

    /// Memory and host CPUs of each node, where there is more than one.
    fn node_arguments(&self) -> Vec<String> {
        let [_, _, ..] = self.nodes else { return Vec::new() };
        let share = self.cores * self.threads;
        let one = |(node, mib)| {
            let (first, last) = (node * share, node * share + share - 1);
            [
                "-object".to_owned(),
                format!("memory-backend-ram,id=node{node},size={mib}M"),
                "-numa".to_owned(),
                format!("node,nodeid={node},cpus={first}-{last},memdev=node{node}"),
            ]
        };
        (0..).zip(self.nodes).flat_map(one).collect()
    }
}

/// The file that every blank disk is an overlay of.
fn blank(cache: &Path) -> String {
    let path = cache.join("blank.img");
    let file = std::fs::OpenOptions::new().create(true).write(true).truncate(false).open(&path);
    file.and_then(|file| file.set_len(64 << 20)).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    path.display().to_string()
}
