//! `vmrun run`: a guest from an untouched host to an untouched host.

use super::args::{HostFile, Run};
use super::load::{Loaded, Planned};
use super::output::{Output, Weight};
use super::progress::Progress;
use super::render::{PlanJson, finding};
use super::{Exit, busy, ending, firmware, lately, place};
use crate::host::{Caller, Host, Root};
use crate::plan::Plan;
use crate::supervise::{self, Notice, Order, Outcome};
use std::mem::ManuallyDrop;
use std::path::PathBuf;

/// Runs the guest of a profile; refused, nothing is touched.
pub(super) fn run(args: &Run, output: Output) -> Exit {
    let mut loaded = match Loaded::read(&args.profile, &args.layers) {
        // The process ends with it. To take thousands of pieces apart would only delay that.
        Ok(loaded) => ManuallyDrop::new(loaded),
        Err(rejected) => return rejected.and_on(&HostFile::default()).tell(output),
    };
    recover_others(&loaded, output);
    let planned = busy::plan(&mut loaded, output);
    match accepted(&loaded, planned, output) {
        Ok((plan, host)) => {
            let state = log_dir(&loaded, &plan);
            let now = lately::surroundings(&plan, &host, &Root::default());
            let good = lately::last_good(&state);
            if let Some(good) = &good {
                firmware::tell(good, &now, &plan, output);
            }
            let code = firmware::code(&plan);
            let progress = Progress::new(plan.name.as_str(), output);
            let outcome = carry_out(plan, &host, &loaded, &|notice| progress.tell(notice));
            progress.finish();
            match (lately::worked(&outcome), good) {
                (Some(true), good) => lately::keep(&state, good.as_ref(), now, code.as_deref()),
                (Some(false), Some(good)) => lately::tell(&good, &good.changes(&now), output),
                _ => {}
            }
            ending::tell(loaded.profile.name().as_str(), &outcome, output)
        }
        Err(exit) => exit,
    }
}

/// Puts the host back after runs that died, this guest's or another's: the plan must be made on a host as it was.
pub(super) fn recover_others(loaded: &Loaded, output: Output) {
    let runs = place::runs(&Caller::current());
    if supervise::owed(&runs).is_empty() {
        return;
    }
    let root = Root::default();
    let boot_id = root.text("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let progress = Progress::new(loaded.profile.name().as_str(), output);
    let done = tokio::runtime::Builder::new_current_thread().enable_all().build().map(|runtime| {
        runtime.block_on(supervise::recover_all(&root, &runs, &boot_id, &|notice| progress.tell(notice)));
    });
    progress.finish();
    if let Err(error) = done {
        output.say(Weight::Error, &format!("there is no event loop: {error}"));
    }
}

/// The plan, when nothing stands against it. Problems and warnings are told.
pub(super) fn accepted(loaded: &Loaded, planned: Planned, output: Output) -> Result<(Plan, Host), Exit> {
    let exit = planned.exit();
    if exit != Exit::Good && output.json {
        return Err(output.answer_json(&finding::json(&loaded.sheets, &planned.findings, exit), exit));
    }
    if !planned.findings.is_empty() && (exit != Exit::Good || !output.quiet) {
        let weight = if exit == Exit::Good { Weight::Warning } else { Weight::Error };
        // What is merely odd about the plan, at each start, is no reason to interrupt somebody at their desktop.
        let told = if exit == Exit::Good { output.without_alerts() } else { output };
        told.say(weight, &finding::text(&loaded.sheets, &planned.findings, output.width));
    }
    match planned.plan {
        Ok(plan) if exit == Exit::Good => Ok((plan, planned.host)),
        _ => Err(exit),
    }
}

/// Carries the plan out and returns when all is over.
pub(super) fn carry_out(plan: Plan, host: &Host, loaded: &Loaded, tell: &dyn Fn(&Notice)) -> Outcome {
    let log_dir = log_dir(loaded, &plan);
    let plan_json = serde_json::to_vec(&PlanJson(&plan)).expect("JSON has names for its keys");
    let boot_id = host.boot_id.clone();
    // They are texts and numbers, which can always be written; without them only `vmrun diff` misses something.
    let profile_json = serde_json::to_vec(&loaded.sheets).unwrap_or_default();
    let order = Order {
        plan,
        root: Root::default(),
        boot_id,
        log_dir: log_dir.clone(),
        folder: loaded.setting.dir.clone(),
        plan_json,
        profile_json,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(supervise::run(order, tell)),
        Err(error) => Outcome::unable(format!("there is no event loop: {error}")),
    };
    ending::keep(&log_dir, &outcome);
    outcome
}

/// Where the logs of a guest are kept.
fn log_dir(loaded: &Loaded, plan: &Plan) -> PathBuf {
    loaded.setting.state_dir.join(plan.name.as_str())
}
