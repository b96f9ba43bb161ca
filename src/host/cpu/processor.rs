//! What the processor says of itself. Source: Linux `arch/x86/kernel/cpu/proc.c`.

use super::super::Root;

/// What the first host CPU says of itself, as all of a machine do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::host) struct Processor {
    /// Who made it, like `AuthenticAMD`.
    pub(in crate::host) vendor: Option<String>,
    /// What it calls itself.
    pub(in crate::host) model: Option<String>,
    /// Its flags, parted by spaces.
    pub(in crate::host) flags: String,
    /// Bits of a physical address, of a line like `address sizes: 39 bits physical, 48 bits virtual`.
    pub(in crate::host) address_bits: Option<u8>,
}

impl Processor {
    /// Reads it from `/proc/cpuinfo`, of which the kernel makes each part anew for every reader.
    pub(in crate::host) fn read(root: &Root) -> Self {
        let lines = root.paragraph("/proc/cpuinfo");
        let field = |name: &str| {
            let values = lines.iter().filter_map(|line| line.split_once(':'));
            let mut values = values.filter(|(key, _)| key.trim_end() == name);
            values.next().map(|(_, value)| value.trim().to_owned())
        };
        let address_bits = |sizes: String| sizes.split_once(" bits physical")?.0.parse().ok();
        Self {
            vendor: field("vendor_id"),
            model: field("model name"),
            flags: field("flags").unwrap_or_default(),
            address_bits: field("address sizes").and_then(address_bits),
        }
    }
}

#[cfg(test)]
mod test {
    use super::Processor;
    use crate::host::tree::lay_out;

    #[test]
    fn the_first_of_the_host_cpus_tells() {
        let first = "processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel\t\t: 33\nmodel name\t: AMD Ryzen: 9\n\
            flags\t\t: fpu svm\nvmx flags\t: vnmi\naddress sizes\t: 39 bits physical, 48 bits virtual\n\n";
        let text = format!("{first}{}", first.replace("AMD", "other").replace("39", "40"));
        let processor = Processor::read(&lay_out(&[("/proc/cpuinfo", &text)]).root);
        let expected = Processor {
            vendor: Some("AuthenticAMD".into()),
            model: Some("AMD Ryzen: 9".into()),
            flags: "fpu svm".into(),
            address_bits: Some(39),
        };
        assert_eq!(processor, expected);
        assert_eq!(Processor::read(&lay_out(&[("/proc/cpuinfo", "processor\t: 0\n")]).root), Processor::default());
    }
}
