//! `vmrun why`: what a finding or a symptom means, at length.

use super::Exit;
use super::args::Why;
use super::output::Output;
use super::refuse::refuse_with;
use super::render::doctor as page;
use crate::doctor::why::{nearest, topic, topics};
use serde_json::json;

/// Explains an id, or lists all of them.
pub(super) fn run(args: &Why, output: Output) -> Exit {
    let Some(id) = &args.id else {
        let topics: Vec<_> = topics().collect();
        if output.json {
            let list: Vec<_> = topics.iter().map(|it| json!({ "id": it.id, "title": it.title })).collect();
            return output.answer_json(&json!({ "v": 1, "topics": list }), Exit::Good);
        }
        return output.answer(&page::topics(&topics, output.width), Exit::Good);
    };
    let Some(topic) = topic(id) else {
        let meant = |near: &str| format!("vmrun why {near}   # did you mean this?");
        let fix = nearest(id).map_or("vmrun why   # lists all ids".to_owned(), meant);
        let what = format!("nothing to explain is called `{}`", id.escape_debug());
        return refuse_with(Exit::Usage, what, fix, output);
    };
    if output.json {
        return output
            .answer_json(&json!({ "v": 1, "id": topic.id, "title": topic.title, "text": topic.text }), Exit::Good);
    }
    output.answer(&page::topic(&topic, output.width), Exit::Good)
}
