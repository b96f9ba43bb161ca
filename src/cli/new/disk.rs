//! The guest's disk: one that is there, or one that is made.

use super::talk::End;
use crate::host::{Host, Image, PathFact, Root, Wants};
use crate::plan::{Class, Problem};
use crate::unit::Size;
use std::path::{Path, PathBuf, absolute};
use std::process::Command;

/// What makes disks.
const TOOL: &str = "qemu-img";

/// A disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Disk {
    pub(super) path: PathBuf,
    /// `raw` or `qcow2`.
    pub(super) format: &'static str,
    /// How large it is to be made; `None` for one that is there.
    pub(super) size: Option<Size>,
}

/// The disk that `word` means: `FILE`, or `FILE:SIZE` for one that is made.
pub(super) fn parse(word: &str, home: Option<&Path>) -> Result<Disk, String> {
    let (file, size) = match word.rsplit_once(':').map(|(file, size)| (file, size.parse::<Size>())) {
        Some((file, Ok(size))) if !file.is_empty() => (file, Some(size)),
        Some((_, Err(why))) if !Path::new(word).exists() => return Err(why),
        _ => (word, None),
    };
    let path = whole(file, home);
    let there = Host::read(&Root::default(), &Wants { images: vec![path.clone()], ..Wants::default() });
    match (there.images.get(&path), size) {
        (Some(_), Some(_)) => Err(format!("{} is there already: without a size it is taken as it is", path.display())),
        (None, None) => Err(format!("{} is not there: with a size, `{file}:64G`, it is made", path.display())),
        (Some(image), None) => Ok(Disk { format: format(image)?, path, size }),
        (None, Some(_)) => {
            let qcow2 = path.extension().is_some_and(|it| it == "qcow2");
            Ok(Disk { path, format: if qcow2 { "qcow2" } else { "raw" }, size })
        }
    }
}

fn format(image: &Image) -> Result<&'static str, String> {
    match image.begins_like.as_deref() {
        Some("raw") => Ok("raw"),
        Some("qcow2") => Ok("qcow2"),
        Some(other) => {
            Err(format!("it is an image of the kind {other}; qemu-img convert -O qcow2 makes one that is taken"))
        }
        None => Err("it cannot be read".to_owned()),
    }
}

/// An absolute path; `~` is the home of the person.
pub(super) fn whole(word: &str, home: Option<&Path>) -> PathBuf {
    let path = match (word.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(word),
    };
    absolute(&path).unwrap_or(path)
}

/// What the host will say of it when it is made.
pub(super) fn foretold(disk: &Disk, host: &mut Host) {
    let Some(size) = disk.size else { return };
    host.paths.insert(disk.path.clone(), PathFact::File { size: size.bytes(), executable: false });
    let image = Image {
        id: format!("new {}", disk.path.display()),
        begins_like: Some(disk.format.to_owned()),
        ..Image::default()
    };
    host.images.insert(disk.path.clone(), image);
}

/// Makes it, sparse.
pub(super) fn make(disk: &Disk, size: Size) -> Result<(), End> {
    let made = Command::new(TOOL)
        .args(["create", "-q", "-f", disk.format])
        .arg(&disk.path)
        .arg(size.bytes().to_string())
        .output();
    let (class, why) = match made {
        Ok(made) if made.status.success() => return Ok(()),
        Ok(made) => (Class::Impossible, String::from_utf8_lossy(&made.stderr).trim().to_owned()),
        Err(error) => (Class::Missing, format!("{TOOL} cannot be run: {error}")),
    };
    let problem = Problem::new(class, "", format!("the disk {} cannot be made", disk.path.display())).why(why);
    Err(problem.fix("Debian has qemu-img in qemu-utils; or name a disk that is there: --disk FILE").into())
}

#[cfg(test)]
mod test {
    use super::parse;
    use std::fs;

    #[test]
    fn a_size_makes_a_disk_and_none_takes_one_that_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name).display().to_string();
        let made = parse(&format!("{}:64G", file("a.img")), None).unwrap();
        assert_eq!((made.format, made.size.map(|size| size.to_string())), ("raw", Some("64G".to_owned())));
        assert_eq!(parse(&format!("{}:64G", file("a.qcow2")), None).unwrap().format, "qcow2");
        assert!(parse(&file("a.img"), None).unwrap_err().contains("with a size"));
        fs::write(file("b.img"), b"QFI\xfb\0\0\0\x03").unwrap();
        assert_eq!(parse(&file("b.img"), None).unwrap().format, "qcow2");
        assert!(parse(&format!("{}:1G", file("b.img")), None).unwrap_err().contains("there already"));
        fs::write(file("c.vmdk"), b"KDMV").unwrap();
        assert!(parse(&file("c.vmdk"), None).unwrap_err().contains("vmdk"));
    }
}
