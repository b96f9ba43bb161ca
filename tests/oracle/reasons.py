"""Why something differs, where that is known and meant. AGREEMENT.md tells the same in sentences."""

import re

# Feature, fact, why: the first whose patterns match counts. A pattern is of the whole name.
KNOWN = [
    ("machine", "acpi", "vmrun's machines always have ACPI; libvirt leaves it out when <acpi/> is not there"),
    ("machine", "version", "the file names no version; each takes its QEMU's newest"),
    ("other devices", "pvpanic", "vmrun's guests can always say that their kernel panicked"),
    ("memory on the host", "merged with others", "vmrun keeps KSM off unless told"),
    ("memory on the host", "nodes of the host", "vmrun takes memory from the node of the pinned CPUs; the oracle has one node"),
    ("(network|boot) on the host", ".*: vhost", "vmrun has the kernel move packets; libvirt opens the same when it starts"),
    ("network on the host", ".*: kind", "libvirt says `tap` for every interface when it is only asked for the command line"),
    ("SMBIOS", "type [0-3] .*", "smbios mode='host': the host that vmrun plans for has names, the oracle's has none"),
    ("clock", "base", "adjustment 0 of a variable clock is UTC"),
    ("CPU", "flag topoext", "AMD's threads are told to the guest, which libvirt leaves to the file"),
    ("network", ".*: (several queues|mtu)", "virsh forgets all of an interface but its MAC and model when it is asked"),
    ("pinning", "emulator", "vmrun keeps QEMU's own threads off the vCPUs' host CPUs"),
    ("pinning", "iothread .*", "no disk names it: there is no such iothread"),
    ("pinning", "vCPU .*", "the file pins only some: the rest share the CPUs of those"),
    ("topology", "vCPUs", "vCPUs that the file starts without: libvirt plugs the others in, vmrun has all from the start"),
    ("Hyper-V", "hv-(synic|vpindex|time)", "QEMU asks for it with others that the file has"),
    ("firmware", "code|image|kind", "a <loader> that is not called pflash: UEFI's code is mapped as flash all the same"),
    ("CPU", "flag (check|kvm)", "QEMU's own choice"),
    ("clock|CPU", "tsc|flag tsc-frequency", "asked without: libvirt compares it with this host's"),
    ("firmware", "variables", "a new store each: the file names none"),
    ("disks( on the host)?", "(nbd|iscsi|rbd|https?|nvme|ssh|gluster|nfs) .*|https?:.*|/dev/sg.*", "network, NVMe and SCSI passthrough disks: told as dropped"),
    ("(disks|SCSI controllers)( on the host)?", ".*(: )?(iothread|discard|aio|cache.*|direct)", "where the file does not say: an iothread, and space given back; past the host's cache and by io_uring where it has them"),
    ("disks", ".*: shared", "two guests on one disk: vmrun asks QEMU to lock it"),
    ("disks", ".*: place", "ports of a controller are dealt in the order of the disks"),
    ("disks on the host", ".*: format", "vmrun limits with a node of its own above the format"),
    ("CPU", "flag host-phys-bits-limit", "a limit below the host's own width: told as dropped"),
    ("TPM, serial, channels", "virtconsole", "a console on virtio: told as dropped, the serial port is there"),
    ("other devices", "ivshmem-doorbell", "shared memory with a server: told as dropped"),
    ("other devices", "pvpanic-pci", "vmrun's pvpanic is the one on the ISA bus"),
    ("PCI passthrough", ".*: x-vga", "UEFI has no use for VGA, and vmrun leaves it out there"),
    ("network", ".*: option ROM", "no option ROM: by an empty file, or by no BAR for it"),
    ("other devices", "virtio-balloon-pci.*", "passed devices pin all memory; libvirt's default balloon could give nothing back"),
    ("SCSI controllers", "virtio-scsi-pci", "made when a disk sits on it"),
    ("network", "52:54:00:55:.*", "vdpa, udp and multicast interfaces: told as dropped"),
    ("USB controllers", "ich9-.*|usb-ehci|qemu-xhci", "one xHCI takes the place of an EHCI with its companions"),
]


def plain(value):
    """Values that say the same are the same."""
    if value in (None, False, "off", 0, [], "0"):
        return None
    if value in (True, "on"):
        return "on"
    if isinstance(value, list):
        return [plain(one) for one in value]
    return str(value)


def addressed(root):
    """Whether the file says where its devices are."""
    return root.find("devices/*/address[@type='pci']") is not None


