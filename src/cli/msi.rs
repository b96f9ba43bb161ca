//! `vmrun pci msi`: a file that has Windows switch on message signaled interrupts for the functions it is given.
//!
//! The registry keeps the switch below the *instance* of a device, whose name ends in a number that Windows makes up from
//! where the device is. So there are two files: a script that finds the instances, and, when the user names them as Windows'
//! device manager does, registry entries. Source: Windows driver documentation, "Enabling Message-Signaled Interrupts in
//! the Registry" and "Identifiers for PCI devices".

use super::Exit;
use super::args::Msi;
use super::output::{Output, Weight};
use super::refuse::refuse;
use super::save::save;
use crate::host::{Host, PciFunction, Root};
use crate::plan::{Class, Problem};
use crate::unit::{Bdf, PciSelector};
use serde_json::json;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};

/// Where Windows has its PCI devices.
const ENUM: &str = "SYSTEM\\CurrentControlSet\\Enum\\PCI";

/// Below an instance, where the switch is.
const PROPERTIES: &str = "Device Parameters\\Interrupt Management\\MessageSignaledInterruptProperties";

/// What Windows calls the function below `Enum\PCI`, without its instance.
pub(super) fn registry_key(function: &PciFunction) -> String {
    let PciFunction { vendor, device, revision, .. } = function;
    let board =
        function.subsystem.map_or_else(|| "00000000".to_owned(), |it| format!("{:04X}{:04X}", it.device, it.vendor));
    format!("VEN_{vendor:04X}&DEV_{device:04X}&SUBSYS_{board}&REV_{revision:02X}")
}

/// Writes the file.
pub(super) fn run(args: &Msi, output: Output) -> Exit {
    let (bytes, keys) = match make(args, &Host::functions(&Root::default())) {
        Ok(made) => made,
        Err(problems) => return refuse(&problems, output),
    };
    match &args.output {
        Some(path) => {
            if let Err(problem) = save(path, &bytes, false, false) {
                return refuse(&[problem], output);
            }
        }
        None if output.json => {}
        None if args.instances.is_empty() || !io::stdout().is_terminal() => {
            if let Err(error) = io::stdout().write_all(&bytes) {
                output.say(Weight::Error, &format!("error: standard output cannot be written: {error}"));
                return Exit::Internal;
            }
            return Exit::Good;
        }
        None => {
            let what = "registry entries are no text for a terminal";
            return refuse(&[Problem::new(Class::Invalid, "", what).fix("add -o msi.reg")], output);
        }
    }
    let shown = args.output.as_ref().map(|path| path.display().to_string());
    if output.json {
        return output.answer_json(&json!({ "v": 1, "file": shown, "keys": keys }), Exit::Good);
    }
    let how = match args.instances.is_empty() {
        true => "run it in the guest as administrator, and restart Windows",
        false => "open it in the guest, and restart Windows",
    };
    output.answer(&format!("{}: {how}\n", shown.unwrap_or_default()), Exit::Good)
}

/// The file, and the keys that it is about.
fn make(args: &Msi, functions: &[PciFunction]) -> Result<(Vec<u8>, Vec<String>), Vec<Problem>> {
    let meant = meant(&args.devices, functions)?;
    let mut keys: Vec<_> = meant.iter().map(|function| registry_key(function)).collect();
    keys.dedup();
    if args.instances.is_empty() {
        return Ok((script(&keys).into_bytes(), keys));
    }
    let found: Vec<_> = args.instances.iter().map(|instance| of_windows(instance, &keys)).collect();
    let problems: Vec<_> = found.iter().filter_map(|it| it.clone().err()).collect();
    match problems.is_empty() {
        true => {
            let instances: Vec<_> = found.into_iter().flatten().collect();
            Ok((entries(&instances), instances))
        }
        false => Err(problems),
    }
}

/// The functions of `devices`.
fn meant<'a>(devices: &[PciSelector], functions: &'a [PciFunction]) -> Result<Vec<&'a PciFunction>, Vec<Problem>> {
    let mut meant = Vec::new();
    let mut problems = Vec::new();
    for device in devices {
        let is = |function: &&PciFunction| match device {
            PciSelector::Function(bdf) => function.bdf == *bdf,
            PciSelector::Device(first) => (0..8).filter_map(|it| first.sibling(it)).any(|bdf: Bdf| bdf == function.bdf),
            PciSelector::Ids { vendor, device } => (function.vendor, function.device) == (*vendor, *device),
            PciSelector::Path(..) | PciSelector::Slot(_) => false,
        };
        let before = meant.len();
        meant.extend(functions.iter().filter(is));
        if meant.len() == before {
            let what = format!("{device}: this host has no such function");
            problems.push(Problem::new(Class::Missing, "", what).fix("vmrun host groups   # lists the addresses"));
        }
    }
    if problems.is_empty() { Ok(meant) } else { Err(problems) }
}

/// `instance` as device manager prints it, `PCI\VEN_…\4&2283F625&0&0110`, below one of `keys`.
fn of_windows(instance: &str, keys: &[String]) -> Result<String, Problem> {
    let wrong = |why: String| {
        Err(Problem::new(Class::Invalid, "", format!("--instance {instance}: {why}"))
            .fix("device manager, the device, Details, Device instance path"))
    };
    let upper = instance.trim().to_ascii_uppercase();
    let path = upper.strip_prefix("PCI\\").unwrap_or(&upper);
    let Some((key, last)) = path.split_once('\\') else {
        return wrong("a device instance path has three parts between backslashes".to_owned());
    };
    if last.is_empty() || last.contains(|c: char| !(c.is_ascii_alphanumeric() || "&_-.".contains(c))) {
        return wrong("its last part is like 4&2283F625&0&0110".to_owned());
    }
    match keys.iter().any(|known| known == key) {
        true => Ok(path.to_owned()),
        false => wrong(format!("it is none of {}", keys.join(" and "))),
    }
}

