//! What is done at the end, when the guest is to be stopped, and when QEMU says something.

use super::life;
use super::quote::words as quoted;
use super::sheet::{self, Sheet};
use crate::plan::{Contents, OnReboot, OnTimeout, Point};
use std::fmt::Write as _;

/// What is done at the end and when the guest is to be stopped.
pub(super) fn ending(contents: &Contents, sheet: &Sheet, text: &mut String) {
    text.push_str("\ntake_back() {\n    case $1 in\n");
    for (number, lines) in &sheet.owed {
        _ = writeln!(text, "    {number})");
        lines.iter().for_each(|line| _ = writeln!(text, "        {} || status=41", sheet::grouped(line)));
        text.push_str("        ;;\n");
    }
    text.push_str("    esac\n}\n\n");
    text.push_str("put_back() {\n    status=$?\n    trap '' INT TERM HUP\n");
    text.push_str("    [ -z \"$qemu\" ] || { kill -KILL \"$qemu\"; wait \"$qemu\"; } 2>/dev/null\n");
    if contents.services.iter().any(life::is_companion) {
        text.push_str("    end_companions\n");
    }
    text.push_str("    for number in $owed; do\n        take_back \"$number\"\n    done\n");
    for line in life::lines(contents, Point::Post) {
        _ = writeln!(text, "    {line}");
    }
    text.push_str("    [ \"$status\" -ne 0 ] || [ -z \"$late\" ] || status=40\n");
    text.push_str("    [ \"$status\" -ne 41 ] || say 'the host is not fully put back'\n    exit \"$status\"\n}\n\n");
    stop(contents, text);
    text.push_str(
        "# What QEMU says by itself.\nheard() {\n    case $1 in\n    *'\"error\":'*) say \"QEMU refuses: $1\" ;;\n",
    );
    if contents.ending.on_reboot == OnReboot::Restart {
        text.push_str("    *'\"event\": \"SHUTDOWN\"'*guest-reset*) again=yes ;;\n");
    }
    if life::has(contents, Point::Reset) {
        text.push_str("    *'\"event\": \"RESET\"'*)\n");
        for line in life::lines(contents, Point::Reset) {
            _ = writeln!(text, "        {line}");
        }
        text.push_str("        ;;\n");
    }
    text.push_str("    esac\n");
    if !contents.interrupts.is_empty() {
        // The kernel tells nobody of an interrupt that a guest's driver asked for; what QEMU says comes soon after.
        let functions: Vec<_> = contents.devices.iter().map(ToString::to_string).collect();
        let places = quoted(contents.interrupts.iter().map(ToString::to_string));
        _ = writeln!(text, "    place_interrupts {} {places}", quoted([functions.join(" ")]));
    }
    text.push_str("}\n\n");
}

fn stop(contents: &Contents, text: &mut String) {
    text.push_str(
        "# Asked to stop: before the guest runs its start is taken back, after that its power button is pressed, by each\n\
         # further signal too.\n",
    );
    text.push_str("stop() {\n    asked=yes\n    [ -z \"$busy\" ] || return 0\n    [ -n \"$running\" ] || exit 130\n");
    text.push_str(
        "    if [ -n \"$stopping\" ]; then\n        press_power_button\n        return 0\n    fi\n    stopping=yes\n",
    );
    for line in life::lines(contents, Point::Stopping) {
        _ = writeln!(text, "    {line}");
    }
    let half = (contents.ending.timeout.get() / 2).as_secs_f64();
    let late = match contents.ending.on_timeout {
        OnTimeout::Wait => "say \"it did not power off yet; by force: kill -KILL $qemu\"",
        OnTimeout::Kill => "kill -KILL \"$qemu\"",
    };
    text.push_str("    press_power_button\n");
    // A guest that was not ready for it when it was pressed has not noticed.
    _ = write!(text, "    {{ after {half} press_power_button; after {half} {late}; }} &\n    killer=$!\n}}\n\n");
    text.push_str("press_power_button() {\n    say 'its power button is pressed'\n");
    text.push_str("    printf '{\"execute\": \"system_powerdown\"}\\n' >&3\n}\n\n");
}
