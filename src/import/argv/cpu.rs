//! `-cpu` and `-smp`.

use super::Line;
use super::opt::{Opt, is_on};
use crate::import::computed;
use crate::import::page::number;
use crate::import::xml;
use crate::unit::ENLIGHTENMENTS;

impl Line<'_> {
    pub(super) fn cpu(&mut self, opts: &[Opt]) {
        let mut smp = None;
        let mut model = false;
        for opt in opts {
            match opt.name.as_str() {
                "cpu" => {
                    model = true;
                    self.model(opt);
                }
                "smp" => smp = Some(opt),
                _ => {}
            }
        }
        if !self.whole() {
            return smp.into_iter().for_each(|opt| opt.lost("the topology is that of <cpu>"));
        }
        if !model {
            self.page.table("cpu").set("model", "qemu64");
        }
        smp.into_iter().for_each(|opt| self.topology(opt));
    }

    fn model(&mut self, opt: &Opt) {
        let mut parts = opt.value.split(',');
        let model = parts.next().unwrap_or("host").trim();
        let replaces = !self.whole();
        let cpu = self.page.table("cpu");
        if replaces {
            // The last -cpu counts, and libvirt's own comes before it.
            let of_libvirt = ["flags", "hv", "hv_spinlocks", "hv_vendor_id", "hide_kvm", "l3_cache", "host_cache_info"];
            of_libvirt.into_iter().for_each(|key| cpu.remove(key));
        }
        cpu.set("model", if model.is_empty() { "host" } else { model });
        opt.rest();
        let (mut steady, mut movable) = (false, true);
        for part in parts.map(str::trim).filter(|part| !part.is_empty()) {
            let (name, value) = match part.split_once('=') {
                Some((name, value)) => (name, value),
                None => match (part.strip_prefix('+'), part.strip_prefix('-')) {
                    (Some(name), _) => (name, "on"),
                    (_, Some(name)) => (name, "off"),
                    _ => (part, "on"),
                },
            };
            let name = name.replace('_', "-");
            steady |= name == "invtsc";
            movable &= name != "migratable" || is_on(value);
            self.flag(opt, &name, value);
        }
        let translated = self.page.get("machine", "accel").and_then(toml::Value::as_str) == Some("tcg");
        if matches!(model, "host" | "max" | "") && movable && !steady && !translated {
            let cpu = self.page.table("cpu");
            cpu.comment("Hidden as by migratable=on, QEMU's choice; a guest that may see it has a steady clock.");
            cpu.add("flags", "-invtsc");
        }
    }

    fn flag(&mut self, opt: &Opt, name: &str, value: &str) {
        let on = is_on(value);
        let switch = on || matches!(value, "off" | "no" | "false" | "n" | "0");
        let cpu = self.page.table("cpu");
        let hv = name.strip_prefix("hv-");
        match (name, hv) {
            ("kvm", _) => cpu.set("hide_kvm", !on),
            ("hv-spinlocks", _) => {
                let retries = xml::number(value).unwrap_or(0x1fff);
                cpu.set("hv_spinlocks", number(retries));
            }
            ("hv-vendor-id", _) => {
                let id: String = value.chars().take(12).collect();
                if id != value {
                    opt.translated(format!("`{id}`: QEMU cut the vendor to 12 bytes"));
                }
                cpu.set("hv_vendor_id", id);
            }
            ("hv-passthrough", _) if on => cpu.set("hv", "max"),
            (_, Some(hv)) if ENLIGHTENMENTS.iter().any(|own| own.qemu == hv) => {
                if on && cpu.text("hv").is_none() {
                    cpu.add("hv", hv);
                }
            }
            ("l3-cache", _) => cpu.set("l3_cache", on),
            ("host-cache-info", _) => cpu.set("host_cache_info", on),
            ("tsc-frequency" | "tsc-freq", _) => match hertz(value) {
                Some(hertz) => self.page.table("clock").set("tsc_frequency", number(hertz)),
                None => opt.lost(format!("{name}={value}: not understood; clock.tsc_frequency counts hertz")),
            },
            ("kvmclock", _) if !on => self.page.table("clock").set("kvmclock", false),
            // What vmrun does itself, or what QEMU tells only.
            ("check" | "enforce" | "migratable" | "kvmclock", _) => {}
            (_, Some(_)) => opt.lost(format!("{name}={value}: vmrun knows no such enlightenment")),
            (name, None) if switch && !is_flag(name) => {
                opt.asked(format!("`{name}` is no name of a flag; a variable may stand in it"));
                cpu.ask("a variable stood in the place of a flag:", "flags = [\"+…\"]");
            }
            (name, None) if switch => cpu.add("flags", format!("{}{name}", if on { '+' } else { '-' })),
            // QEMU makes such settings of what stands behind a model itself. `target/i386/cpu.c`, `x86_cpu_parse_featurestr`.
            (name, None) => {
                let model = cpu.text("model").unwrap_or("host").to_owned();
                self.args.extend(["-global".to_owned(), format!("{model}-x86_64-cpu.{name}={value}")]);
                opt.translated(format!("{name}={value}: passed on in [qemu] args, as a setting of the CPU"));
            }
        }
    }

    /// Whether the machine is older than 6.2: it makes sockets of vCPUs that nothing is said of, not cores.
    fn prefers_sockets(&self) -> bool {
        let kind = self.page.get("machine", "type").and_then(toml::Value::as_str);
        let version = kind.and_then(|kind| kind.rsplit_once('-')?.1.split_once('.'));
        let version = version.and_then(|(major, minor)| Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?)));
        version.is_some_and(|version| version < (6, 2))
    }

    /// QEMU: `hw/core/machine-smp.c`: what is not given follows.
    fn topology(&mut self, opt: &Opt) {
        if !computed::parts(&opt.value).is_empty() {
            opt.rest();
            opt.asked("how many vCPUs there are");
            let question = format!("how many vCPUs there are; the script says `{}`.", opt.value);
            return self.page.table("cpu").ask(&question, "cores = 4");
        }
        let levels = ["sockets", "dies", "modules", "cores", "threads"];
        let given = levels.map(|level| opt.number(level).filter(|number| *number > 0));
        let clusters = opt.number("clusters").filter(|clusters| *clusters > 1);
        if clusters.is_some() {
            opt.lost("a PC has no clusters");
        }
        let most = opt.number("maxcpus");
        let count = xml::number(&opt.head).or_else(|| opt.number("cpus")).or(most);
        let [sockets, dies, modules, mut cores, threads] = given;
        if sockets.is_none() && self.prefers_sockets() {
            cores = cores.or(Some(1));
        }
        let (dies, modules) = (dies.unwrap_or(1), modules.unwrap_or(1));
        // Whoever wrote 0, or more than there are, hears of it from `vmrun check`.
        let product = |parts: &[u64]| parts.iter().fold(1, |made: u64, part| made.saturating_mul(*part)).max(1);
        let whole = most.or(count);
        let (sockets, cores, threads) = match (whole, sockets, cores, threads) {
            (None, sockets, cores, threads) => (sockets.unwrap_or(1), cores.unwrap_or(1), threads.unwrap_or(1)),
            (Some(all), sockets, None, threads) => {
                let (sockets, threads) = (sockets.unwrap_or(1), threads.unwrap_or(1));
                (sockets, (all / product(&[sockets, threads, dies, modules])).max(1), threads)
            }
            (Some(all), None, Some(cores), threads) => {
                let threads = threads.unwrap_or(1);
                ((all / product(&[cores, threads, dies, modules])).max(1), cores, threads)
            }
            (Some(all), Some(sockets), Some(cores), None) => {
                (sockets, cores, (all / product(&[sockets, cores, dies, modules])).max(1))
            }
            (Some(_), Some(sockets), Some(cores), Some(threads)) => (sockets, cores, threads),
        };
        let made = product(&[sockets, dies, modules, cores, threads]);
        if count.is_some_and(|count| count != made) {
            opt.translated(format!("{made} vCPUs, all there from the start"));
        }
        let cpu = self.page.table("cpu");
        for (level, value) in
            [("sockets", sockets), ("dies", dies), ("modules", modules), ("cores", cores), ("threads", threads)]
        {
            if value > 1 || level == "cores" {
                cpu.set(level, number(value));
            }
        }
        opt.rest();
    }
}

