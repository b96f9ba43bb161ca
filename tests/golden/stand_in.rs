//! A planned command line with what the test machine lacks replaced: cards, bridges, sound servers, KVM, huge pages,
//! and every file. All other words stay, so that QEMU judges them.

use serde_json::{Value, json};
use std::cell::RefCell;
use std::fs::{self, File};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use vmrun::plan::Arg;

/// RAM of every guest that is started here, or of each of its NUMA nodes.
const RAM: u64 = 256 << 20;

/// Replaces things of the host by files in `dir`.
pub(crate) struct StandIn<'a> {
    dir: &'a Path,
    /// Version of the QEMU that is started, which need not be the one that was planned for.
    version: &'a str,
    /// What QEMU connects to; nobody answers.
    listening: RefCell<Vec<UnixListener>>,
}

impl<'a> StandIn<'a> {
    pub(crate) fn new(dir: &'a Path, version: &'a str) -> Self {
        Self { dir, version, listening: RefCell::default() }
    }

    /// The words of `args` for the test machine.
    pub(crate) fn words(&self, args: Vec<Arg>) -> Vec<String> {
        // Each guest NUMA node has a backend of its own.
        let backends = args.iter().filter(|arg| arg.value.as_ref().is_some_and(|value| is_guest_memory(value)));
        let ram = RAM * u64::try_from(backends.count()).expect("a few");
        args.into_iter().flat_map(|arg| self.argument(arg, ram)).collect()
    }

    fn argument(&self, Arg { option, value, origins: _ }: Arg, ram: u64) -> Vec<String> {
        let Some(value) = value else { return vec![option] };
        let value = match option.as_str() {
            "-accel" => "tcg,thread=multi".into(),
            "-cpu" => cpu(&value),
            "-m" => format!("size={}M", ram >> 20),
            "-vnc" => self.vnc(&value),
            "-spice" => self.spice(&value),
            "-fw_cfg" => self.with_file(&value, 8),
            "-acpitable" => self.with_file(&value, 64),
            "-kernel" => self.kernel(),
            "-initrd" => self.file("initrd", 4096),
            "-chardev" if value.starts_with("socket,id=tpm-socket") => self.tpm(),
            "-chardev" => self.chardev(&value),
            "-netdev" if !value.starts_with('{') => netdev(&value),
            "-fsdev" => self.folder(&value),
            _ if value.starts_with('{') => {
                self.json(&option, serde_json::from_str(&value).expect("vmrun wrote JSON")).to_string()
            }
            _ => value,
        };
        vec![option, value]
    }

    fn json(&self, option: &str, mut value: Value) -> Value {
        match (option, value["driver"].as_str().or(value["qom-type"].as_str()).or(value["type"].as_str())) {
            ("-device", Some("vfio-pci" | "vfio-pci-nohotplug")) => {
                // Any PCI function does; its place is what is judged.
                take(&mut value, &["host", "sysfsdev", "display", "ramfb", "x-vga", "iommufd"]);
                take(&mut value, &["x-no-kvm-msi", "x-igd-gms", "x-igd-opregion", "xres", "yres"]);
                take(&mut value, &["x-pci-vendor-id", "x-pci-device-id", "x-pci-sub-vendor-id", "x-pci-sub-device-id"]);
                value["driver"] = json!("virtio-rng-pci");
            }
            ("-netdev", Some("tap" | "vhost-user")) => value = json!({"type": "user", "id": value["id"]}),
            ("-netdev", Some("stream")) => {
                value["addr"]["path"] = json!(self.listening("stream"));
                if self.version == "7.2" {
                    take(&mut value, &["reconnect", "reconnect-ms"]);
                }
            }
            ("-netdev", Some("user")) if value.get("hostfwd").is_some() => {
                for forward in value["hostfwd"].as_array_mut().into_iter().flatten() {
                    forward["str"] = json!(any_port(forward["str"].as_str().expect("a forward")));
                }
                if value.get("tftp").is_some() {
                    value["tftp"] = json!(self.dir);
                }
            }
            ("-netdev", Some("user")) if value.get("tftp").is_some() => value["tftp"] = json!(self.dir),
            ("-device", Some("vhost-user-fs-pci")) => {
                // Nobody serves it here.
                take(&mut value, &["chardev", "tag", "queue-size"]);
                value["driver"] = json!("virtio-rng-pci");
            }
            ("-audiodev", _) => {
                take(&mut value, &["server"]);
                value["driver"] = json!("none");
                if value.get("out").is_some() {
                    // Those of one driver; what all have stays.
                    take(&mut value["out"], &["latency", "period-length"]);
                }
            }
            ("-device", Some("vhost-vsock-pci")) => {
                take(&mut value, &["guest-cid"]);
                value["driver"] = json!("virtio-rng-pci");
            }
            ("-device", Some("virtio-vga-gl")) => value["driver"] = json!("virtio-vga"),
            ("-object", Some("input-linux")) => value = json!({"qom-type": "rng-builtin", "id": value["id"]}),
            ("-object", Some("rng-random")) => value["filename"] = json!("/dev/urandom"),
            ("-object", Some("secret")) => value["file"] = json!(self.text("password", "secret")),
            ("-object", Some("memory-backend-file")) if value["id"] == "looking-glass" => {
                value["mem-path"] = json!(self.file("looking-glass", 0));
            }
            ("-display", _) => value = json!({"type": "none"}),
            ("-object", Some("thread-context")) => {
                for key in ["cpu-affinity", "node-affinity"] {
                    value.get_mut(key).into_iter().for_each(|places| *places = json!([0]));
                }
            }
            ("-object", Some(kind)) if kind.starts_with("memory-backend") => {
                take(&mut value, &["hugetlb", "hugetlbsize", "host-nodes", "policy"]);
                value["size"] = json!(RAM);
                value["prealloc"] = json!(false);
                if value.get("mem-path").is_some() {
                    value["mem-path"] = json!(self.dir);
                }
            }
            ("-blockdev", Some("host_device" | "host_cdrom")) => value["driver"] = json!("file"),
            _ => {}
        }
        if let Some(name) = value.get("node-name").filter(|_| value.get("filename").is_some()) {
            value["filename"] = json!(self.disk(name.as_str().expect("a name")));
        }
        if value.get("romfile").is_some_and(|file| file != "") {
            value["romfile"] = json!(self.file("rom", 4096));
        }
        value
    }

