"""What a guest would see, and what the host would do, by a command line of QEMU: facts by feature.

Both sides go through the same functions, so that a fact that is read wrongly is wrong on both.
"""

import json
import re

PORTS = ("pcie-root-port", "pci-bridge", "i82801b11-bridge", "pcie-pci-bridge", "pxb", "pxb-pcie",
         "x3130-upstream", "xio3130-downstream", "ioh3420")
CARDS = ("virtio-net-pci", "virtio-net-pci-non-transitional", "virtio-net-pci-transitional", "e1000", "e1000e",
         "rtl8139", "vmxnet3", "igb", "e1000-82544gc", "e1000-82545em", "pcnet", "ne2k_pci", "i82559er", "usb-net")
INPUTS = ("usb-tablet", "usb-mouse", "usb-kbd", "virtio-keyboard-pci", "virtio-mouse-pci", "virtio-tablet-pci",
          "virtio-input-host-pci")
VIDEO = ("VGA", "qxl-vga", "qxl", "virtio-vga", "virtio-vga-gl", "bochs-display", "cirrus-vga", "virtio-gpu-pci",
         "vmware-svga", "ramfb")
SOUND = ("intel-hda", "ich9-intel-hda", "hda-duplex", "hda-micro", "hda-output", "AC97", "ES1370", "sb16", "usb-audio",
         "virtio-sound-pci", "pcspk")
USB = ("qemu-xhci", "nec-usb-xhci", "ich9-usb-ehci1", "ich9-usb-uhci1", "ich9-usb-uhci2", "ich9-usb-uhci3", "usb-ehci",
       "piix3-usb-uhci", "piix4-usb-uhci", "pci-ohci")
DISKS = ("virtio-blk-pci", "scsi-hd", "scsi-cd", "scsi-block", "scsi-generic", "ide-hd", "ide-cd", "nvme", "nvme-ns",
         "usb-storage", "usb-bot", "floppy", "isa-fdc")


def pairs(text):
    """`a,b=c,d=e,,f` as a dict; the first part without `=` is at `""`."""
    found = {}
    for part in re.split(r"(?<!,),(?!,)", text):
        part = part.replace(",,", ",")
        key, sign, value = part.partition("=")
        if sign:
            found[key] = value
        elif not found:
            found[""] = part
        else:
            found[part.removeprefix("no") if part.startswith("no") else part] = "off" if part.startswith("no") else "on"
    return found


def properties(text):
    """The properties of a device or object, in JSON or not, with plain values."""
    if text.startswith("{"):
        return json.loads(text)
    found = pairs(text)
    found["driver" if "driver" not in found else ""] = found.pop("", found.get("driver"))
    return found


def flag(value):
    return {True: "on", False: "off", "yes": "on", "no": "off", "true": "on", "false": "off"}.get(value, value)


def number(value):
    """`0x10`, `16`, 16 alike."""
    if isinstance(value, str) and re.fullmatch(r"0x[0-9a-fA-F]+|[0-9]+", value):
        return int(value, 0)
    return value


def slot(addr):
    """`0x1.0x2`, `01.2`, `0x0` as (1, 2)."""
    device, _, function = str(addr).partition(".")
    function = function or "0"
    return int(device.removeprefix("0x"), 16), int(function.removeprefix("0x"), 16)


def size(text, unit=1 << 20):
    found = re.fullmatch(r"([0-9.]+)([kKmMgGtTbB]?)", str(text))
    if not found:
        return str(text)
    scale = {"": unit, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}[found[2].lower()]
    return int(float(found[1]) * scale)


