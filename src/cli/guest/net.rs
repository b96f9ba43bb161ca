//! `vmrun net`: the cables of the guest's network devices.

use super::{Refused, done, for_guest, run_dir};
use crate::cli::Exit;
use crate::cli::args::{Cable, Net};
use crate::cli::output::Output;
use crate::supervise::{Ask, Client};
use serde_json::{Map, json};

/// Plugs a cable in, or out.
pub(in crate::cli) fn net(Net { cable, name, device }: &Net, output: Output) -> Exit {
    let work = async {
        let mut client = Client::connect(&run_dir(name)).await?;
        let device = match device {
            Some(device) => device.clone(),
            None => only(&mut client).await?,
        };
        let up = matches!(cable, Cable::Up);
        let arguments = Map::from_iter([("name".to_owned(), json!(device)), ("up".to_owned(), json!(up))]);
        client.ask(&Ask::Qmp { execute: "set_link".into(), arguments }).await?;
        let what = format!("the cable of {device} is {}", if up { "plugged in" } else { "unplugged" });
        Ok::<_, Refused>(done(name, &what, output))
    };
    for_guest(name, output, work)
}

/// The only network device of the guest. QMP has no list of all; the monitor for people has.
async fn only(client: &mut Client) -> Result<String, Refused> {
    let arguments = Map::from_iter([("command-line".to_owned(), json!("info network"))]);
    let answer = client.ask(&Ask::Qmp { execute: "human-monitor-command".into(), arguments }).await?;
    match &devices(answer.as_str().unwrap_or_default())[..] {
        [] => Err(Refused::Said("it has no network device".into())),
        [only] => Ok(only.clone()),
        several => Err(Refused::unless("it has several network devices", format!("say which: {}", several.join(", ")))),
    }
}

/// `net0: index=0,type=nic,…` and, two columns in and behind a ` \ `, what it is connected to.
fn devices(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| line.contains("type=nic"));
    lines.filter_map(|line| Some(line.split_once(": ")?.0.trim_start_matches([' ', '\\']).to_owned())).collect()
}

#[cfg(test)]
mod test {
    use super::devices;

    #[test]
    fn devices_are_told_from_what_they_are_connected_to() {
        let text = "nic0: index=0,type=nic,model=virtio-net-pci,macaddr=52:54:00:12:34:56\r\n \\ net0: index=0,type=user,net=10.0.2.0\r\n";
        assert_eq!(devices(text), ["nic0"]);
    }
}