    /// A folder of the same name for a share, whose path stands before the security model; the quoting stays.
    fn folder(&self, value: &str) -> String {
        let (start, rest) = value.split_once(",path=").expect("a folder");
        let (path, rest) = rest.split_once(",security_model=").expect("a security model");
        let name = path.rsplit('/').next().expect("a name");
        fs::create_dir_all(self.dir.join(name.replace(",,", ","))).expect("a folder is made");
        format!("{start},path={}/{name},security_model={rest}", self.dir.display())
    }

    /// Its options on a socket of its own, since two versions run at once.
    fn vnc(&self, value: &str) -> String {
        let options = value.split_once(',').map(|(_, options)| format!(",{options}")).unwrap_or_default();
        format!("unix:{}{options}", self.dir.join("vnc").display())
    }

    fn spice(&self, value: &str) -> String {
        let place = ["unix=", "addr=", "port=", "gl=", "rendernode="];
        let options = value.split(',').filter(|option| !place.iter().any(|key| option.starts_with(key)));
        let socket = format!("unix=on,addr={}", self.dir.join("spice").display());
        std::iter::once(socket).chain(options.map(str::to_owned)).collect::<Vec<_>>().join(",")
    }

    /// The option with the file at its end replaced by one of `size` bytes.
    fn with_file(&self, value: &str, size: u64) -> String {
        match value.split_once("file=") {
            Some((start, _)) => format!("{start}file={}", self.file("content", size)),
            None => value.to_owned(),
        }
    }

    /// A real TPM emulator, which ends with the connection.
    fn tpm(&self) -> String {
        let (state, socket) = (self.dir.join("tpm"), self.dir.join("tpm.sock"));
        fs::create_dir(&state).expect("a folder");
        let started = Command::new("swtpm")
            .args(["socket", "--tpm2", "--terminate", "--daemon", "--tpmstate"])
            .arg(format!("dir={}", state.display()))
            .args(["--ctrl", &format!("type=unixio,path={}", socket.display())])
            .status();
        assert!(started.is_ok_and(|status| status.success()), "swtpm; run contrib/test-setup");
        format!("socket,id=tpm-socket,path={}", socket.display())
    }

    fn chardev(&self, value: &str) -> String {
        if let Some(id) = value.strip_prefix("socket,id=share") {
            return format!("null,id=share{}", id.split(',').next().unwrap_or_default());
        }
        match value.split_once(",path=") {
            Some((start, rest)) if start.starts_with("socket,") && !rest.contains("server=on") => {
                format!("{start},path={}", self.listening("switch").display())
            }
            Some((start, rest)) => {
                let id = start.split_once("id=").map_or("chardev", |(_, id)| id);
                // A doubled comma is one in the path.
                let rest = rest.replace(",,", "");
                let options = rest.split_once(',').map(|(_, options)| format!(",{options}")).unwrap_or_default();
                format!("{start},path={}{options}", self.dir.join(id).display())
            }
            None => value.to_owned(),
        }
    }

