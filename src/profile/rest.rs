//! What can be said of a profile that has mistakes in its text.

use super::source::Rest;
use super::{Profile, Setting};
use crate::host::Host;
use crate::plan::{Problem, Refusal};

impl Rest<Profile> {
    /// Reasons why the profile could not be planned on `host` either when its mistakes were mended, however that is done.
    #[must_use]
    pub fn problems(&self, host: &Host, setting: &Setting) -> Vec<Problem> {
        let mut problems = against(&self.value, host, setting);
        problems.retain(|problem| !self.is_doubtful(&problem.at));
        for other in &self.others {
            if problems.is_empty() {
                break;
            }
            let found = against(other, host, setting);
            problems.retain(|problem| found.contains(problem));
        }
        problems
    }
}

fn against(profile: &Profile, host: &Host, setting: &Setting) -> Vec<Problem> {
    profile.plan(host, setting).err().map_or_else(Vec::new, |refusal| {
        let Refusal { contents: _, problems } = *refusal;
        problems
    })
}