/// A batch file for Windows; its lines end as Windows' do.
fn script(keys: &[String]) -> String {
    let mut text = String::from(
        "@echo off\n\
         rem Switches on message signaled interrupts (MSI); made by vmrun pci msi.\n\
         fltmc >nul 2>&1 || (echo Run this as administrator. & pause & exit /b 1)\n",
    );
    keys.iter().for_each(|key| _ = writeln!(text, "call :on \"{key}\""));
    _ = write!(
        text,
        "echo Restart Windows now.\npause\nexit /b\n\n:on\n\
         for /f \"delims=\" %%K in ('reg query \"HKLM\\{ENUM}\\%~1\"') do reg add \"%%K\\{PROPERTIES}\" \
         /v MSISupported /t REG_DWORD /d 1 /f\nexit /b\n"
    );
    text.replace('\n', "\r\n")
}

/// Registry entries as Windows' own editor writes them: UTF-16, the lower byte first, with a mark that says so.
fn entries(instances: &[String]) -> Vec<u8> {
    let mut text = String::from("\u{feff}Windows Registry Editor Version 5.00\r\n\r\n");
    for instance in instances {
        _ = write!(
            text,
            "[HKEY_LOCAL_MACHINE\\{ENUM}\\{instance}\\{PROPERTIES}]\r\n\"MSISupported\"=dword:00000001\r\n\r\n"
        );
    }
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

#[cfg(test)]
mod test {
    use super::super::args::Msi;
    use super::make;
    use crate::host::{PciFunction, PciIds};

    /// A card and its sound.
    fn card() -> [PciFunction; 2] {
        let function = |bdf: &str, device| PciFunction {
            bdf: bdf.parse().unwrap(),
            vendor: 0x10de,
            device,
            subsystem: Some(PciIds { vendor: 0x1458, device: 0x366a }),
            revision: 0xa1,
            ..PciFunction::default()
        };
        [function("0000:0a:00.0", 0x13c2), function("0000:0a:00.1", 0x0fbb)]
    }

    fn made(devices: &[&str], instances: &[&str]) -> Result<Vec<u8>, Vec<String>> {
        let args = Msi {
            devices: devices.iter().map(|device| device.parse().unwrap()).collect(),
            instances: instances.iter().map(|&instance| instance.to_owned()).collect(),
            output: None,
        };
        let made = make(&args, &card()).map(|(bytes, _)| bytes);
        made.map_err(|problems| problems.into_iter().map(|problem| problem.what).collect())
    }

    #[test]
    fn registry_entries_are_what_windows_imports_byte_for_byte() {
        let bytes = made(&["0a:00"], &[r"PCI\VEN_10DE&DEV_0FBB&SUBSYS_366A1458&REV_A1\4&2283f625&0&0110"]).unwrap();
        assert_eq!(&bytes[..8], b"\xff\xfeW\0i\0n\0");
        let (mark, units) = bytes.split_at(2);
        assert_eq!(mark, [0xff, 0xfe]);
        let (low, high): (Vec<u8>, Vec<u8>) = units.chunks(2).map(|unit| (unit[0], unit[1])).unzip();
        assert!(high.iter().all(|byte| *byte == 0));
        assert_eq!(
            String::from_utf8(low).unwrap(),
            "Windows Registry Editor Version 5.00\r\n\r\n\
             [HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Enum\\PCI\\\
             VEN_10DE&DEV_0FBB&SUBSYS_366A1458&REV_A1\\4&2283F625&0&0110\\\
             Device Parameters\\Interrupt Management\\MessageSignaledInterruptProperties]\r\n\
             \"MSISupported\"=dword:00000001\r\n\r\n"
        );
    }

    #[test]
    fn a_script_finds_the_instances_of_all_functions() {
        let script = String::from_utf8(made(&["0a:00"], &[]).unwrap()).unwrap();
        assert_eq!(
            script,
            "@echo off\r\n\
             rem Switches on message signaled interrupts (MSI); made by vmrun pci msi.\r\n\
             fltmc >nul 2>&1 || (echo Run this as administrator. & pause & exit /b 1)\r\n\
             call :on \"VEN_10DE&DEV_13C2&SUBSYS_366A1458&REV_A1\"\r\n\
             call :on \"VEN_10DE&DEV_0FBB&SUBSYS_366A1458&REV_A1\"\r\n\
             echo Restart Windows now.\r\npause\r\nexit /b\r\n\r\n:on\r\n\
             for /f \"delims=\" %%K in ('reg query \"HKLM\\SYSTEM\\CurrentControlSet\\Enum\\PCI\\%~1\"') do reg add \
             \"%%K\\Device Parameters\\Interrupt Management\\MessageSignaledInterruptProperties\" \
             /v MSISupported /t REG_DWORD /d 1 /f\r\nexit /b\r\n"
        );
    }

    #[test]
    fn what_is_no_function_or_no_instance_of_one_is_refused() {
        assert_eq!(made(&["0b:00"], &[]).unwrap_err(), ["0000:0b:00: this host has no such function"]);
        let strange = [r"PCI\VEN_1002&DEV_0FBB&SUBSYS_366A1458&REV_A1\4&22", "VEN_10DE", "VEN_10DE\\a]b"];
        let refused = made(&["10de:0fbb"], &strange).unwrap_err();
        assert_eq!(refused.len(), 3);
        assert!(refused[0].contains("it is none of VEN_10DE&DEV_0FBB&SUBSYS_366A1458&REV_A1"), "{refused:?}");
    }
}
