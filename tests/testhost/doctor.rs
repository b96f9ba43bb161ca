//! What `vmrun check` warns of, and that what it says mends it.

use super::scene::VMRUN;
use crate::host::{self, Host, Layout, Lost};
use serde_json::Value;

/// The verdict under `id`, and the lines of its fix that are to be given to a shell.
fn finding(host: &mut Host, id: &str) -> Result<(String, String), Lost> {
    let reply = host.run(&format!("{VMRUN} check --json"))?;
    let answer: Value = serde_json::from_str(&reply.text()).unwrap_or_else(|error| panic!("{error}\n{reply}"));
    let findings = answer["findings"].as_array().expect("there are findings");
    let found = findings.iter().find(|finding| finding["id"] == id).unwrap_or_else(|| panic!("{id}: {reply}"));
    let fix = found["fix"].as_str().unwrap_or_default().lines();
    let typed = fix.filter(|line| ["sudo ", "echo "].iter().any(|start| line.starts_with(start)));
    let commands = typed.map(|line| line.replace("sudo ", "") + "\n").collect();
    Ok((found["verdict"].as_str().unwrap_or_default().to_owned(), commands))
}

#[test]
fn the_text_console_that_a_script_left_off_comes_back_by_the_fix() {
    let (broken, after) = host::on(&Layout::SINGLE_GPU, |host| {
        host.ask("echo 0 >/sys/class/vtconsole/vtcon1/bind")?;
        let (broken, fix) = finding(host, "console-off")?;
        host.ask(&fix)?;
        Ok((broken, finding(host, "console-off")?.0))
    });
    assert_eq!((broken.as_str(), after.as_str()), ("warn", "ok"));
}