class Line:
    """A command line of QEMU, taken apart."""

    def __init__(self, words):
        self.options = {}
        place = 0
        while place < len(words):
            name = words[place].lstrip("-")
            value = ""
            if place + 1 < len(words) and not re.match(r"-[a-z]", words[place + 1]):
                place += 1
                value = words[place]
            self.options.setdefault(name, []).append(value)
            place += 1
        self.devices = [properties(text) for text in self.options.get("device", [])]
        self.objects = [properties(text) for text in self.options.get("object", [])]
        for one in self.objects:
            one.setdefault("qom-type", one.get("driver"))
        self.blocks = {node.get("node-name"): node for node in map(properties, self.options.get("blockdev", []))}
        for text in self.options.get("drive", []):
            drive = pairs(text)
            self.blocks[drive.get("id")] = drive
        self.by_id = {device["id"]: device for device in self.devices if "id" in device}
        self.netdevs = {}
        for text in self.options.get("netdev", []):
            netdev = json.loads(text) if text.startswith("{") else pairs(text)
            netdev.setdefault("type", netdev.get(""))
            self.netdevs[netdev.get("id")] = netdev

    def all(self, name):
        return self.options.get(name, [])

    def merged(self, *names):
        found = {}
        for name in names:
            for text in self.all(name):
                found.update(pairs(text))
        return {key.replace("_", "-"): flag(value) for key, value in found.items()}

    def path(self, device):
        """The guest's PCI path of a device: devices and functions from the root bus on; None off PCI."""
        bus = device.get("bus", "")
        if bus in ("pcie.0", "pci.0"):
            return (slot(device["addr"]),)
        parent = self.by_id.get(bus) or self.by_id.get(bus.rpartition(".")[0])
        if parent is None or parent["driver"] not in PORTS or "addr" not in device:
            return None
        above = self.path(parent)
        return above and above + (slot(device["addr"]),)

    def leaf(self, name):
        """The node that has the file or the host, below `name`; and all nodes on the way."""
        chain = []
        while name in self.blocks and self.blocks[name] not in chain:
            chain.append(self.blocks[name])
            below = self.blocks[name].get("file")
            name = below if isinstance(below, str) else None
            if isinstance(below, dict):
                chain.append(below)
        return chain

    def source(self, name):
        chain = self.leaf(name)
        for node in reversed(chain):
            for key in ("filename", "file", "url", "path"):
                if isinstance(node.get(key), str) and node[key] not in self.blocks:
                    return node[key]
            if node.get("driver") == "nvme":
                return "nvme " + str(node.get("device"))
        leaf = chain[-1] if chain else {}
        host = leaf.get("server", leaf.get("portal"))
        return " ".join(map(str, [leaf.get("driver"), host, leaf.get("export", leaf.get("image", leaf.get("target")))]))


def machine(line):
    found = line.merged("machine")
    kind = found.get("", found.get("type", "pc"))
    family = "q35" if "q35" in kind else "pc"
    version = re.search(r"-(\d+\.\d+)$", kind)
    facts = {"family": family, "version": version[1] if version else "newest"}
    for key, usual in (("smm", None), ("vmport", "on"), ("hpet", "on"), ("pit", "on"), ("kernel-irqchip", None),
                       ("acpi", "on"), ("hmat", "off"), ("nvdimm", "off"), ("pcspk-audiodev", None)):
        facts[key] = found.get(key, usual)
    for name in ("no-acpi", "no-hpet"):
        if name in line.options:
            facts[name[3:]] = "off"
    facts["kernel-irqchip"] = {None: "on"}.get(facts["kernel-irqchip"], facts["kernel-irqchip"])
    for text in line.all("global"):
        found = re.match(r"(?:ICH9-LPC|PIIX4_PM)\.(disable_s[34])=(.)", text)
        if found:
            facts[found[1]] = found[2]
    facts["uuid"] = (line.all("uuid") or [None])[-1]
    return facts


