//! `<os>`: the machine, its firmware, what is booted.

use super::Domain;
use crate::import::xml::Element;
use crate::plan::{Class, Problem};

/// The machine's type.
///
/// # Errors
/// When the guest is no PC.
pub(super) fn machine(name: &str, root: &Element) -> Result<String, Problem> {
    let refuse = |what: String| Problem::new(Class::Invalid, "", format!("{name}: {what}"));
    match root.attr("type") {
        Some("kvm" | "qemu") | None => {}
        Some(other) => {
            return Err(refuse(format!(
                "the domain is of type `{}`; only kvm and qemu are QEMU",
                other.escape_debug()
            )));
        }
    }
    let kind = root.at("os/type");
    let hvm = kind.map_or("hvm", Element::text);
    let arch = kind.and_then(|kind| kind.attr("arch")).unwrap_or("x86_64");
    if hvm != "hvm" || arch != "x86_64" {
        return Err(refuse(format!(
            "the guest is `{}` on `{}`; vmrun runs whole PCs on x86_64",
            hvm.escape_debug(),
            arch.escape_debug()
        )));
    }
    Ok(kind.and_then(|kind| kind.attr("machine")).unwrap_or("pc").to_owned())
}

pub(super) fn import(root: &Element, machine: &str, domain: &mut Domain) {
    let Some(os) = root.child("os") else { return };
    machine_type(os, machine, domain);
    firmware(os, domain);
    boot(os, domain);
    kernel(os, domain);
    if let Some(smbios) = os.child("smbios") {
        match smbios.attr("mode") {
            Some("host") => domain.page.table("smbios").set("preset", "host"),
            Some("sysinfo" | "emulate") | None => {}
            Some(other) => smbios.lost(format!("vmrun knows no mode `{other}`")),
        }
    }
    if let Some(bios) = os.child("bios") {
        if bios.flag("useserial") == Some(true) {
            bios.lost("the firmware's picture goes to the display");
        }
        if bios.attr("rebootTimeout").is_some() {
            bios.lost("a firmware that found nothing to boot waits");
        }
    }
    for table in os.child("acpi").into_iter().flat_map(|acpi| acpi.all("table")) {
        table.attr("type");
        domain.page.push("acpi_table").set("file", table.text());
    }
    for name in ["init", "initarg", "initdir", "initenv", "inituser", "initgroup", "dtb", "shim"] {
        os.all(name).for_each(|element| element.lost("a PC has no use for it"));
    }
}

/// Types of distributions, like `pc-q35-rhel9.4.0`, `pc-q35-jammy` or `ubuntu`, are no types of QEMU's own.
fn machine_type(os: &Element, machine: &str, domain: &mut Domain) {
    let version = machine.strip_prefix("pc-q35-").or_else(|| machine.strip_prefix("pc-i440fx-"));
    let own =
        |version: &str| version.split('.').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    let plain = matches!(machine, "pc" | "q35") || version.is_some_and(|version| own(version) && version.contains('.'));
    let kind = if plain {
        machine
    } else if domain.q35 {
        "q35"
    } else {
        "pc"
    };
    domain.page.table("machine").set("type", kind);
    if let Some(element) = os.child("type").filter(|_| !plain) {
        element
            .translated(format!("`{machine}` is a distribution's own; `{kind}` is the newest of its family in QEMU"));
        domain.page.table("machine").comment(format!("`{machine}` in the file, which only one distribution has."));
    }
}