/// What QEMU takes for a frequency: a number, or one with a suffix that counts by thousands. QEMU: `util/cutils.c`,
/// `qemu_strtosz_metric`.
fn hertz(value: &str) -> Option<u64> {
    let suffixes = [('k', 1_000), ('m', 1_000_000), ('g', 1_000_000_000_u64)];
    let factor = |last: char| suffixes.iter().find(|(suffix, _)| *suffix == last.to_ascii_lowercase());
    let Some((_, factor)) = value.chars().last().and_then(factor) else { return xml::number(value) };
    let (whole, part) = value[..value.len() - 1].split_once('.').unwrap_or((&value[..value.len() - 1], "0"));
    let digits = u32::try_from(part.len()).ok()?;
    let part = part.parse::<u64>().ok()?.checked_mul(*factor)? / 10_u64.checked_pow(digits)?;
    whole.parse::<u64>().ok()?.checked_mul(*factor)?.checked_add(part)
}

/// Whether `name` can be the name of a flag.
fn is_flag(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

#[cfg(test)]
mod test {
    use super::hertz;

    #[test]
    fn a_frequency_may_have_a_suffix() {
        assert_eq!(
            ["3600000000", "3.6G", "3600m", "0xff"].map(hertz),
            [Some(3_600_000_000), Some(3_600_000_000), Some(3_600_000_000), Some(255)]
        );
        assert_eq!(["", "G", "3.6", "3.6.1G", "fast"].map(hertz), [None; 5]);
    }
}