def cpu(line):
    parts = (line.all("cpu") or ["qemu64"])[-1].split(",")
    flags = {}
    for part in parts[1:]:
        key, sign, value = part.partition("=")
        if not sign:
            key, value = (key[1:], "off") if key.startswith("-") else (key.lstrip("+"), "on")
        flags[key.replace("_", "-")] = number(flag(value))
    model = parts[0]
    for setting in line.all("global"):
        # What stands behind a model is a setting of that CPU. QEMU: x86_cpu_parse_featurestr().
        name, _, value = setting.partition("=")
        if name.startswith(model + "-x86_64-cpu."):
            flags[name.rpartition(".")[2].replace("_", "-")] = number(flag(value))
    if model in ("host", "max"):
        # QEMU: x86_cpu_expand_features(): what is migratable has no invtsc.
        movable = flags.pop("migratable", "on") == "on"
        steady = flags.pop("invtsc", "off" if movable else "on")
        flags["invtsc"] = steady
    hyperv = {key: value for key, value in flags.items() if key.startswith("hv-")}
    rest = {key: value for key, value in flags.items() if not key.startswith("hv-") and key != "migratable"}
    return {"model": model, **{"flag " + key: value for key, value in rest.items()}}, hyperv


def topology(line):
    found = line.merged("smp")
    count = int(found.get("", found.get("cpus", 1)))
    facts = {key: int(found.get(key, 1)) for key in ("sockets", "dies", "modules", "cores", "threads")}
    return {"vCPUs": count, "most": int(found.get("maxcpus", count)), **facts}


def memory(line):
    found = line.merged("m")
    amount = found.get("", found.get("size", "128"))
    backends = [one for one in line.objects if str(one["qom-type"]).startswith("memory-backend")]
    ram = [one for one in backends if "share" in one or "size" in one]
    by_path = "huge" in (line.all("mem-path") or [""])[-1]
    glass = [one for one in ram if "/dev/shm" in str(one.get("mem-path", ""))]
    ram = [one for one in ram if one not in glass]
    huge = by_path or any(one.get("hugetlb") or "huge" in str(one.get("mem-path", "")) for one in ram)
    seen = {"size": size(amount)}
    done = {
        "huge pages": huge,
        "shared": any(flag(one.get("share")) == "on" for one in ram),
        "present from the start": huge or any(flag(one.get("prealloc")) == "on" for one in ram),
        "nodes of the host": [one.get("host-nodes") for one in ram if one.get("host-nodes")],
        "merged with others": line.merged("machine").get("mem-merge", "on"),
    }
    return seen, done


def numa(line):
    facts = {}
    sizes = {one.get("id"): one.get("size") for one in line.objects}
    for text in line.all("numa"):
        found = pairs(text)
        cpus = re.findall(r"cpus=([0-9-]+)", text)
        if found.get("") == "node":
            amount = sizes.get(found.get("memdev")) or (size(found["mem"]) if "mem" in found else None)
            facts["node " + found.get("nodeid", "0")] = (amount, sorted(cpus))
        elif found.get("") == "dist":
            facts[f"distance {found['src']}-{found['dst']}"] = found["val"]
    return {key: value for key, value in facts.items() if not (key.startswith("distance") and value in ("10", "20"))}


def firmware(line):
    found = line.merged("machine")
    facts = {"kind": "UEFI" if "pflash0" in found or any("if=pflash" in one for one in line.all("drive")) else "BIOS"}
    if "bios" in line.options:
        facts["kind"] = "image"
        facts["image"] = line.all("bios")[-1]
    if "pflash0" in found:
        facts["code"] = line.source(found["pflash0"])
        facts["variables"] = line.source(found["pflash1"]) if "pflash1" in found else None
    facts["secure"] = any("secure" in text and "cfi.pflash01" in text for text in line.all("global"))
    for key in ("kernel", "initrd", "append"):
        if key in line.options:
            facts[key] = line.all(key)[-1]
    return facts


def smbios(line):
    facts = {}
    for text in line.all("smbios"):
        found = pairs(text)
        kind = found.pop("type", "?")
        values = re.findall(r"value=((?:[^,]|,,)*)", text)
        if values:
            facts[f"type {kind}"] = values
        else:
            facts.update({f"type {kind} {key}": value for key, value in found.items() if key != "uuid"})
    for text in line.all("fw_cfg"):
        text = text.removeprefix("name=")
        facts["fw_cfg " + text.split(",")[0]] = text
    return facts