def why(feature, key, theirs, ours, root, profile):
    """The reason why a fact differs; None for none that is known."""
    if feature in ("PCI addresses", "PCI Express ports"):
        return where(feature, key, theirs, ours, root)
    if key.endswith(": model") and f"{ours} removable" == theirs:
        return "a USB disk is not called removable: told as dropped"
    if key == "channel com.redhat.spice.0" and root.find("devices/graphics[@type='spice']") is None:
        return "without SPICE nobody speaks with its agent: told"
    if (feature, key) in (("firmware", "secure"), ("machine", "smm")) and unnamed_firmware(root):
        return "the file leaves the firmware to libvirt, which has chosen one with Secure Boot"
    if feature == "clock" and key == "pit" and root.find("clock/timer[@name='pit']") is None:
        return "the file has no word for the PIT: its lost ticks are left out where those of the RTC are made up for"
    cpu = root.find("cpu")
    if feature in ("CPU", "Hyper-V") and cpu is not None and cpu.get("mode") == "host-model":
        return "host-model: libvirt names the nearest model and flags, vmrun shows the host's own CPU"
    hyperv = root.find("features/hyperv")
    if feature == "Hyper-V" and hyperv is not None and hyperv.get("mode") == "passthrough":
        return "hyperv passthrough: vmrun names each enlightenment of the host"
    if feature == "boot" and key == "order":
        return order(theirs, ours)
    for pattern, fact, reason in KNOWN:
        if re.fullmatch(pattern, feature) and re.fullmatch(fact, key):
            return reason
    return None


def unnamed_firmware(root):
    """Whether the file only says that there is UEFI."""
    system = root.find("os")
    return system.get("firmware") == "efi" and system.find("loader") is None and system.find("firmware") is None


def order(theirs, ours):
    """libvirt gives one disk of a kind a turn, vmrun all of them; what both have has the same order."""
    both = [name for name in theirs or [] if name in (ours or [])]
    if both == [name for name in ours or [] if name in (theirs or [])]:
        return "what both boot from has the same order; vmrun tries the other disks after it"
    return None


def where(feature, key, theirs, ours, root):
    if theirs is None or ours is None:
        return "one of the two has no such device: see there"
    if not addressed(root):
        return "the file has no addresses: each deals them"
    if feature == "PCI Express ports":
        return "ports of bridges of conventional PCI, or of devices without an address in the file"
    if str(ours) == str(of_interface(key, root)):
        return "virsh forgets the address of an interface when it is asked; vmrun has the file's"
    if of_interface(key, root) == "a bus that is no root port's" and ":" in key and len(key) == 17:
        return "virsh forgets the address of an interface when it is asked; the file's bus is no root port's"
    if isinstance(theirs, tuple) and len(theirs) > 2 or not own(key, root):
        return "behind a bridge of conventional PCI, or without an address in the file"
    return None


def of_interface(key, root):
    """The guest's PCI path that the file gives the interface with the MAC `key`."""
    def numbers(address, *names):
        return [int(address.get(name, "0"), 0) for name in names]

    ports = {0: ()}
    for controller in root.iterfind("devices/controller[@type='pci']"):
        address = controller.find("address")
        if address is not None and controller.get("model") == "pcie-root-port":
            ports[int(controller.get("index"))] = (tuple(numbers(address, "slot", "function")),)
    for interface in root.iterfind("devices/interface"):
        mac, address = interface.find("mac"), interface.find("address[@type='pci']")
        if mac is not None and mac.get("address").lower() == key and address is not None:
            bus, slot, function = numbers(address, "bus", "slot", "function")
            if bus in ports:
                return ports[bus] + ((slot, function),)
    return "a bus that is no root port's"


def own(key, root):
    """Whether the device that `key` names has an address in the file."""
    for device in root.find("devices"):
        mac = device.find("mac")
        source = device.find("source")
        names = [mac.get("address") if mac is not None else None]
        if source is not None:
            names += [source.get("file"), source.get("dev")]
        at = device.find("source/address")
        if at is not None and at.get("slot"):
            parts = [int(at.get(part, "0"), 0) for part in ("domain", "bus", "slot", "function")]
            names.append("{:04x}:{:02x}:{:02x}.{:x}".format(*parts))
        if at is not None and at.get("uuid"):
            names.append(f"/sys/bus/mdev/devices/{at.get('uuid')}")
        if key.lower() in [name.lower() for name in names if name]:
            return device.find("address[@type='pci']") is not None
    # One of a kind: whether any of its kind has one in the file cannot be told by its driver's name.
    kinds = {"virtio-balloon": "memballoon", "virtio-rng": "rng", "xhci": "usb", "hda": "sound", "qxl": "video",
             "VGA": "video", "vga": "video", "virtio-serial": "virtio-serial",
             "virtio-scsi": "scsi",
             "ivshmem": "shmem", "i6300esb": "watchdog", "vsock": "vsock"}
    for part, name in kinds.items():
        if part in key:
            found = root.findall(f"devices/{name}") + root.findall(f"devices/controller[@type='{name}']")
            return any(device.find("address[@type='pci']") is not None for device in found)
    return True
