//! `vmrun host permissions`: what a user has to be granted to start a guest without root.

use super::Exit;
use super::args::{Host as HostArgs, Permissions as Args};
use super::load::{Loaded, dumped};
use super::output::Output;
use super::refuse::refuse;
use crate::doctor::{GrantFile, Permissions, permissions};
use crate::host::{Caller, Host, Root, Wants};
use crate::plan::{Class, Problem, Refusal};
use serde_json::json;
use std::fmt::Write;

/// Prints the files and commands that grant it.
pub(super) fn run(args: &Args, host: &HostArgs, output: Output) -> Exit {
    let loaded = match Loaded::read(&args.profile, &host.layers) {
        Ok(loaded) => loaded,
        Err(rejected) => return rejected.tell(output),
    };
    let users = match &host.host {
        None => Host::read(&Root::default(), &Wants::default()).users,
        Some(file) => match dumped(file) {
            Ok(host) => host.users,
            Err(rejected) => return rejected.tell(output),
        },
    };
    let caller = Caller::current();
    let caller = caller.invoker.unwrap_or(caller.euid);
    let found = match &args.user {
        Some(login) => users.iter().find(|user| user.name == *login),
        None => users.iter().find(|user| user.uid == caller),
    };
    let Some(user) = found.filter(|user| user.uid != 0) else {
        let what = match &args.user {
            Some(login) if found.is_none() => format!("this host has no account {login}"),
            _ => "root needs no permission".to_owned(),
        };
        let fix = format!("vmrun host permissions {} --user YOUR_LOGIN", args.profile.display());
        return refuse(&[Problem::new(Class::Invalid, "", what).fix(fix)], output);
    };
    let planned = match loaded.plan_as((&user.name, user.uid), host.host.as_deref()) {
        Ok(planned) => planned,
        Err(rejected) => return rejected.tell(output),
    };
    let profile = args.profile.display().to_string();
    let mut found = permissions(planned.contents(), &planned.host, &user.name, &profile);
    found.root_only.extend(planned.plan.as_ref().err().into_iter().flat_map(|refusal| refused(refusal)));
    if output.json {
        return output.answer_json(&json!({ "v": 1, "user": user.name, "permissions": found }), Exit::Good);
    }
    output.answer(&text(&found, &user.name, planned.contents().name.as_str()), Exit::Good)
}

/// What no grant changes, by the key that asks for it.
fn refused(refusal: &Refusal) -> impl Iterator<Item = String> {
    let of_root = |problem: &&Problem| problem.class == Class::Denied && problem.what.starts_with("only root can");
    refusal.problems.iter().filter(of_root).map(|problem| format!("{}: {}", problem.at, problem.what))
}

/// Not wrapped: it is to be copied.
fn text(Permissions { files, commands, root_only }: &Permissions, user: &str, guest: &str) -> String {
    let mut text = format!("# What {user} needs to start {guest} without root. Each file is written by root.\n");
    for GrantFile { path, lines } in files {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n## {path}\n{}\n", lines.join("\n"));
    }
    if !commands.is_empty() {
        let _ = write!(text, "\n## once, as root\n{}\n", commands.join("\n"));
    }
    if !root_only.is_empty() {
        let lines: String = root_only.iter().map(|line| format!("#   {line}\n")).collect();
        let _ = write!(
            text,
            "\n## only root can do this, at each start: a profile for a start without root leaves it out\n{lines}"
        );
    }
    if files.is_empty() && commands.is_empty() && root_only.is_empty() {
        text = format!("# {user} needs nothing to start {guest}\n");
    }
    text
}