    /// A socket in whose queue a client of QEMU's waits for ever.
    fn listening(&self, name: &str) -> PathBuf {
        let mut listening = self.listening.borrow_mut();
        let path = self.dir.join(format!("{name}{}", listening.len()));
        listening.push(UnixListener::bind(&path).expect("a socket"));
        path
    }

    /// An image for the lower node `name`: flash chips are small, and disks have a header for any format.
    fn disk(&self, name: &str) -> String {
        if name.starts_with("fw-") {
            return self.image(name, 2 << 20);
        }
        self.image(name, 16 << 20)
    }

    fn image(&self, name: &str, size: u64) -> String {
        let path = self.file(name, size);
        fs::write(&path, empty_qcow2()).expect("an image is written");
        File::options().write(true).open(&path).and_then(|file| file.set_len(size)).expect("the image is grown");
        path
    }

    /// The head of a Linux kernel of boot protocol 2.12, as far as QEMU reads it.
    fn kernel(&self) -> String {
        let path = self.file("kernel", 0);
        let mut image = vec![0; 64 << 10];
        image[0x1f1] = 1;
        image[0x202..0x206].copy_from_slice(b"HdrS");
        image[0x206..0x208].copy_from_slice(&0x020c_u16.to_le_bytes());
        image[0x211] = 1;
        image[0x22c..0x230].copy_from_slice(&0x37ff_ffff_u32.to_le_bytes());
        fs::write(&path, image).expect("a kernel is written");
        path
    }

    fn text(&self, name: &str, text: &str) -> String {
        let path = self.dir.join(name);
        fs::write(&path, text).expect("a file is made");
        path.display().to_string()
    }

    fn file(&self, name: &str, size: u64) -> String {
        let path: PathBuf = self.dir.join(name);
        File::create(&path).and_then(|file| file.set_len(size)).expect("a file is made");
        path.display().to_string()
    }
}

/// A back end in the form of older versions, without a device or a port of the host.
fn netdev(value: &str) -> String {
    if value.starts_with("tap,") {
        let id = value.split(',').find(|part| part.starts_with("id=")).expect("an id");
        return format!("user,{id}");
    }
    let parts = value.split(',').map(|part| match part.strip_prefix("hostfwd=") {
        Some(forward) => format!("hostfwd={}", any_port(forward)),
        None => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join(",")
}

/// The forward with a free port of the host's: several QEMUs run at once.
fn any_port(forward: &str) -> String {
    let (host, guest) = forward.split_once('-').expect("a forward");
    let (address, _) = host.rsplit_once(':').expect("a port");
    format!("{address}:0-{guest}")
}

fn cpu(value: &str) -> String {
    let parts = value.split(',').enumerate().map(|(i, part)| if i == 0 && part == "host" { "max" } else { part });
    // QEMU 7.2 without KVM does not start with it.
    parts.filter(|part| *part != "hv-vpindex=on").collect::<Vec<_>>().join(",")
}

fn take(value: &mut Value, keys: &[&str]) {
    let object = value.as_object_mut().expect("an object");
    for key in keys {
        object.shift_remove(*key);
    }
}

/// The first clusters of an empty qcow2 image of 1 MiB. QEMU: `docs/interop/qcow2.txt`.
fn empty_qcow2() -> Vec<u8> {
    const CLUSTER: usize = 1 << 16;
    let mut image = vec![0; 4 * CLUSTER];
    let mut put = |at: usize, bytes: &[u8]| image[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"QFI\xfb");
    put(4, &2_u32.to_be_bytes());
    put(20, &16_u32.to_be_bytes());
    put(24, &(1_u64 << 20).to_be_bytes());
    put(36, &1_u32.to_be_bytes());
    put(40, &(3 * CLUSTER as u64).to_be_bytes());
    put(48, &(CLUSTER as u64).to_be_bytes());
    put(56, &1_u32.to_be_bytes());
    // The refcount table, its one block, and a reference for each of the four clusters.
    put(CLUSTER, &(2 * CLUSTER as u64).to_be_bytes());
    (0..4).for_each(|cluster| put(2 * CLUSTER + 2 * cluster, &1_u16.to_be_bytes()));
    image
}

/// Whether an object is memory of the guest, not memory that it shares with a program of the host.
fn is_guest_memory(object: &str) -> bool {
    object.contains("memory-backend-") && !object.contains("looking-glass")
}