def clock(line):
    found = line.merged("rtc")
    facts = {"base": found.get("base", "utc"), "driftfix": found.get("driftfix", "none"),
             "clock": found.get("clock", "host")}
    for text in line.all("global"):
        if "kvm-pit" in text:
            facts["pit"] = text.split("=")[-1]
    facts["pit"] = facts.get("pit", "delay")
    flags = (line.all("cpu") or [""])[-1]
    facts["kvmclock"] = "off" if re.search(r"(-kvmclock|kvmclock=off)", flags) else "on"
    frequency = re.search(r"tsc-freq(?:uency)?=(\d+)", flags)
    facts["tsc"] = frequency and frequency[1]
    return facts


def disks(line):
    facts, behind, order = {}, {}, []
    for device in line.devices:
        if device["driver"] not in DISKS or "drive" not in device:
            continue
        name = line.source(device["drive"]) if line.leaf(device["drive"]) else "empty " + device["driver"]
        chain = line.leaf(device["drive"])
        top = chain[0] if chain else {}
        driver = device["driver"]
        if driver == "usb-storage" and flag(device.get("removable")) == "on":
            driver = "usb-storage removable"
        bus = device.get("bus", "")
        place = (bus.rpartition(".")[2], number(str(device.get("unit", 0)))) if driver.startswith("ide") else None
        if driver.startswith("scsi"):
            place = (number(str(device.get("scsi-id", 0))), number(str(device.get("lun", 0))))
        facts[name] = {
            "model": driver,
            "serial": device.get("serial"),
            "wwn": number(device.get("wwn")),
            "write cache": flag(device.get("write-cache")) or "on",
            "place": place,
            "blocks": (device.get("logical_block_size"), device.get("physical_block_size")),
            "read-only": flag(top.get("read-only", top.get("readonly", False))) == "on" or "cd" in driver,
            "shared": flag(device.get("share-rw", "off")),
        }
        cache = next((node["cache"] for node in chain if "cache" in node), {})
        behind[name] = {
            "format": top.get("driver", top.get("format")),
            "direct": flag(cache.get("direct", False)), "no-flush": flag(cache.get("no-flush", False)),
            "discard": next((node["discard"] for node in reversed(chain[:1])), "ignore")
            if "discard" in top else "ignore",
            "detect-zeroes": next((node["detect-zeroes"] for node in chain if "detect-zeroes" in node), "off"),
            "aio": next((node["aio"] for node in chain if "aio" in node), "threads"),
            "iothread": device.get("iothread") is not None,
        }
        if "bootindex" in device:
            order.append((int(device["bootindex"]), name))
    for device in line.devices:
        if "bootindex" in device and device["driver"] not in DISKS:
            order.append((int(device["bootindex"]), device.get("mac", device.get("host", device["driver"]))))
    return flat(facts), flat(behind), {"order": [name for _, name in sorted(order)],
                                       "menu": line.merged("boot").get("menu", "off")}


def flat(facts):
    return {f"{name}: {key}": value for name, one in facts.items() for key, value in one.items()}


def cards(line):
    facts, behind = {}, {}
    for device in line.devices:
        if device["driver"] not in CARDS:
            continue
        name = str(device.get("mac", "?")).lower()
        netdev = line.netdevs.get(device.get("netdev"), {})
        # The cards of that family differ in their id alone; an import says so.
        model = "e1000" if device["driver"].startswith("e1000-8") else device["driver"]
        facts[name] = {"model": model.removesuffix("-non-transitional"),
                       "several queues": flag(device.get("mq", "off")), "mtu": device.get("host_mtu"),
                       "option ROM": "none" if device.get("romfile") == "" or flag(device.get("rombar", 1)) in ("off", 0)
                       else device.get("romfile")}
        behind[name] = {"kind": netdev.get("type"), "vhost": flag(netdev.get("vhost", "off"))}
    return flat(facts), flat(behind)


