//! Floor `qemu` against real QEMUs: 7.2 and 10.0, or those that `VMRUN_TEST_QEMU_7_2` and `_10_0` name.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod qemu {
    mod harness;

    mod descriptors;
    mod ending;
    mod failures;
    mod pins;
    mod tap;
}