fn firmware(os: &Element, domain: &mut Domain) {
    let loader = os.child("loader");
    let nvram = os.child("nvram");
    let chosen = os.attr("firmware");
    let features = os.child("firmware");
    let feature = |name: &str| {
        let mut all = features.into_iter().flat_map(|features| features.all("feature"));
        all.find(|feature| feature.attr("name") == Some(name)).and_then(|feature| feature.flag("enabled"))
    };
    let path = loader.map(Element::text).filter(|path| !path.is_empty()).map(str::to_owned);
    let rom = loader.is_some_and(|loader| matches!(loader.attr("type"), Some("rom") | None)) && nvram.is_none();
    let secure = loader.and_then(|loader| loader.flag("secure")).or_else(|| feature("secure-boot"));
    let keys = feature("enrolled-keys");
    for feature in features.into_iter().flat_map(|features| features.all("feature")) {
        // By a path, the image says what it has; without one, these are what it is chosen by.
        if path.is_some() || !matches!(feature.attr("name"), Some("secure-boot" | "enrolled-keys")) {
            feature.needless("the firmware's image, and its store, say what they have");
        }
    }
    if let Some(loader) = loader {
        if loader.flag("readonly") == Some(false) {
            loader.lost("the guest does not write to its code");
        }
        for name in ["stateless"] {
            if loader.flag(name) == Some(true) {
                loader.lost("a guest without a variable store of its own is not to be had");
            }
        }
    }
    if chosen.is_none() && path.is_none() {
        return;
    }
    if chosen == Some("bios") || path.as_deref().is_some_and(|path| path.contains("bios") && path.contains(".bin")) {
        domain.page.table("firmware").set("kind", "bios");
        return;
    }
    let table = domain.page.table("firmware");
    if secure == Some(true) {
        table.set("secure_boot", true);
        table.maybe("enrolled_keys", keys);
    }
    match (path, loader) {
        (Some(path), Some(loader)) if rom && chosen.is_none() && !path.contains("CODE") => {
            loader.asked("code and variables are in one image, which libvirt gave the guest read-only");
            table.ask(
                "code and variables were in one image that kept nothing. The host's firmware with a store of its own is \
                 taken; the image itself, which the guest then writes to, would be:",
                &format!("image = {}", toml::Value::from(path)),
            );
        }
        (Some(path), _) => {
            table.set("code", path);
            table.maybe("format", loader.and_then(|loader| loader.attr("format")));
        }
        (None, _) => {}
    }
    let format = loader.filter(|loader| !loader.text().is_empty()).map(|loader| loader.attr("format").unwrap_or("raw"));
    nvram.into_iter().for_each(|nvram| store(nvram, format, domain));
}

/// The variable store of the guest whose code has the format `code`, if it is named.
fn store(nvram: &Element, code: Option<&str>, domain: &mut Domain) {
    let table = domain.page.table("firmware");
    table.maybe("vars", nvram.attr("template"));
    nvram.attr("templateFormat");
    let own = nvram.attr("format");
    let path = nvram.child("source").and_then(|source| source.attr("file")).unwrap_or_else(|| nvram.text());
    nvram.attr("type");
    if path.is_empty() {
        return;
    }
    if let Some((own, code)) = own.zip(code).filter(|(own, code)| own != code) {
        nvram.asked(format!("the store is {own} and the code {code}; vmrun has one format for both"));
        return table.ask(
            &format!(
                "the store is {own} and the code {code}. Until it is converted, a new one is made, which knows no boot \
                 entries: `qemu-img convert -f {own} -O {code} {path} NEW`; with NEW as its file:"
            ),
            &format!("nvram = {}", toml::Value::from(path)),
        );
    }
    table.set("nvram", path);
    if code.is_none() {
        table.maybe("format", own);
    }
}

fn boot(os: &Element, domain: &mut Domain) {
    for element in os.all("boot") {
        match element.attr("dev") {
            Some("fd") => element.lost("there are no floppy disks"),
            Some(dev) => {
                domain.boot.push(dev.to_owned());
                element.translated("boot_index of the first device of that kind");
            }
            None => {}
        }
    }
    if let Some(menu) = os.child("bootmenu") {
        domain.page.table("boot").maybe("menu", menu.flag("enable"));
        if menu.attr("timeout").is_some() {
            menu.translated("the menu waits as long as the firmware likes");
        }
    }
}

fn kernel(os: &Element, domain: &mut Domain) {
    for (name, key) in [("kernel", "image"), ("initrd", "initrd"), ("cmdline", "append")] {
        if let Some(text) = os.text_of(name) {
            domain.page.table("kernel").set(key, text);
        }
    }
}