def bdf(text):
    return text if text is None or text.count(":") == 2 else "0000:" + text


def passed(line):
    facts = {}
    for device in line.devices:
        if device["driver"] not in ("vfio-pci", "vfio-pci-nohotplug"):
            continue
        name = bdf(device.get("host")) or str(device.get("sysfsdev")).rpartition("/")[2]
        keys = ("romfile", "rombar", "x-vga", "x-igd-opregion", "x-pci-vendor-id", "x-pci-device-id", "display",
                "x-pci-sub-vendor-id", "x-pci-sub-device-id", "ramfb")
        facts[name] = {"is there": True, **{key: number(flag(device.get(key))) for key in keys}}
    return flat(facts)


def counted(line, names):
    facts = {}
    for device in line.devices:
        driver = device["driver"].removesuffix("-non-transitional")
        if driver in names:
            facts[driver] = facts.get(driver, 0) + 1
    return facts


def rest(line):
    known = PORTS + CARDS + INPUTS + VIDEO + SOUND + USB + DISKS + ("vfio-pci", "usb-host", "usb-redir", "usb-hub")
    facts = {}
    for device in line.devices:
        driver = device["driver"].removesuffix("-non-transitional")
        if driver in known or driver in ("virtserialport", "virtio-serial-pci", "virtio-scsi-pci", "tpm-tis", "tpm-crb",
                                         "isa-serial", "pci-serial", "virtconsole", "usb-ccid", "ccid-card-passthru"):
            continue
        keys = ("guest-cid", "tag", "mount_tag", "size", "iommu_platform", "guid", "free-page-reporting",
                "deflate-on-oom", "intremap", "caching-mode", "device-iotlb")
        facts[driver] = facts.get(driver, 0) + 1
        facts.update({f"{driver} {key}": number(flag(device[key])) for key in keys if key in device})
    return facts


def addresses(line):
    """Where the guest finds each device; what tells it apart is what tells it to its user."""
    facts, turn = {}, {}
    for device in line.devices:
        if device["driver"] in PORTS or line.path(device) is None:
            continue
        driver = device["driver"].removesuffix("-non-transitional")
        name = device.get("mac") or bdf(device.get("host")) or device.get("sysfsdev")
        if name is None and driver == "virtio-blk-pci":
            name = line.source(device["drive"])
        if name is None:
            turn[driver] = turn.get(driver, 0) + 1
            name = f"{driver} {turn[driver]}"
        facts[name] = line.path(device)
    return facts


def ports(line):
    return {"root ports": sorted(line.path(device) for device in line.devices
                                 if device["driver"] in PORTS and line.path(device) is not None)}


def serials(line):
    facts = counted(line, ("isa-serial", "pci-serial", "virtconsole", "tpm-tis", "tpm-crb"))
    for device in line.devices:
        if device["driver"] == "virtserialport":
            facts["channel " + str(device.get("name"))] = True
    return facts


def of(words):
    """All facts of a command line, by feature."""
    line = Line(words)
    model, hyperv = cpu(line)
    size_, backing = memory(line)
    seen, behind, boot = disks(line)
    nics, netdevs = cards(line)
    return {
        "machine": machine(line), "CPU": model, "Hyper-V": hyperv, "topology": topology(line), "memory": size_,
        "NUMA": numa(line), "firmware": firmware(line), "SMBIOS": smbios(line), "clock": clock(line),
        "boot": boot, "disks": seen, "disks on the host": behind, "network": nics, "network on the host": netdevs,
        "PCI passthrough": passed(line), "input": counted(line, INPUTS), "video": counted(line, VIDEO),
        "sound": counted(line, SOUND), "USB controllers": counted(line, USB),
        "SCSI controllers": counted(line, ("virtio-scsi-pci", "lsi", "megasas", "pvscsi", "mptsas1068")),
        "TPM, serial, channels": serials(line), "other devices": rest(line), "PCI addresses": addresses(line),
        "PCI Express ports": ports(line), "memory on the host": backing,
    }
