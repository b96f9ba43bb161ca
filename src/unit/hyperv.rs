//! Enlightenments of Hyper-V's interface, in the languages that a guest is described in.

/// An enlightenment that is on or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enlightenment {
    /// QEMU's name, without `hv-`. Source: QEMU `docs/system/i386/hyperv.rst`.
    pub qemu: &'static str,
    /// libvirt's element of `<hyperv>`, where it has one of its own: others are modes of another, or a timer. Source:
    /// libvirt `src/conf/domain_conf.c`, `virDomainHyperv`.
    pub libvirt: Option<&'static str>,
    /// `KubeVirt`'s field of `features.hyperv`, where it has one that is on or off. Source: `KubeVirt`
    /// `staging/src/kubevirt.io/api/core/v1/schema.go`, `FeatureHyperv`.
    pub kubevirt: Option<&'static str>,
}

/// One that all three call alike.
const fn alike(name: &'static str) -> Enlightenment {
    Enlightenment { qemu: name, libvirt: Some(name), kubevirt: Some(name) }
}

/// One that `KubeVirt` does not have, or has in another shape.
const fn of_libvirt(qemu: &'static str, libvirt: &'static str) -> Enlightenment {
    Enlightenment { qemu, libvirt: Some(libvirt), kubevirt: None }
}

/// One that others have in another shape, or not at all.
const fn of_qemu(qemu: &'static str) -> Enlightenment {
    Enlightenment { qemu, libvirt: None, kubevirt: None }
}

/// Every enlightenment that a profile can name.
pub const ENLIGHTENMENTS: [Enlightenment; 21] = [
    alike("relaxed"),
    alike("vapic"),
    of_qemu("time"),
    alike("vpindex"),
    alike("runtime"),
    of_qemu("crash"),
    alike("frequencies"),
    alike("reset"),
    alike("synic"),
    of_libvirt("stimer", "stimer"),
    of_qemu("stimer-direct"),
    alike("tlbflush"),
    of_qemu("tlbflush-ext"),
    of_qemu("tlbflush-direct"),
    alike("ipi"),
    alike("reenlightenment"),
    alike("evmcs"),
    of_libvirt("emsr-bitmap", "emsr_bitmap"),
    of_libvirt("xmm-input", "xmm_input"),
    of_libvirt("avic", "avic"),
    of_qemu("no-nonarch-coresharing"),
];
