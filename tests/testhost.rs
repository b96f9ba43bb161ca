//! The emulated test host: what its layouts promise, and what vmrun does on them. One module for each layout, so that
//! `cargo test --test testhost twin_gpu` runs what is tried on that one.

mod host;
mod support;

mod testhost {
    mod scene;
    mod script;

    mod doctor;
    mod exported;
    mod gpu;
    mod gpu_trouble;
    mod host_cpus;
    mod hot;
    mod isolate;
    mod killed;
    mod kvm;
    mod mdev;
    mod memory;
    mod no_reset;
    mod numa_ht;
    mod nvme;
    mod opengl;
    mod panic_key;
    mod rom;
    mod shared_group;
    mod signalled;
    mod single_gpu;
    mod systemd;
    mod tune;
    mod twin_gpu;
    mod usb;
    mod vf;
    mod views;
}
