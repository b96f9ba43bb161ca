//! What belongs to a guest that runs: the hooks and the services that come after it, and those that are kept alive.

use super::control::Desk;
use super::prepare::{Hands, beside, hooks_at, lost as not_started, start_companions};
use super::run::{Run, sentence};
use super::state_file::Reached;
use super::watch::Arrived;
use super::{Companions, Failure, Notice, RequiredLost, Scene};
use crate::plan::{Point, Start};
use crate::process::spare_memory;
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::sleep;

/// After which nothing of the start is under way any more.
const SETTLED: Duration = Duration::from_millis(300);

/// Runs what belongs to a running guest, then keeps the companions alive. Says through `lost` when one that is required is
/// lost, and by what; the others it keeps all the same, as the guest needs them until its end.
pub(super) async fn keep_company(
    hands: Hands<'_>,
    (run, arrived): (&Run<'_>, Arrived),
    companions: &mut Companions<'_>,
    scene: &Scene,
    lost: UnboundedSender<String>,
) -> Infallible {
    let ran = match arrived {
        Arrived::First => accompany(hands, run, companions, scene).await,
        Arrived::Again => companions.start(Start::After).await.map_err(|required| not_started(&required)),
        Arrived::Back(reached) => welcome_back(hands, (run, reached), companions, scene).await,
    };
    // It is heard for as long as this is done.
    let say = |why| drop(lost.send(why));
    if let Err(failure) = ran {
        say(failure.what);
    }
    loop {
        say(rest(companions, &run.desk).await.to_string());
    }
}

/// Watches the companions. For hours nothing happens now, and what a start, an answer or a reboot takes is most of the
/// program: it goes from memory.
async fn rest(companions: &mut Companions<'_>, desk: &Desk) -> RequiredLost {
    tokio::select! {
        lost = companions.next() => lost,
        never = spare(desk) => match never {},
    }
}

async fn spare(desk: &Desk) -> Infallible {
    sleep(SETTLED).await;
    loop {
        spare_memory();
        desk.quiet_again().await;
    }
}

/// Runs the hooks at `reconnect`, and what is still owed to a guest that came so far.
async fn welcome_back(
    hands: Hands<'_>,
    (run, reached): (&Run<'_>, Reached),
    companions: &mut Companions<'_>,
    scene: &Scene,
) -> Result<(), Failure> {
    beside(companions, hooks_at(Point::Reconnect, hands, scene)).await?;
    match reached {
        Reached::Accompanied => Ok(()),
        Reached::Spawned | Reached::Running => accompany(hands, run, companions, scene).await,
    }
}

/// Starts the services that come after the guest, and runs the hooks at `running`.
async fn accompany(
    hands: Hands<'_>,
    run: &Run<'_>,
    companions: &mut Companions<'_>,
    scene: &Scene,
) -> Result<(), Failure> {
    start_companions(Start::After, hands, companions).await?;
    beside(companions, hooks_at(Point::Running, hands, scene)).await?;
    if let Err(error) = run.state.reached(Reached::Accompanied) {
        (hands.tell)(&Notice::Warning(sentence(&error)));
    }
    Ok(())
}
